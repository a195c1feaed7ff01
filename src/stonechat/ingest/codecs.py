"""A codec reads the JSON values of one ClickHouse type, twice: strictly and fast, or leniently and one by one.

What a codec accepts, the engine stores with the same value; what the engine would wrap, clamp or guess, it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from stonechat.ingest.verdicts import Misfit

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for text that is not JSON, not UTF-8, nested too deep, or not of the wanted type."""

FINER_THAN_CLOCK: Final = re.compile(rb":[0-9]{2}\.[0-9]{7}")
"""A time with a fraction that Python's clock rounds."""
NEGATIVE_ZERO: Final = re.compile(rb"-0(?![^\s,\]}])(?<![^\s:,\[]-0)")
"""A float that is read as an integer, and has no sign then."""
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
LONGEST_NUMBER = 400
"""Digits: more than the widest decimal has, few enough to never cost time."""

Lenient = Callable[[bytes], Any]
Fits = Callable[[Sequence[Any]], bool]


@dataclass(frozen=True, slots=True)
class Codec:
    """How the values of one type are read.

    `strict` is the msgspec type that decodes what well-formed events hold; `fits` then checks, for many non-null
    values at once, what that type cannot say. `lenient` is asked about what the strict reading refuses: it takes the
    JSON text of one value and gives the canonical value, or raises `Misfit`. `label` names the type in reasons.
    `verbatim`: whatever text `strict` takes, the engine reads as that value, or refuses. Where values of `strict` hold
    less than their text, `canonical_text` makes the text one that the engine takes. `rounds` finds texts, and perhaps
    some more, of which `strict` holds another value.
    """

    label: str
    strict: Any
    lenient: Lenient
    fits: Fits | None = None
    nullable: bool = False
    verbatim: bool = False
    canonical_text: Callable[[str], str] | None = None
    rounds: re.Pattern[bytes] | None = None
    decoder: msgspec.json.Decoder[Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "decoder", msgspec.json.Decoder(self.strict))

    def accept(self, text: bytes) -> Any:
        """The canonical value of one JSON text, read strictly if possible. Raises `Misfit`."""
        if self.rounds is not None and self.rounds.search(text):
            return self.lenient(text)
        try:
            value = self.decoder.decode(text)
        except UNREADABLE:
            return self.lenient(text)
        if self.fits is not None and value is not None and not self.fits((value,)):
            return self.lenient(text)
        return value


def rounding(codecs: Iterable[Codec]) -> re.Pattern[bytes] | None:
    """What finds the texts of which some of the codecs hold another value."""
    patterns = {codec.rounds.pattern for codec in codecs if codec.rounds is not None}
    return re.compile(b"|".join(sorted(patterns))) if patterns else None


def refuse(_text: bytes) -> Any:
    """The lenient reading of a type that takes nothing beyond its strict form."""
    raise Misfit


def each(predicate: Callable[[Any], bool]) -> Fits:
    """A check of many values from a check of one."""
    return lambda values: all(map(predicate, values))


def nullable(codec: Codec) -> Codec:
    """The codec of `Nullable(T)`."""
    fits = codec.fits

    def lenient(text: bytes) -> Any:
        return None if text == b"null" else codec.accept(text)

    def non_null_fit(values: Sequence[Any]) -> bool:
        return fits is None or fits([value for value in values if value is not None])

    return Codec(
        codec.label,
        codec.strict | None,
        lenient,
        fits=non_null_fit if fits is not None else None,
        nullable=True,
        verbatim=codec.verbatim,
        canonical_text=codec.canonical_text,
        rounds=codec.rounds,
    )


def plain_text(text: bytes) -> str:
    """What a JSON value is as plain text: a string's characters, anything else's JSON text."""
    if text.startswith(b'"'):
        decoded: str = _STRING.decode(text)
        return decoded
    return text.decode()


def number(text: bytes) -> Decimal:
    """The exact value of a JSON number, or of a string that holds one. Raises `Misfit`."""
    try:
        plain = plain_text(text)
    except UNREADABLE:
        raise Misfit from None
    if len(plain) > LONGEST_NUMBER or not NUMBER.fullmatch(plain):
        raise Misfit
    try:
        value = Decimal(plain)
    except InvalidOperation:  # an exponent beyond even a Decimal's
        raise Misfit from None
    if abs(value.adjusted()) > LONGEST_NUMBER:
        raise Misfit
    return value


def whole_number(text: bytes, low: int, high: int) -> int:
    """The integer of a JSON number, or of a string that holds one, within its bounds. Raises `Misfit`."""
    value = number(text)
    if not low <= value <= high or value != value.to_integral_value():
        raise Misfit
    return int(value)


_STRING = msgspec.json.Decoder(str)
