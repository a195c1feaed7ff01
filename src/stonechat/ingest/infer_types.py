"""From sampled values to the narrowest type that also leaves room: every value of the sample fits the type's codec."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import msgspec

from stonechat.ingest.codecs import Codec
from stonechat.ingest.types import codec_of
from stonechat.ingest.verdicts import Misfit
from stonechat.sql.types import parse_type

STRING = "String"
_INTEGERS = [(f"Int{bits}", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (16, 32, 64)]
_INTEGERS += [("UInt64", 0, 2**64 - 1)]
_INTEGERS += [(f"Int{bits}", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (128, 256)]
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[ Tt]\d\d:\d\d:\d\d(?:\.(?P<fraction>\d{1,9}))?(?: ?(?:[Zz]|[+-]\d\d(?::?\d\d)?))?", re.ASCII
)
_INTEGER_TEXT = re.compile(r"-?(?:0|[1-9]\d{0,79})", re.ASCII)
_FLOAT_TEXT = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_BOOLEANS = {"true", "false"}


def integer_type(lowest: int, highest: int) -> str:
    """The narrowest of Int16, Int32, Int64, UInt64, Int128 and Int256 that holds both; String for what none holds.

    Int8 is left out: small numbers of a sample seldom stay that small.
    """
    for name, low, high in _INTEGERS:
        if low <= lowest and highest <= high:
            return name
    return STRING


def float_type(numbers: Iterable[float]) -> str:
    """Float64, or String where a number is too large for it."""
    try:
        return "Float64" if all(math.isfinite(float(number)) for number in numbers) else STRING
    except OverflowError:
        return STRING


def text_type(texts: Iterable[str]) -> str:
    """Date, Date32, DateTime or DateTime64 for texts that all are dates or moments; else String."""
    sample = list(texts)
    if sample and all(_DAY.fullmatch(text) for text in sample):
        return _first_that_fits(("Date", "Date32"), sample)
    moments = [_MOMENT.fullmatch(text) for text in sample]
    found = [moment for moment in moments if moment]
    if not found or not all(moment or _DAY.fullmatch(text) for moment, text in zip(moments, sample, strict=True)):
        return STRING
    digits = max(len(moment["fraction"] or "") for moment in found)
    precise = f"DateTime64({next(scale for scale in (3, 6, 9) if digits <= scale)})"
    return _first_that_fits((precise,) if digits else ("DateTime", precise), sample)


def cell_type(cells: Sequence[str]) -> str:
    """The type of a column of CSV, whose cells are all text: a number, a Bool, or what `text_type` says."""
    if not cells:
        return STRING
    if all(_INTEGER_TEXT.fullmatch(cell) for cell in cells):
        numbers = [int(cell) for cell in cells]
        return integer_type(min(numbers), max(numbers))
    if all(_FLOAT_TEXT.fullmatch(cell) for cell in cells):
        return _first_that_fits(("Float64",), cells)
    return "Bool" if _BOOLEANS.issuperset(cells) else text_type(cells)


def _first_that_fits(names: Iterable[str], sample: Sequence[str]) -> str:
    for name in names:
        codec = codec_of(parse_type(name))
        if codec is not None and all(_fits(codec, text) for text in sample):
            return name
    return STRING


def _fits(codec: Codec, text: str) -> bool:
    try:
        codec.accept(msgspec.json.encode(text))
    except Misfit:
        return False
    return True
