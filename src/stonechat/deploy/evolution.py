"""How the table of a changed data source comes from the live one: by altering a copy, or by writing its rows anew.

Only what shapes the table counts: descriptions, tokens and jsonpaths touch no rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stonechat.datafile.resources import Column, DataSource, TableEngine
from stonechat.deploy.ddl import column_definition, index_definition, table_settings
from stonechat.project.quarantine import quarantine_columns
from stonechat.sql.quoting import identifier, literal
from stonechat.sql.statements import meaningful_tokens
from stonechat.sql.types import DataType


@dataclass(frozen=True, slots=True)
class Evolution:
    """How one table becomes another.

    `alterations` and `quarantine` are the commands of ALTER TABLE, in their order, for a copy of the table and of its
    quarantine. Where `rewrites` says why they cannot be enough, the rows have to be written into a new table. Values of
    the columns in `incompatible` do not become those of the new type by themselves. `dropped` columns lose theirs.
    """

    alterations: tuple[str, ...] = ()
    quarantine: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()
    incompatible: tuple[Column, ...] = ()
    dropped: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Evolution()


def evolve(live: DataSource, wanted: DataSource) -> Evolution:
    """How the table of `live` becomes that of `wanted`; an empty evolution when both have the same table."""
    before, after = _by_name(live.columns), _by_name(wanted.columns)
    retyped = [column for name, column in after.items() if name in before and before[name].type != column.type]
    keyed = [column.name for column in retyped if _stands_in_keys(column.name, live.engine)]
    rewrites = (
        *_engine_rewrites(live.engine, wanted.engine),
        *(f"the type of '{name}' changes, which stands in a key" for name in keyed),
        *(f"'{name}' is dropped, which stands in a key" for name in before.keys() - after.keys()
          if _stands_in_keys(name, live.engine)),
    )  # fmt: skip
    return Evolution(
        tuple(_alterations(live, wanted)),
        tuple(_quarantine_alterations(live, wanted)),
        rewrites,
        tuple(column for column in retyped if not keeps_values(before[column.name].type, column.type)),
        tuple(name for name in before if name not in after),
    )


def normal(text: str | None) -> str:
    """SQL without comments and with even spacing: texts that say the same word for word are equal."""
    return " ".join(token.text for token in meaningful_tokens(text or ""))


def keeps_values(before: DataType, after: DataType) -> bool:
    """Whether every value of one type is the same value in another, so that converting needs no word of the author."""
    before, after = _undecorated(before), _undecorated(after)
    if before == after:
        return True
    if after.name == "Nullable":
        inner = before.arguments[0] if before.name == "Nullable" else before
        return _is_wider(inner, after.arguments[0])
    return _is_wider(before, after)


def _undecorated(kind: DataType) -> DataType:
    """A type without dictionary encoding, which changes no value."""
    inner = kind.arguments[0] if kind.name == "LowCardinality" else kind
    return inner if isinstance(inner, DataType) else kind


_NUMBERS = re.compile(r"(?P<family>Int|UInt|Float)(?P<bits>\d+)")
_MANTISSA = {"32": 24, "64": 53}


def _is_wider(before: object, after: object) -> bool:
    if before == after:
        return True
    if not isinstance(before, DataType) or not isinstance(after, DataType):
        return False
    if before.name == after.name == "Array":
        return _is_wider(before.arguments[0], after.arguments[0])
    if before.name == after.name and before.name.startswith("Enum"):
        return set(before.arguments) <= set(after.arguments)
    if {before.name, after.name} <= {"DateTime"} or (before.name, after.name) == ("Date", "Date32"):
        return True  # a time zone is how an instant is shown
    if (before.name, after.name) == ("FixedString", "String"):
        return False  # padding would become part of the text
    return _is_wider_number(before.name, after.name)


def _is_wider_number(before: str, after: str) -> bool:
    small, large = _NUMBERS.fullmatch(before), _NUMBERS.fullmatch(after)
    if not small or not large:
        return False
    bits, more = int(small["bits"]), int(large["bits"])
    match small["family"], large["family"]:
        case ("Int", "Int") | ("UInt", "UInt") | ("Float", "Float"):
            return more >= bits
        case "UInt", "Int":
            return more > bits
        case (("Int" | "UInt"), "Float"):
            return bits <= _MANTISSA[large["bits"]]
        case _:
            return False


def _by_name(columns: Sequence[Column]) -> Mapping[str, Column]:
    return {column.name: column for column in columns}


def _stands_in_keys(column: str, engine: TableEngine) -> bool:
    keys = (engine.sorting_key, engine.partition_key, engine.primary_key, engine.sampling_key)
    named = {token.name for key in keys for token in meaningful_tokens(key or "")}
    own = {engine.version_column, engine.is_deleted_column, engine.sign_column, *engine.sum_columns}
    return column in named | own


def _engine_rewrites(live: TableEngine, wanted: TableEngine) -> Iterator[str]:
    if live.name != wanted.name:
        yield f"the engine changes from {live.name} to {wanted.name}"
    for what, before, after in (
        ("sorting key", live.sorting_key, wanted.sorting_key),
        ("partition key", live.partition_key, wanted.partition_key),
        ("primary key", live.primary_key, wanted.primary_key),
        ("sampling key", live.sampling_key, wanted.sampling_key),
    ):
        if normal(before) != normal(after):
            yield f"the {what} changes"
    arguments = (live.version_column, live.is_deleted_column, live.sign_column, live.sum_columns)
    if arguments != (wanted.version_column, wanted.is_deleted_column, wanted.sign_column, wanted.sum_columns):
        yield "the parameters of the engine change"


def _alterations(live: DataSource, wanted: DataSource) -> Iterator[str]:
    before, after = _by_name(live.columns), _by_name(wanted.columns)
    lost = {index.name for index in live.indexes} - {index.name for index in wanted.indexes if index in live.indexes}
    yield from (f"DROP INDEX {identifier(index.name)}" for index in live.indexes if index.name in lost)
    if live.engine.ttl and not wanted.engine.ttl:
        yield "REMOVE TTL"
    yield from (f"DROP COLUMN {identifier(name)}" for name in before if name not in after)
    yield from _column_alterations(before, after)
    if wanted.engine.ttl and normal(live.engine.ttl) != normal(wanted.engine.ttl):
        yield f"MODIFY TTL {wanted.engine.ttl}"
    for index in wanted.indexes:
        if index not in live.indexes:
            yield f"ADD {index_definition(index)}"
            yield f"MATERIALIZE INDEX {identifier(index.name)}"
    yield from _setting_alterations(table_settings(live.engine), table_settings(wanted.engine))


def _column_alterations(before: Mapping[str, Column], after: Mapping[str, Column]) -> Iterator[str]:
    """The columns as they shall be, one after the other, each put behind the one before it where it is not."""
    order = [name for name in before if name in after]
    previous: str | None = None
    for position, (name, column) in enumerate(after.items()):
        place = f"AFTER {identifier(previous)}" if previous is not None else "FIRST"
        previous = name
        if name not in before:
            order.insert(position, name)
            yield f"ADD COLUMN {column_definition(column)} {place}"
            if column.default is not None:
                # Else a later change of the default would change the value of rows that are there already.
                yield f"MATERIALIZE COLUMN {identifier(name)}"
            continue
        yield from _modifications(before[name], column)
        if order[position] != name:
            order.remove(name)
            order.insert(position, name)
            yield f"MODIFY COLUMN {column_definition(replace(column, codec=None))} {place}"


def _modifications(before: Column, after: Column) -> Iterator[str]:
    name = identifier(before.name)
    if before.codec is not None and after.codec is None:
        yield f"MODIFY COLUMN {name} REMOVE CODEC"
    defaults_differ = normal(before.default) != normal(after.default)
    if defaults_differ:
        # Parts from before the column was there compute its values when they are read: write them down first.
        if before.default is None:
            kind = literal(str(before.type))
            yield f"MODIFY COLUMN {name} {before.type} DEFAULT defaultValueOfTypeName({kind})"
        yield f"MATERIALIZE COLUMN {name}"
        if after.default is None or before.type != after.type:
            yield f"MODIFY COLUMN {name} REMOVE DEFAULT"
    codec_differs = after.codec is not None and normal(before.codec) != normal(after.codec)
    if before.type != after.type or (defaults_differ and after.default is not None) or codec_differs:
        yield f"MODIFY COLUMN {column_definition(after)}"


def _setting_alterations(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    yield from (f"RESET SETTING {name}" for name in before if name not in after)
    yield from (f"MODIFY SETTING {name} = {value}" for name, value in after.items() if before.get(name) != value)


def _quarantine_alterations(live: DataSource, wanted: DataSource) -> Iterator[str]:
    before, after = dict(quarantine_columns(live)), dict(quarantine_columns(wanted))
    yield from (f"DROP COLUMN {identifier(name)}" for name in before if name not in after)
    previous = ""
    for name, kind in after.items():
        if name not in before:
            place = f"AFTER {identifier(previous)}" if previous else "FIRST"
            yield f"ADD COLUMN {identifier(name)} {kind} {place}"
        previous = name
