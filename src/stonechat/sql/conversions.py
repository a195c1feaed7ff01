"""Which types the engine turns into which others without a loss, when rows of a query go into a table."""

from __future__ import annotations

import re

from stonechat.sql.types import DataType, InvalidType, NamedType, parse_type

_INTEGER = re.compile(r"(U?)Int(\d+)")
#: What else is taken. The engine reads texts of these types strictly, while it lets numbers in texts overflow.
_TAKEN = {
    "Bool": {"UInt8"},
    "UInt8": {"Bool"},
    "Float32": {"Float64"},
    "Date": {"Date32", "DateTime", "DateTime64"},
    "DateTime": {"DateTime64"},
    "FixedString": {"String"},
    "Enum8": {"String", "Enum16"},
    "Enum16": {"String"},
    "String": {"Date", "Date32", "DateTime", "DateTime64", "UUID", "IPv4", "IPv6", "Enum8", "Enum16", "FixedString"},
}
_EXACT_BITS = {"Float32": 24, "Float64": 53}


def fits(given: str, stored: str) -> bool:
    """Whether the values of one type are values of another, or are refused: equal, wider, nullable as well, parsed.

    Dictionary encoding and the simple form of an aggregate are stored alike, and so are time zones.
    """
    try:
        return _fits(parse_type(given), parse_type(stored))
    except InvalidType:
        return given == stored


def _fits(given: DataType, stored: DataType) -> bool:
    given, stored = _plain(given), _plain(stored)
    if given == stored or given.name == "Nothing":  # that of NULL alone, and of an empty array
        return True
    if stored.name == "Nullable":
        inner = _inner(given) if given.name == "Nullable" else given
        return _fits(inner, _inner(stored))
    if given.name == stored.name and given.name in {"Array", "Map", "Tuple"}:
        return len(given.arguments) == len(stored.arguments) and all(
            _fits(_type(one), _type(other)) for one, other in zip(given.arguments, stored.arguments, strict=True)
        )
    return _is_wider(given, stored)


def _is_wider(given: DataType, stored: DataType) -> bool:
    one, other = _INTEGER.fullmatch(given.name), _INTEGER.fullmatch(stored.name)
    if one and other:
        wider = int(one[2]) < int(other[2])
        return wider or one[2] == other[2] if one[1] == other[1] else wider and not other[1]
    if one and stored.name in _EXACT_BITS:
        return int(one[2]) <= _EXACT_BITS[stored.name]
    if given.name == stored.name == "DateTime64":
        return _number(given, 0) <= _number(stored, 0)
    if given.name == stored.name == "Decimal":
        more_digits = _number(stored, 0) - _number(given, 0)
        return 0 <= _number(stored, 1) - _number(given, 1) <= more_digits
    return stored.name in _TAKEN.get(given.name, ())


def _plain(kind: DataType) -> DataType:
    """A type without what changes no value, at its outermost."""
    if kind.name == "LowCardinality":
        return _plain(_inner(kind))
    if kind.name == "SimpleAggregateFunction":
        return _plain(_type(kind.arguments[1]))
    if kind.name == "DateTime":
        return DataType("DateTime")
    if kind.name == "DateTime64":
        return DataType("DateTime64", kind.arguments[:1])
    return kind


def _inner(kind: DataType) -> DataType:
    return _type(kind.arguments[0])


def _type(argument: DataType | NamedType | str) -> DataType:
    if isinstance(argument, NamedType):
        return argument.type
    return argument if isinstance(argument, DataType) else DataType(argument)


def _number(kind: DataType, index: int) -> int:
    return int(str(kind.arguments[index]))
