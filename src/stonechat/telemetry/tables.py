"""The tables behind the service data sources: in a database for each workspace, each made when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence

from stonechat.engine.contract import Engine
from stonechat.project.service_data_sources import SERVICE_DATA_SOURCES, service_database
from stonechat.project.service_schema import ServiceDataSource
from stonechat.sql.quoting import identifier, literal

MOST_DAYS = 90
_VIEW_SUFFIX = "_view"


class ServiceTables:
    """Makes and fills them. `database` is always that of the workspace's own tables. Blocks; any thread may call."""

    def __init__(self, engine: Engine, most_days: int = MOST_DAYS) -> None:
        self._engine = engine
        self._most_days = most_days
        self._lock = threading.Lock()
        self._made: dict[str, frozenset[str]] = {}
        self._closed: set[str] = set()

    def ensure(self, database: str, names: Collection[str] = SERVICE_DATA_SOURCES) -> None:
        """Make those of the tables that are missing, unless the workspace is closed."""
        if self._made.get(database, frozenset()).issuperset(names):
            return
        with self._lock:
            if database in self._closed:
                return
            made = self._made.get(database, frozenset())
            for statement in create_statements(service_database(database), self._most_days, set(names) - made):
                self._engine.command(statement)
            if database not in self._made:
                self._change_expiry(service_database(database))
            self._made[database] = made.union(names)

    def close(self, database: str) -> None:
        """Let the tables of a workspace be dropped: they are not made again."""
        with self._lock:
            self._closed.add(database)
            self._made.pop(database, None)

    def write(self, database: str, table: str, rows: Sequence[bytes]) -> None:
        """Add rows, each a JSON object, to a table. Those of a closed workspace go nowhere."""
        if database in self._closed:
            return
        self.ensure(database, _FED[table])
        place = f"{identifier(service_database(database))}.{identifier(table)}"
        head = f"INSERT INTO {place} SETTINGS async_insert = 0 FORMAT JSONEachRow\n"
        self._engine.command(head + b"\n".join(rows).decode())

    def _change_expiry(self, database: str) -> None:
        """Tables that were made when rows were to stay for another time keep them for as long as is wanted now."""
        query = f"SELECT name, create_table_query AS text FROM system.tables WHERE database = {literal(database)}"
        for row in self._engine.fetch(query):
            source = SERVICE_DATA_SOURCES.get(str(row["name"]))
            if source is not None and source.expires_after:
                expiry = _expiry(source, self._most_days)
                if expiry not in str(row["text"]):
                    place = f"{identifier(database)}.{identifier(source.name)}"
                    self._engine.command(f"ALTER TABLE {place} MODIFY TTL {expiry}")


def create_statements(
    database: str, most_days: int = MOST_DAYS, names: Collection[str] = SERVICE_DATA_SOURCES
) -> Iterator[str]:
    """Statements that make the database `database` and tables that are missing in it. Rows go after `most_days`."""
    yield f"CREATE DATABASE IF NOT EXISTS {identifier(database)} ENGINE = Atomic"
    for source in SERVICE_DATA_SOURCES.values():
        if source.name not in names:
            continue
        yield _create_table(source, database, most_days)
        if source.view:
            view = f"{identifier(database)}.{identifier(source.name + _VIEW_SUFFIX)}"
            target = f"{identifier(database)}.{identifier(source.name)}"
            tables = {name: f"{identifier(database)}.{identifier(name)}" for name in SERVICE_DATA_SOURCES}
            yield f"CREATE MATERIALIZED VIEW IF NOT EXISTS {view} TO {target} AS {source.view.format(**tables)}"


def _fed(name: str) -> frozenset[str]:
    """A table, and those that rows of it reach through views."""
    targets = [source.name for source in SERVICE_DATA_SOURCES.values() if f"{{{name}}}" in source.view]
    return frozenset({name}).union(*map(_fed, targets))


_FED = {name: _fed(name) for name in SERVICE_DATA_SOURCES}


def _expiry(source: ServiceDataSource, most_days: int) -> str:
    return f"{source.expires_after} + toIntervalDay({min(source.kept_days, most_days)})"


def _create_table(source: ServiceDataSource, database: str, most_days: int) -> str:
    columns = ", ".join(f"{identifier(name)} {kind}" for name, kind in source.columns.items())
    clauses = [f"ENGINE = {source.engine}"]
    if source.sorting_key:
        clauses.append(f"ORDER BY ({source.sorting_key})")
    if source.partition_by:
        clauses.append(f"PARTITION BY {source.partition_by}")
    if source.expires_after:
        clauses.append(f"TTL {_expiry(source, most_days)}")
    place = f"{identifier(database)}.{identifier(source.name)}"
    return f"CREATE TABLE IF NOT EXISTS {place} ({columns}) {' '.join(clauses)}"
