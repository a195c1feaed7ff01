"""The tables of a deployment, one by one: made new, cloned, or frozen to be read in peace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from stonechat.deploy.ddl import alter_table, clone_table, create_quarantine, create_table, freeze_table, table
from stonechat.deploy.plan import (
    Backfill,
    CloneDataSource,
    CreateDataSource,
    RenewDataSource,
    RewriteDataSource,
    Table,
)
from stonechat.engine.contract import Engine
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.snapshot import Snapshot
from stonechat.sql.quoting import identifier, literal


class Making:
    """Makes tables for a workspace whose first database is `base`."""

    def __init__(self, engine: Engine, base: str) -> None:
        self._engine = engine
        self._base = base

    def database(self, name: str) -> None:
        """Make a database, if it is not there."""
        self._engine.command(f"CREATE DATABASE IF NOT EXISTS {identifier(name)}")

    def whole(self, step: Table, live: Snapshot, database: str) -> None:
        """Make the table of a step that takes no time: empty, or with the rows of the live one."""
        match step:
            case CloneDataSource(source):
                self.command(self._clone(source.name, live.table(source.name).database, database))
            case CreateDataSource(source) | RenewDataSource(source) | RewriteDataSource(source):
                self.command(create_table(source, database))

    def quarantine(self, step: Table, live: Snapshot, database: str) -> None:
        """Make the quarantine beside the table of a step, with the rows of the live one if there is one."""
        if isinstance(step, CreateDataSource):
            self.command(create_quarantine(step.source, database))
            return
        name = step.source.name + QUARANTINE_SUFFIX
        self.command(clone_table(name, live.table(name).database, database))
        for alteration in step.quarantine:
            self.command(alter_table(name, alteration, database, wait=False))

    def freeze(self, name: str, there: str, database: str) -> None:
        """Clone a table from the database where it is `there`, to where nobody writes and its parts stay as they are.
        Nothing is done where it has been.
        """
        if self._engine.fetch(
            f"SELECT 1 FROM system.tables WHERE database = {literal(database)} AND name = {literal(name)}"
        ):
            return
        self.command(self._clone(name, there, database))
        if self.has_parts(name, database):
            for statement in freeze_table(name, database):
                self.command(statement)

    def command(self, statement: str) -> None:
        """Run a statement that makes, changes or moves a table."""
        self._engine.command(statement, database=self._base)

    def triggers(self, backfills: Sequence[Backfill], database: str) -> Mapping[str, str]:
        """Whose rows set each view in a database off, by the view, which the engine knows: it may read other tables
        beside.
        """
        found = {}
        for each in backfills:
            name = each.view.name
            rows = self._engine.fetch(
                "SELECT name FROM system.tables WHERE has(arrayZip(dependencies_database, dependencies_table), "
                f"({literal(database)}, {literal(name)})) "
                f"AND name IN ({', '.join(map(literal, sorted(each.view.reads)))})"
            )
            if rows:
                found[name] = str(rows[0]["name"])
        return found

    def taken_names(self) -> AbstractSet[str]:
        """The data sources and views that have a table in the workspace's first database."""
        rows = self._engine.fetch(f"SELECT name FROM system.tables WHERE database = {literal(self._base)}")
        names = {str(row["name"]) for row in rows}
        # A quarantine stands for its data source, but the view of one has such a name of its own.
        return names | {name.removesuffix(QUARANTINE_SUFFIX) for name in names}

    def rows(self, name: str, database: str) -> int:
        """How many rows a table has."""
        places = f"database = {literal(database)} AND name = {literal(name)}"
        (found,) = self._engine.fetch(f"SELECT coalesce(total_rows, 0) AS rows FROM system.tables WHERE {places}")
        return int(str(found["rows"]))

    def has_parts(self, name: str, database: str) -> bool:
        """Whether a table is of an engine that keeps its rows in parts."""
        found = self._engine.fetch(
            f"SELECT 1 FROM system.tables WHERE database = {literal(database)} AND name = {literal(name)} "
            "AND endsWith(engine, 'MergeTree')"
        )
        return bool(found)

    def _clone(self, name: str, source: str, database: str) -> str:
        if self.has_parts(name, source):
            return clone_table(name, source, database)
        return f"CREATE TABLE {table(database, name)} AS {table(source, name)}"
