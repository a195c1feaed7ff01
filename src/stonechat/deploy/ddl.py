"""Tables and views of a project as ClickHouse statements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from stonechat.datafile.resources import Column, DataSource, Index, TableEngine
from stonechat.engine.table_settings import LEAN_MERGES, OF_ENGINES, SYNCED_PARTS
from stonechat.engine.windows import DEDUPLICATION_WINDOW
from stonechat.project.quarantine import QUARANTINE_SUFFIX, quarantine_columns
from stonechat.sql.leftmost import as_one_select
from stonechat.sql.quoting import identifier

# Once a block is committed the write-ahead log forgets it, so the table must survive a power loss alone.
_DURABLE = {"non_replicated_deduplication_window": str(DEDUPLICATION_WINDOW), **SYNCED_PARTS}
QUARANTINE_DAYS = 30
_MERGE_SIZES = ("max_bytes_to_merge_at_max_space_in_pool", "max_bytes_to_merge_at_min_space_in_pool")


def create_table(source: DataSource, database: str) -> str:
    """CREATE TABLE of a data source."""
    lines = [column_definition(each) for each in source.columns] + [index_definition(each) for each in source.indexes]
    body = ",\n    ".join(lines)
    return f"CREATE TABLE {table(database, source.name)}\n(\n    {body}\n)\n{_engine(source.engine)}"


def create_quarantine(source: DataSource, database: str) -> str:
    """CREATE TABLE of a data source's quarantine: rows that did not fit, kept for a month."""
    body = ",\n    ".join(f"{identifier(name)} {kind}" for name, kind in quarantine_columns(source))
    return (
        f"CREATE TABLE {table(database, source.name + QUARANTINE_SUFFIX)}\n(\n    {body}\n)\n"
        f"ENGINE = MergeTree ORDER BY insertion_date TTL insertion_date + toIntervalDay({QUARANTINE_DAYS})\n"
        f"{_settings(LEAN_MERGES | _DURABLE)}"
    )


def create_view(name: str, target: str, statement: str, database: str, target_database: str | None = None) -> str:
    """CREATE MATERIALIZED VIEW of a materialized pipe, writing to its target data source.

    Of a statement that is a UNION itself the engine would follow the first member alone.
    """
    into = table(target_database or database, target)
    return f"CREATE MATERIALIZED VIEW {table(database, name)} TO {into} AS\n{as_one_select(statement)}"


def clone_table(name: str, live: str, database: str) -> str:
    """CREATE TABLE with the structure and the rows that a table has in the database `live` now, without copying any.

    Both tables share the files of these rows from then on, and neither sees what is done to the other. Tables of
    other engines than those of the MergeTree family have no rows, and are created like new ones.
    """
    return f"CREATE TABLE {table(database, name)} CLONE AS {table(live, name)}"


def alter_table(name: str, command: str, database: str, *, wait: bool = True) -> str:
    """ALTER TABLE with one command, ended when all rows are as it wants them or, without `wait`, when all look so."""
    return f"ALTER TABLE {table(database, name)} {command} SETTINGS alter_sync = 1, mutations_sync = {wait:d}"


def freeze_table(name: str, database: str) -> Sequence[str]:
    """Statements after which the parts of a table stay as they are, through restarts too."""
    settings = ", ".join(f"{size} = 1" for size in _MERGE_SIZES)
    return [
        f"ALTER TABLE {table(database, name)} MODIFY SETTING {settings}",
        f"SYSTEM STOP MERGES {table(database, name)}",
    ]


def thaw_table(source: DataSource, database: str) -> Sequence[str]:
    """Statements after which the clone of a frozen table merges its parts as that of its data source does."""
    own = dict(source.engine.settings)
    return [
        f"ALTER TABLE {table(database, source.name)} "
        + (f"MODIFY SETTING {size} = {own[size]}" if size in own else f"RESET SETTING {size}")
        for size in _MERGE_SIZES
    ]


def attach_rows(name: str, source: str, database: str) -> str:
    """ALTER TABLE that gives a table, behind its own rows, those of a like one in the database `source`."""
    return f"ALTER TABLE {table(database, name)} ATTACH PARTITION ALL FROM {table(source, name)}"


def move_table(name: str, source: str, database: str) -> str:
    """RENAME TABLE into another database."""
    return f"RENAME TABLE {table(source, name)} TO {table(database, name)}"


def drop_table(name: str, database: str) -> str:
    """DROP TABLE of a table or view, gone at once."""
    return f"DROP TABLE IF EXISTS {table(database, name)} SYNC"


def rows_of(select: str, name: str, database: str, condition: str = "") -> str:
    """The statement that gives rows of a table as a SELECT without FROM wants them: all, or those of a condition."""
    return f"{select}\nFROM {table(database, name)}" + (f"\nWHERE {condition}" if condition else "")


def table(database: str, name: str) -> str:
    """A quoted, qualified table name."""
    return f"{identifier(database)}.{identifier(name)}"


def column_definition(column: Column) -> str:
    """A column as CREATE TABLE and ALTER TABLE have it."""
    parts = [identifier(column.name), str(column.type)]
    if column.default is not None:
        parts.append(f"DEFAULT {column.default}")
    if column.codec is not None:
        parts.append(f"CODEC({column.codec})")
    return " ".join(parts)


def index_definition(index: Index) -> str:
    """An index as CREATE TABLE and ALTER TABLE have it."""
    granularity = f" GRANULARITY {index.granularity}" if index.granularity is not None else ""
    return f"INDEX {identifier(index.name)} {index.expression} TYPE {index.type}{granularity}"


def _engine(engine: TableEngine) -> str:
    if engine.name == "Null":
        return "ENGINE = Null"
    arguments = ", ".join(_engine_arguments(engine))
    clauses = [f"ENGINE = {engine.name}({arguments})" if arguments else f"ENGINE = {engine.name}"]
    if engine.partition_key:
        clauses.append(f"PARTITION BY ({engine.partition_key})")
    plain = engine.sorting_key in {None, "", "tuple()"}
    clauses.append("ORDER BY tuple()" if plain else f"ORDER BY ({engine.sorting_key})")
    if engine.primary_key:
        clauses.append(f"PRIMARY KEY ({engine.primary_key})")
    if engine.sampling_key:
        clauses.append(f"SAMPLE BY ({engine.sampling_key})")
    if engine.ttl:
        clauses.append(f"TTL {engine.ttl}")
    clauses.append(_settings(table_settings(engine)))
    return "\n".join(clauses)


def table_settings(engine: TableEngine) -> Mapping[str, str]:
    """All settings of a data source's table: those of its file, and what it has besides or in their stead."""
    return LEAN_MERGES | OF_ENGINES.get(engine.name, {}) | dict(engine.settings) | _DURABLE


def _settings(settings: Mapping[str, str]) -> str:
    return "SETTINGS " + ", ".join(f"{key} = {value}" for key, value in settings.items())


def _engine_arguments(engine: TableEngine) -> Iterator[str]:
    if engine.sign_column:
        yield identifier(engine.sign_column)
    if engine.version_column:
        yield identifier(engine.version_column)
        if engine.is_deleted_column:
            yield identifier(engine.is_deleted_column)
    if engine.sum_columns:
        yield f"({', '.join(map(identifier, engine.sum_columns))})"
