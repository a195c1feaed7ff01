"""New content for a data source, made beside the live one, with the targets of the materialized views behind it.

In a database of its own stand empty tables like the live ones, joined by the same views. What is written to the data
source's table there flows through them. In the end these tables take the places of the live ones, all at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from stonechat.datafile.resources import DataSource, NodeType
from stonechat.deploy.ddl import create_view
from stonechat.deploy.plan import CreateView, views_of
from stonechat.engine.contract import Engine, Insert
from stonechat.errors import Kind, StonechatError
from stonechat.ingest.destinations import Destination, insert_rows
from stonechat.jobs.swaps import RENEWAL_PREFIX, Along, drop_staging, swap
from stonechat.project.composition import compose_pipe
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.snapshot import Snapshot, Table
from stonechat.sql.qualifying import Placing
from stonechat.sql.quoting import identifier, literal
from stonechat.state import StateStore

_INCOMING = "__incoming"
_PARTS = "SELECT DISTINCT partition_id FROM system.parts WHERE active AND database = {} AND table = {} ORDER BY 1"


class ViewsIncompatible(StonechatError):
    """What a view made of the rows that are to be replaced cannot be told from what else its target holds."""

    code = "SC657"
    kind = Kind.CONFLICT


class Renewal:
    """Tables that may take the place of a data source's and of those behind it.

    With `condition` only what it holds for is replaced. `skip_incompatible` leaves targets alone that cannot be made
    anew, where otherwise `ViewsIncompatible` is raised.
    """

    def __init__(
        self,
        engine: Engine,
        snapshot: Snapshot,
        source: DataSource,
        identity: str,
        *,
        condition: str | None = None,
        skip_incompatible: bool = False,
    ) -> None:
        self._engine = engine
        self._snapshot = snapshot
        self._source = source
        self._condition = condition
        self.database = f"{RENEWAL_PREFIX}{identity.replace('-', '')}"
        self._live = snapshot.table(source.name)
        self._views = self._views_behind(skip_incompatible=skip_incompatible)
        self._create()

    @property
    def names(self) -> Sequence[str]:
        """The data sources whose content is made anew."""
        return [self._source.name, *dict.fromkeys(view.target for view in self._views)]

    def insert(self, rows: bytes, token: str) -> None:
        """Write rows that were checked. The same rows again under the same token change nothing."""
        destination = Destination.of(self._source, database=self.database, table=self.entrance.name)
        insert = Insert(self.database, self.entrance.name, destination.columns, "JSONEachRow", [rows], token)
        insert_rows(self._engine, insert, destination)

    def complete(self) -> int:
        """Add what stays of the live rows; how many rows of the live table go. Nobody may write to it meanwhile."""
        if self._condition is None:
            return self._count(str(self._live))
        self._copy(f"FROM {self._incoming} WHERE {self._condition}")
        replaced = self._count(f"{self._live} WHERE {self._condition}")
        # Without an alias, which would take the place of a column of that name in the condition.
        matching = self._fetch(f"SELECT DISTINCT _partition_id FROM {self._live} WHERE {self._condition}")
        affected = {str(row["_partition_id"]) for row in matching} | self._partitions(self._staged)
        listed = ", ".join(map(literal, sorted(affected))) or "''"
        self._copy(f"FROM {self._live} WHERE _partition_id IN ({listed}) AND NOT ifNull({self._condition}, 0)")
        for name in self.names:
            live, staged = self._snapshot.table(name), Table(self.database, name)
            whole = name != self._source.name and affected == {"all"}
            kept = set() if whole else self._partitions(live) - affected - self._partitions(staged)
            for partition in sorted(kept):
                self._command(f"ALTER TABLE {staged} ATTACH PARTITION ID {literal(partition)} FROM {live}")
        return replaced

    def fits(self, snapshot: Snapshot) -> bool:
        """Whether what was live when this was begun is still as it was, as far as it matters here."""
        before, after = self._snapshot, snapshot
        return (
            all(before.table(name) == after.table(name) for name in self.names)
            and all(before.project.data_sources[name] == after.project.data_sources.get(name) for name in self.names)
            and _views_of(before) == _views_of(after)
        )

    def swap(self, store: StateStore, along: Along) -> None:
        """Put the new tables in the places of the live ones. Nobody may write to these meanwhile. Raises as `swap`."""
        swap(store, self._engine, self.database, [self._snapshot.table(name) for name in self.names], along)

    def drop(self) -> None:
        """Remove what is in the staging database: the new tables, or after a swap the old ones."""
        drop_staging(self._engine, self.database)

    def outside_condition(self) -> int:
        """How many rows were written that the condition does not hold for, which are left out."""
        return self._count(f"{self._incoming} WHERE NOT ifNull({self._condition}, 0)") if self._condition else 0

    def _copy(self, rows: str) -> None:
        # Equal blocks without a token would count as one that was sent twice.
        self._command(f"INSERT INTO {self._staged} SELECT * {rows} SETTINGS insert_deduplicate = 0")

    @cached_property
    def _staged(self) -> Table:
        return Table(self.database, self._source.name)

    @property
    def entrance(self) -> Table:
        """Where the new rows are to be written."""
        return self._staged if self._condition is None else self._incoming

    @cached_property
    def _incoming(self) -> Table:
        return Table(self.database, _INCOMING)

    def _create(self) -> None:
        drop_staging(self._engine, self.database)
        self._engine.command(f"CREATE DATABASE {identifier(self.database)}")
        for name in self.names:
            self._command(f"CREATE TABLE {Table(self.database, name)} AS {self._snapshot.table(name)}")
        if self._condition is not None:
            self._command(f"CREATE TABLE {self._incoming} AS {self._live}")
        project = self._snapshot.project
        staged = dict.fromkeys(self.names, self.database)
        columns = {column.name for source in project.data_sources.values() for column in source.columns}
        placing = Placing(staged, columns & staged.keys())
        for view in self._views:
            # The names that are staged get their database first, and then are none any more that a place is put before.
            statement = self._snapshot.placed(placing.apply(view.statement))
            self._command(create_view(view.name, view.target, statement, self.database))

    def _views_behind(self, *, skip_incompatible: bool) -> Sequence[CreateView]:
        """The views that rows flow through, the first ones first, as far as their targets can be made anew."""
        found: list[CreateView] = []
        closure = self._reached()
        reached = [self._source.name]
        for name in reached:
            for view in self._triggered_by(name):
                reason = self._incompatibility(view.target, closure)
                if reason is None:
                    found.append(view)
                    reached += [] if view.target in reached else [view.target]
                elif not skip_incompatible:
                    raise ViewsIncompatible(
                        f"The rows of '{view.target}', which '{view.pipe.name}' makes, cannot be replaced: {reason}",
                        hint="With skip_incompatible_partition_key=true they are left as they are.",
                    )
        return found

    def _reached(self) -> Sequence[str]:
        reached = [self._source.name]
        for name in reached:
            reached += [view.target for view in self._triggered_by(name) if view.target not in reached]
        return reached

    def _incompatibility(self, target: str, reached: Sequence[str]) -> str | None:
        sources = self._snapshot.project.data_sources
        others = {name for name, views in self._views_by_trigger.items() for view in views if view.target == target}
        if foreign := others - {*reached}:
            return f"it is also fed from '{min(foreign)}'"
        mine, its = _key(self._source), _key(sources[target])
        if self._condition is not None and mine and mine != its:
            return "it has another partition key"
        return None

    def _triggered_by(self, name: str) -> Iterator[CreateView]:
        return iter(self._views_by_trigger.get(name, ()))

    @cached_property
    def _views_by_trigger(self) -> dict[str, list[CreateView]]:
        """The views by the data source or quarantine whose new rows they see, which only the engine can tell.

        Those of a deployment that is not live are left out.
        """
        snapshot, project = self._snapshot, self._snapshot.project
        pipes = project.pipes_of_type(NodeType.MATERIALIZED)
        views = {snapshot.table(view.name): view for pipe in pipes for view in views_of(project, pipe)}
        names = [name + suffix for name in project.data_sources for suffix in ("", QUARANTINE_SUFFIX)]
        sources = {snapshot.table(name): name for name in names}
        found: dict[str, list[CreateView]] = {}
        for row in self._fetch(
            "SELECT database, name, arrayJoin(arrayZip(dependencies_database, dependencies_table)) AS view, "
            "view.1 AS view_database, view.2 AS view_name FROM system.tables "
            f"WHERE database IN ({', '.join(map(literal, snapshot.databases))}) ORDER BY view_name"
        ):
            source = sources.get(Table(str(row["database"]), str(row["name"])))
            view = views.get(Table(str(row["view_database"]), str(row["view_name"])))
            if source is not None and view is not None:
                found.setdefault(source, []).append(view)
        return found

    def _partitions(self, table: Table) -> set[str]:
        rows = self._fetch(_PARTS.format(literal(table.database), literal(table.name)))
        return {str(row["partition_id"]) for row in rows}

    def _count(self, what: str) -> int:
        return int(str(self._fetch(f"SELECT count() FROM {what}")[0]["count()"]))

    def _fetch(self, statement: str) -> list[dict[str, Any]]:
        return self._engine.fetch(statement, database=self._snapshot.workspace.database)

    def _command(self, statement: str) -> None:
        self._engine.command(statement, database=self._snapshot.workspace.database)


def _views_of(snapshot: Snapshot) -> dict[str, tuple[str, str]]:
    """The materialized pipes with their statements, whatever nodes and pipes stand behind these, and their targets."""
    project = snapshot.project
    pipes = project.pipes_of_type(NodeType.MATERIALIZED)
    return {pipe.name: (compose_pipe(project, pipe, {}).sql, pipe.output.options["datasource"]) for pipe in pipes}


def _key(source: DataSource) -> str:
    """The partition key without what means nothing; empty for none."""
    key = "".join((source.engine.partition_key or "").split()).strip("()")
    return "" if key == "tuple" else key
