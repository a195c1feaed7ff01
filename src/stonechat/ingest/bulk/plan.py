"""Columns as the compiled reading takes them. Which types it knows stands here, and in native/bulk.h."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from stonechat.ingest.bulk.library import Column
from stonechat.ingest.feeding import FedColumn
from stonechat.sql.types import DataType


class _Kind(IntEnum):
    """`enum kind`."""

    STRING = 1
    FIXED_STRING = 2
    BOOLEAN = 3
    SIGNED = 4
    UNSIGNED = 5
    FLOAT = 6
    DATE = 7
    DATE_TIME = 8
    UUID = 9


class _Trait(IntFlag):
    """`enum trait`."""

    NULLABLE = 1
    DEFAULT = 2
    ARRAY = 4


@dataclass(frozen=True, slots=True)
class _Scalar:
    """A type that holds one value: what it is, its bytes, and the digits behind the point."""

    kind: _Kind
    width: int = 0
    scale: int = 0


_BY_NAME: Final[Mapping[str, _Scalar]] = {
    "String": _Scalar(_Kind.STRING),
    "Bool": _Scalar(_Kind.BOOLEAN),
    "Float32": _Scalar(_Kind.FLOAT, 4),
    "Float64": _Scalar(_Kind.FLOAT, 8),
    "Date": _Scalar(_Kind.DATE, 2),
    "Date32": _Scalar(_Kind.DATE, 4),
    "UUID": _Scalar(_Kind.UUID),
    **{f"Int{bits}": _Scalar(_Kind.SIGNED, bits // 8) for bits in (8, 16, 32, 64)},
    **{f"UInt{bits}": _Scalar(_Kind.UNSIGNED, bits // 8) for bits in (8, 16, 32, 64)},
}
_LARGEST_FIXED_STRING: Final = 2**16


def has_default(column: FedColumn) -> bool:
    """Whether the column takes a DEFAULT where an event has no value for it."""
    nullable = column.codec is not None and column.codec.nullable
    return column.keeps_null if nullable else not column.required


def compiled_column(column: FedColumn) -> Column | None:
    """The column as the library knows it, fed by the key of its own name; None if it does not."""
    traits = _Trait.DEFAULT if has_default(column) else _Trait(0)
    kind = column.type
    while (inner := _inner(kind)) is not None:
        if kind.name in {"Nullable", "Array"}:
            traits |= _Trait[kind.name.upper()]
        kind = inner
        if traits & _Trait.ARRAY and kind.name in {"Nullable", "Array", "LowCardinality"}:
            return None
    scalar = _scalar(kind)
    key = column.name.encode()
    if scalar is None or any(byte < ord(" ") or byte in b'"\\' for byte in key):
        return None
    return Column(key, len(key), scalar.width, scalar.kind, traits, scalar.scale)


def _inner(kind: DataType) -> DataType | None:
    """What a type is wrapped around that is written in the same way but for a mark or a length before it."""
    if kind.name not in {"Nullable", "Array", "LowCardinality", "SimpleAggregateFunction"}:
        return None
    inner = kind.arguments[-1]
    return inner if isinstance(inner, DataType) else None


def _scalar(kind: DataType) -> _Scalar | None:
    arguments = [str(argument) for argument in kind.arguments]
    match kind.name, arguments:
        case "FixedString", [size] if int(size) <= _LARGEST_FIXED_STRING:
            return _Scalar(_Kind.FIXED_STRING, int(size))
        # Times are read in UTC; with another zone, what a text means depends on the date.
        case "DateTime", [] | ["'UTC'"]:
            return _Scalar(_Kind.DATE_TIME, 4)
        case "DateTime64", [scale] | [scale, "'UTC'"]:
            return _Scalar(_Kind.DATE_TIME, 8, int(scale))
        case _:
            return _BY_NAME.get(kind.name)
