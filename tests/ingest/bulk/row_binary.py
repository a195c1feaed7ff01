"""Rows in ClickHouse's RowBinary, written from JSON by Python alone: what the compiled reading is compared with."""

from __future__ import annotations

import json
import re
import struct
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from functools import partial
from typing import Any, NamedTuple

from stonechat.datafile.resources import Column
from stonechat.sql.types import DataType

_DECODER = json.JSONDecoder(parse_float=Decimal)
_SPACE, _COLON, _COMMA = (re.compile(rf"[ \t\r]*{mark}[ \t\r]*") for mark in ("", ":", ",?"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS = {
    "Int8": "b", "Int16": "h", "Int32": "i", "Int64": "q", "UInt8": "B", "UInt16": "H", "UInt32": "I", "UInt64": "Q",
    "Float32": "f", "Float64": "d", "Bool": "?",
}  # fmt: skip


class _Object(list[tuple[str, "_Given"]]):
    """The members of an object, in which a key may come again where nothing is read from it."""

    def get(self, key: str) -> _Given | None:
        values = [value for each, value in self if each == key]
        assert len(values) <= 1
        return values[0] if values else None


class _Given(NamedTuple):
    """A value, and its text."""

    value: Any
    text: str

    def members(self) -> _Object:
        """What is in an object; nothing is in another value."""
        return _Object(_members(self.text)) if self.text.startswith("{") else _Object()


def encoded_events(columns: Sequence[Column], body: bytes) -> bytes:
    """The events of a body, one a line, with a byte before each value if some column has a DEFAULT."""
    marks = any(column.default is not None for column in columns)
    events = [_Given(None, line.strip()) for line in body.decode().split("\n") if line.strip()]
    for event in events:
        keys = [key for key, _ in event.members()]
        assert len(set(keys)) == len(keys)
    return b"".join(_member(column, event, marks=marks) for event in events for column in columns)


def _members(text: str) -> Iterator[tuple[str, _Given]]:
    """The members of an object, in the order in which they stand there."""
    assert isinstance(_DECODER.decode(text), dict)
    at = _behind(_SPACE, text, 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        begin = _behind(_COLON, text, at)
        value, at = _DECODER.raw_decode(text, begin)
        yield key, _Given(value, text[begin:at])
        at = _behind(_COMMA, text, at)


def _behind(mark: re.Pattern[str], text: str, at: int) -> int:
    matched = mark.match(text, at)
    assert matched is not None
    return matched.end()


def _member(column: Column, event: _Given, *, marks: bool) -> bytes:
    given: _Given | None = event
    for key in (column.jsonpath or f"$.{column.name}").removeprefix("$.").removesuffix("[:]").split("."):
        given = given.members().get(key) if given is not None else None
    takes_default = column.default is not None and (
        given is None or (given.value is None and "Nullable" not in str(column.type))
    )
    if takes_default:
        return b"\1"
    return b"\0" * marks + _encoded(column.type, _Given(None, "null") if given is None else given)


def _encoded(kind: DataType, given: _Given) -> bytes:
    value = given.value
    match kind.name:
        case "LowCardinality" | "SimpleAggregateFunction":
            return _encoded(_inner(kind), given)
        case "Nullable":
            return b"\1" if value is None else b"\0" + _encoded(_inner(kind), given)
        case "Array":
            return _length(len(value)) + b"".join(_encoded(_inner(kind), _Given(each, "")) for each in value)
        case "String":
            return _string(value if isinstance(value, str) else given.text)
        case _ if kind.name in _NUMBERS:
            return struct.pack(f"<{_NUMBERS[kind.name]}", _number(kind.name, value))
        case _:
            return _BY_NAME[kind.name](value, *map(str, kind.arguments))


def _number(name: str, value: Any) -> object:
    if name == "Bool":
        return {0: False, 1: True, "0": False, "1": True, "false": False, "true": True}[value]
    if name.startswith("Float"):
        assert not isinstance(value, bool)
        return float(value)
    assert not isinstance(value, Decimal)
    return int(value)


def _inner(kind: DataType) -> DataType:
    inner = kind.arguments[-1]
    assert isinstance(inner, DataType)
    return inner


def _length(size: int) -> bytes:
    head = bytearray()
    while size >= 0x80:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size])


def _string(value: str) -> bytes:
    text = value.encode()
    return _length(len(text)) + text


def _fixed_string(value: str, size: str) -> bytes:
    assert len(value.encode()) <= int(size)
    return value.encode().ljust(int(size), b"\0")


def _enumeration(value: str, *members: str) -> bytes:
    numbers = {}
    for position, member in enumerate(members, 1):
        name, _, number = member.partition(" = ")
        numbers[name.strip("'")] = int(number or position)
    is_small = all(-128 <= number < 128 for number in numbers.values())
    return struct.pack("<b" if is_small else "<h", numbers[value])


def _decimal(value: str | int | Decimal, digits: str, scale: str) -> bytes:
    with localcontext(prec=100):
        units = Decimal(value).scaleb(int(scale))
    assert units == int(units)
    assert abs(units) < 10 ** int(digits)
    size = next(size for most, size in ((9, 4), (18, 8), (38, 16), (76, 32)) if int(digits) <= most)
    return int(units).to_bytes(size, "little", signed=True)


def _moment(text: str, scale: int, zone: Sequence[str]) -> int:
    """A time as the number of its smallest units since 1970, a finer fraction cut off."""
    matched = re.fullmatch(r"(.{19})(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?", text)
    assert matched is not None
    assert matched[3] or not zone or zone[0] in {"'UTC'", "'Etc/UTC'"}
    whole = datetime.fromisoformat(matched[1] + (matched[3] or "+00:00"))
    seconds = int((whole - _EPOCH) / timedelta(seconds=1))
    return seconds * int(10**scale) + int("0" + (matched[2] or "").ljust(scale, "0")[:scale])


def _seconds(text: str, *zone: str) -> bytes:
    return struct.pack("<I", _moment(text, 0, zone))


def _units(text: str, scale: str, *zone: str) -> bytes:
    return struct.pack("<q", _moment(text, int(scale), zone))


def _days(text: str) -> int:
    return (date.fromisoformat(text) - _EPOCH.date()).days


def _identifier(text: str) -> bytes:
    number = uuid.UUID(text).int
    return struct.pack("<QQ", number >> 64, number & (2**64 - 1))


_BY_NAME: Mapping[str, Callable[..., bytes]] = {
    "FixedString": _fixed_string,
    "UUID": _identifier,
    "Date": lambda text: struct.pack("<H", _days(text)),
    "Date32": lambda text: struct.pack("<i", _days(text)),
    "DateTime": _seconds,
    "DateTime32": _seconds,
    "DateTime64": _units,
    "Decimal": _decimal,
    **{
        f"Decimal{bits}": partial(lambda value, scale, digits: _decimal(value, digits, scale), digits=digits)
        for bits, digits in (("32", "9"), ("64", "18"), ("128", "38"))
    },
    **dict.fromkeys(("Enum", "Enum8", "Enum16"), _enumeration),
}
