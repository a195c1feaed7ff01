"""Types as the compiled reading takes them. Which it knows stands here, and in native/bulk.h."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from typing import Final

from stonechat.ingest.scalars import enum_members
from stonechat.ingest.types import decimal_digits
from stonechat.sql.types import DataType


class Kind(IntEnum):
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
    DECIMAL = 10
    ENUM = 11


class Trait(IntFlag):
    """`enum trait`."""

    NONE = 0
    NULLABLE = 1
    DEFAULT = 2
    ARRAY = 4
    ZONE = 8


@dataclass(frozen=True, slots=True)
class CompiledType:
    """A type as the library reads it: what its values are, the bytes of one, and the digits of decimals and times.

    `name` is the engine's own for it: it refuses rows of a type that it would call otherwise. `members` are the names
    and numbers of an enum.
    """

    name: str
    kind: Kind
    width: int = 0
    digits: int = 0
    scale: int = 0
    traits: Trait = Trait.NONE
    members: Mapping[str, int] | None = None


def compiled_type(kind: DataType) -> CompiledType | None:
    """A type as the library knows it; None if it does not."""
    if kind.name not in _WRAPPERS:
        return _scalar(kind)
    *before, inner = kind.arguments
    wrapped = compiled_type(inner) if isinstance(inner, DataType) else None
    if wrapped is None or (kind.name == "Array" and isinstance(inner, DataType) and inner.name in _WRAPPERS):
        return None
    name = f"{kind.name}({', '.join([*map(str, before), wrapped.name])})"
    return replace(wrapped, name=name, traits=wrapped.traits | _WRAPPERS[kind.name])


_WRAPPERS: Final[Mapping[str, Trait]] = {
    "Nullable": Trait.NULLABLE,
    "Array": Trait.ARRAY,
    "LowCardinality": Trait.NONE,
    "SimpleAggregateFunction": Trait.NONE,
}
"""Types that are written as what they are wrapped around, but for a mark or a length before it."""

_PLAIN: Final[Mapping[str, tuple[Kind, int]]] = {
    "String": (Kind.STRING, 0),
    "Bool": (Kind.BOOLEAN, 1),
    "Float32": (Kind.FLOAT, 4),
    "Float64": (Kind.FLOAT, 8),
    "Date": (Kind.DATE, 2),
    "Date32": (Kind.DATE, 4),
    "UUID": (Kind.UUID, 16),
    **{f"Int{bits}": (Kind.SIGNED, bits // 8) for bits in (8, 16, 32, 64)},
    **{f"UInt{bits}": (Kind.UNSIGNED, bits // 8) for bits in (8, 16, 32, 64)},
}
_DECIMAL_BYTES: Final = ((9, 4), (18, 8), (38, 16), (76, 32))
_LARGEST_FIXED_STRING: Final = 2**16
_UTC: Final = frozenset({"'UTC'", "'Etc/UTC'", "'GMT'"})


def _scalar(kind: DataType) -> CompiledType | None:
    arguments = [str(argument) for argument in kind.arguments]
    match kind.name, arguments:
        case "FixedString", [size] if int(size) <= _LARGEST_FIXED_STRING:
            return CompiledType(str(kind), Kind.FIXED_STRING, int(size))
        case "DateTime" | "DateTime32", zone:
            name = str(DataType("DateTime", kind.arguments))
            return CompiledType(name, Kind.DATE_TIME, 4, traits=_zone(zone))
        case "DateTime64", [scale, *zone]:
            return CompiledType(str(kind), Kind.DATE_TIME, 8, scale=int(scale), traits=_zone(zone))
        case "Decimal" | "Decimal32" | "Decimal64" | "Decimal128" | "Decimal256", _:
            digits, scale_ = decimal_digits(kind)
            width = next(width for most, width in _DECIMAL_BYTES if digits <= most)
            return CompiledType(f"Decimal({digits}, {scale_})", Kind.DECIMAL, width, digits, scale_)
        case "Enum" | "Enum8" | "Enum16", _:
            return _enumeration(kind.name, arguments)
        case _ if kind.name in _PLAIN:
            return CompiledType(str(kind), *_PLAIN[kind.name])
        case _:
            return None


def _zone(arguments: list[str]) -> Trait:
    """What a text without an offset means depends on rules of which the engine and this program have two versions."""
    return Trait.NONE if not arguments or arguments[0] in _UTC else Trait.ZONE


def _enumeration(name: str, arguments: list[str]) -> CompiledType | None:
    members = enum_members(arguments)
    is_plain = all(text.isprintable() and not set(text) & set("'\"\\") for text in members.values())
    numbered = sum(" = " in argument for argument in arguments)
    if not is_plain or numbered not in {0, len(arguments)}:
        return None
    is_small = name == "Enum8" or (name == "Enum" and all(-128 <= number < 128 for number in members))
    ordered = sorted((number, text) for number, text in members.items())
    listed = ", ".join(f"'{text}' = {number}" for number, text in ordered)
    numbers = {text: number for number, text in ordered}
    return CompiledType(f"Enum{8 if is_small else 16}({listed})", Kind.ENUM, 1 if is_small else 2, members=numbers)
