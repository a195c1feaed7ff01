"""Rows on their way into data sources, whole and on the disk before the first of them is anywhere else.

Each job that stages rows has a database of its own, which nobody reads and which goes when the job has ended. Staged
rows have a position, and go on in chunks of consecutive ones: each chunk is one block under one token, however often it
is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from stonechat.engine.contract import Engine, Fill, Query, QueryLimits, QueryResult
from stonechat.engine.table_settings import SYNCED_PARTS
from stonechat.errors import Kind, StonechatError
from stonechat.project.snapshot import Table
from stonechat.sql.quoting import identifier, literal

Filling = Callable[[Fill], QueryResult]
"""Fills a staged table: `Engine.fill`, with whatever goes on beside it."""

POSITION_BYTES = 8
_PREFIX = "staging_"
_CHUNK_BYTES = 128_000_000
_CHUNK_ROWS = 2_000_000
_DURABLE = ", ".join(f"{name} = {value}" for name, value in SYNCED_PARTS.items())


@dataclass(frozen=True, slots=True)
class Batch:
    """Staged rows for a data source: `table` holds them, `chunk` of them go at a time, `size` is in bytes in memory."""

    table: str
    data_source_id: str
    columns: tuple[str, ...]
    position: str
    rows: int
    size: int
    chunk: int

    @classmethod
    def of(cls, noted: Mapping[str, Any]) -> Self:
        """The batch that `noted` gave."""
        return cls(**{**noted, "columns": tuple(noted["columns"])})

    @property
    def noted(self) -> Mapping[str, Any]:
        """As JSON."""
        return asdict(self)

    @property
    def chunks(self) -> int:
        """In how many blocks the rows go."""
        return -(-self.rows // self.chunk)


@dataclass(frozen=True, slots=True)
class Staged:
    """A batch, and what its query read."""

    batch: Batch
    read: QueryResult


class StagedColumnUnknown(StonechatError):
    """A query gives a column that the data source which it is for does not have."""

    code = "SC842"
    kind = Kind.CONFLICT


class Staging:
    """The database of one job's staged rows. `fill` fills its tables, `limits` are for what goes out of them."""

    def __init__(self, engine: Engine, job_id: str, limits: QueryLimits, fill: Filling) -> None:
        self._engine = engine
        self._limits = limits
        self.fill = fill
        self.database = database_of(job_id)

    def clear(self) -> None:
        """Begin, or begin anew, with nothing staged."""
        self.drop()
        self._engine.command(f"CREATE DATABASE {identifier(self.database)}")

    def drop(self) -> None:
        """Remove whatever is staged."""
        self._engine.command(f"DROP DATABASE IF EXISTS {identifier(self.database)} SYNC")

    def stage(self, name: str, query: Query, target: Table, data_source_id: str) -> Staged:
        """Keep the rows of a query in a table of that name, for a data source whose table is `target`."""
        columns = given_columns(self._engine, query, target)
        position = self._table(name, columns)
        whole = replace(query, statement=_numbered(query.statement, position))
        done = self.fill(Fill(self.database, name, (*columns, position), whole))
        rows, size = measured(self._engine, Table(self.database, name))
        chunk = max(min(_CHUNK_ROWS, rows * _CHUNK_BYTES // max(size, 1)), 1)
        return Staged(Batch(name, data_source_id, tuple(columns), position, rows, size, chunk), done)

    def _table(self, name: str, columns: Mapping[str, str]) -> str:
        """Make a table for rows of these columns; the name of the column with their positions."""
        position = "position"
        while position in columns:
            position += "_"
        listed = ", ".join(f"{identifier(column)} {kind}" for column, kind in {**columns, position: "UInt64"}.items())
        self._engine.command(
            f"CREATE TABLE {Table(self.database, name)} ({listed}) ENGINE = MergeTree ORDER BY {identifier(position)} "
            f"SETTINGS {_DURABLE}"
        )
        return position

    def send(self, batch: Batch, number: int, target: Table, token: str, *, past_failing_views: bool = False) -> None:
        """Put one chunk of a batch into a table, as one block, as far as the table has its columns."""
        stored = table_columns(self._engine, target)
        columns = [name for name in batch.columns if name in stored]
        start = number * batch.chunk
        position = identifier(batch.position)
        statement = (
            f"SELECT {', '.join(map(identifier, columns))} FROM {Table(self.database, batch.table)}\n"
            f"WHERE {position} >= {start} AND {position} < {start + batch.chunk} ORDER BY {position}"
        )
        query = Query(statement, self.database, limits=self._limits)
        self._engine.fill(Fill(target.database, target.name, columns, query, token, past_failing_views))


def given_columns(engine: Engine, query: Query, target: Table) -> Mapping[str, str]:
    """The columns that a query gives, with the types that a table has for them. Raises `StagedColumnUnknown`."""
    described = replace(query, statement=f"DESCRIBE (\n{query.statement}\n)", format="JSONEachRow")
    given = [str(row["name"]) for row in map(json.loads, engine.query(described).data.splitlines())]
    types = table_columns(engine, target)
    for name in given:
        if name not in types:
            raise StagedColumnUnknown(
                f"The query gives a column '{name}' that the data source '{target.name}' does not have",
                hint="Name the columns of the query as those of the data source.",
            )
    return {name: types[name] for name in given}


def table_columns(engine: Engine, table: Table) -> Mapping[str, str]:
    """The columns of a table with their types."""
    return {str(row["name"]): str(row["type"]) for row in engine.fetch(f"DESCRIBE TABLE {table}")}


def measured(engine: Engine, table: Table) -> tuple[int, int]:
    """Rows and bytes, uncompressed, that a table has."""
    where = f"database = {literal(table.database)} AND table = {literal(table.name)} AND active"
    (row,) = engine.fetch(f"SELECT sum(rows) AS r, sum(data_uncompressed_bytes) AS b FROM system.parts WHERE {where}")
    return int(str(row["r"])), int(str(row["b"]))


def _numbered(statement: str, position: str) -> str:
    return f"SELECT *, rowNumberInAllBlocks() AS {identifier(position)} FROM\n(\n{statement}\n)"


def database_of(job_id: str) -> str:
    """The database of a job's staged rows."""
    return _PREFIX + job_id.replace("-", "")


def remove_staged(engine: Engine, needed: Iterable[str]) -> None:
    """Drop what is staged for other jobs than those of the ids: they have ended, or are forgotten."""
    kept = {database_of(job_id) for job_id in needed}
    for name in _databases(engine):
        if name not in kept:
            engine.command(f"DROP DATABASE IF EXISTS {identifier(name)} SYNC")


def _databases(engine: Engine) -> Iterator[str]:
    query = f"SELECT name FROM system.databases WHERE startsWith(name, {literal(_PREFIX)})"
    yield from (str(row["name"]) for row in engine.fetch(query))
