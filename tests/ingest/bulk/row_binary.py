"""Rows in ClickHouse's RowBinary, written from JSON by Python alone: what the compiled reading is compared with."""

from __future__ import annotations

import json
import re
import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from stonechat.datafile.resources import Column
from stonechat.sql.types import DataType

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS = {
    "Int8": "b", "Int16": "h", "Int32": "i", "Int64": "q", "UInt8": "B", "UInt16": "H", "UInt32": "I", "UInt64": "Q",
    "Float32": "f", "Float64": "d", "Bool": "?",
}  # fmt: skip


def encoded_events(columns: Sequence[Column], body: bytes) -> bytes:
    """The events of a body, one a line, with a byte before each value if some column has a DEFAULT."""
    marks = any(column.default is not None for column in columns)
    events = [json.loads(line, object_pairs_hook=_without_repeats) for line in body.split(b"\n") if line.strip()]
    return b"".join(_member(column, event, marks=marks) for event in events for column in columns)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _ in pairs}) == len(pairs)
    return dict(pairs)


def _member(column: Column, event: Mapping[str, Any], *, marks: bool) -> bytes:
    value = event.get(column.name)
    takes_default = column.default is not None and (
        column.name not in event or (value is None and "Nullable" not in str(column.type))
    )
    if takes_default:
        return b"\1"
    return b"\0" * marks + _encoded(column.type, value)


def _encoded(kind: DataType, value: Any) -> bytes:
    match kind.name:
        case "LowCardinality" | "SimpleAggregateFunction":
            return _encoded(_inner(kind), value)
        case "Nullable":
            return b"\1" if value is None else b"\0" + _encoded(_inner(kind), value)
        case "Array":
            return _length(len(value)) + b"".join(_encoded(_inner(kind), each) for each in value)
        case "FixedString":
            size = int(str(kind.arguments[0]))
            assert len(value.encode()) <= size
            return bytes(value.encode().ljust(size, b"\0"))
        case "DateTime64":
            return struct.pack("<q", _moment(value, int(str(kind.arguments[0]))))
        case _ if kind.name in _NUMBERS:
            return struct.pack(f"<{_NUMBERS[kind.name]}", value)
        case _:
            return _PLAIN[kind.name](value)


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


def _moment(text: str, scale: int) -> int:
    """A time as the number of its smallest units since 1970, a finer fraction cut off."""
    matched = re.fullmatch(r"(.{19})(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?", text)
    assert matched is not None
    whole = datetime.fromisoformat(matched[1] + (matched[3] or "+00:00"))
    seconds = int((whole - _EPOCH) / timedelta(seconds=1))
    return seconds * int(10**scale) + int("0" + (matched[2] or "").ljust(scale, "0")[:scale])


def _days(text: str) -> int:
    return (date.fromisoformat(text) - _EPOCH.date()).days


def _identifier(text: str) -> bytes:
    number = uuid.UUID(text).int
    return struct.pack("<QQ", number >> 64, number & (2**64 - 1))


_PLAIN: Mapping[str, Callable[[Any], bytes]] = {
    "String": _string,
    "UUID": _identifier,
    "Date": lambda text: struct.pack("<H", _days(text)),
    "Date32": lambda text: struct.pack("<i", _days(text)),
    "DateTime": lambda text: struct.pack("<I", _moment(text, 0)),
}
