"""Codecs of the types that hold one value: numbers, texts, identifiers, addresses and enums."""

from __future__ import annotations

import ipaddress
import math
import re
import struct
import uuid
from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Context, Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta

from stonechat.ingest.codecs import NEGATIVE_ZERO, UNREADABLE, Codec, each, number, plain_text, refuse, whole_number
from stonechat.ingest.verdicts import Misfit

_BOOLEANS: Mapping[bytes, bool] = {
    b"1": True, b"0": False, b'"1"': True, b'"0"': False, b'"true"': True, b'"false"': False,
}  # fmt: skip
_INT64 = 2**63
_LARGEST_FLOAT32 = 3.4028234663852886e38
_DECIMALS = Context(prec=200)


def integer(label: str, bits: int, *, signed: bool) -> Codec:
    """Int8 to UInt256. Takes strings of digits, booleans and integral floats too; never a value out of range."""
    low = -(2 ** (bits - 1)) if signed else 0
    high = 2 ** (bits - signed) - 1
    bounds = [Meta(ge=low)] if low >= -_INT64 else []
    bounds += [Meta(le=high)] if high < _INT64 else []
    strict: Any = Annotated[int, *bounds] if bounds else int

    def fits(values: Sequence[int]) -> bool:
        return not values or (low <= min(values) and max(values) <= high)

    def lenient(text: bytes) -> int:
        if text in {b"true", b"false"}:
            return int(text == b"true")
        return whole_number(text, low, high)

    return Codec(label, strict, lenient, fits=fits if len(bounds) < 2 else None, verbatim=True)


def floating(label: str, bits: int) -> Codec:
    """Float32 and Float64. Takes strings that hold a number; refuses what would become infinite."""
    bounds = Meta(ge=-_LARGEST_FLOAT32, le=_LARGEST_FLOAT32)

    def lenient(text: bytes) -> float:
        value = float(number(text))
        try:
            struct.pack("<f" if bits == 32 else "<d", value)
        except OverflowError:
            raise Misfit from None
        if not math.isfinite(value):
            raise Misfit
        return value

    strict: Any = Annotated[float, bounds] if bits == 32 else float
    return Codec(label, strict, lenient, verbatim=True, rounds=NEGATIVE_ZERO)


def decimal(label: str, precision: int, scale: int) -> Codec:
    """Decimal(p, s), digits exact. Digits beyond the scale are cut off, as the engine does; integer digits must fit."""
    limit = Decimal(10) ** (precision - scale)
    unit = Decimal(1).scaleb(-scale)

    def fits(value: Decimal) -> bool:
        exponent = value.as_tuple().exponent
        return isinstance(exponent, int) and -scale <= exponent <= 0 and value.copy_abs() < limit

    def lenient(text: bytes) -> Decimal:
        value = number(text)
        if value.copy_abs() >= limit:
            raise Misfit
        return value.quantize(unit, rounding=ROUND_DOWN, context=_DECIMALS)

    return Codec(label, Decimal, lenient, fits=each(fits))


def boolean(label: str) -> Codec:
    """Bool. Takes 1, 0 and the words as strings too."""

    def lenient(text: bytes) -> bool:
        if text not in _BOOLEANS:
            raise Misfit
        return _BOOLEANS[text]

    return Codec(label, bool, lenient, verbatim=True)


def _as_text(text: bytes) -> str:
    if text == b"null":
        raise Misfit
    try:
        return plain_text(text)
    except UNREADABLE:
        raise Misfit from None


def string(label: str) -> Codec:
    """String. Numbers, booleans, objects and arrays are kept as their JSON text."""
    return Codec(label, str, _as_text, verbatim=True)


def fixed_string(label: str, size: int) -> Codec:
    """FixedString(n), n counted in bytes of UTF-8."""

    def short(value: str) -> bool:
        return len(value) <= size and (value.isascii() or len(value.encode()) <= size)

    def lenient(text: bytes) -> str:
        value = _as_text(text)
        if not short(value):
            raise Misfit
        return value

    return Codec(label, Annotated[str, Meta(max_length=size)], lenient, fits=each(short), verbatim=True)


def identifier(label: str) -> Codec:
    """UUID, with or without hyphens."""
    return Codec(label, uuid.UUID, refuse, verbatim=True)


def address(label: str, version: int) -> Codec:
    """IPv4, or IPv6 (to which an IPv4 address is mapped)."""
    parse = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address

    def fits(value: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return "%" not in value

    def lenient(text: bytes) -> str:
        value = _as_text(text)
        if version == 4:
            raise Misfit
        try:
            ipaddress.IPv4Address(value)
        except ValueError:
            raise Misfit from None
        return f"::ffff:{value}"

    return Codec(label, str, lenient, fits=each(fits))


_MEMBER = re.compile(r"'((?:[^'\\]|\\.|'')*)'(?: = (-?\d+))?", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)|''", re.DOTALL)
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}


def enum_members(members: Sequence[str]) -> dict[int, str]:
    """The names of an enum by their numbers, from members as they are written: `'a' = 1`, or `'a'` for the next."""
    names: dict[int, str] = {}
    for member in members:
        matched = _MEMBER.fullmatch(member)
        assert matched is not None, member
        value = int(matched[2]) if matched[2] else max(names, default=0) + 1
        names[value] = _ESCAPE.sub(_unescaped, matched[1])
    return names


def enumeration(label: str, members: Sequence[str]) -> Codec:
    """Enum8 and Enum16: a member's name, or its number."""
    names = enum_members(members)

    def lenient(text: bytes) -> str:
        value = whole_number(text, -(2**15), 2**15 - 1)
        if value not in names:
            raise Misfit
        return names[value]

    return Codec(label, Literal[tuple(names.values())], lenient, verbatim=True)


def _unescaped(match: re.Match[str]) -> str:
    return "'" if match[1] is None else _CONTROL.get(match[1], match[1])
