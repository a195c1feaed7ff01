"""The checks of the type functions: text to a value with its SQL, one cast for each type name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

from stonechat.sql.quoting import template_string
from stonechat.template.errors import ParameterInvalid
from stonechat.template.values import NO_VALUE, TypedFloat, TypedInteger, TypedList, TypedString

Cast = Callable[[str], object]
"""Text to a value of the values module. Raises ValueError when the text is not of the type."""

_MAX_DIGITS = 100
_MOST_SHOWN = 1000
_SIGNED = re.compile(r"[+-]?[0-9]+")
_UNSIGNED = re.compile(r"[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ISO_TIME = r"[0-9]{4}.[0-9]{2}.[0-9]{2}[T\s][0-9]{2}:[0-9]{2}:[0-9]{2}"
_DAY_FIRST_TIME = r"[0-9]{2}.[0-9]{2}.[0-9]{4}.[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}"
_DATE_TIME = re.compile(f"{_ISO_TIME}|{_DAY_FIRST_TIME}")
_DATE_TIME_64 = re.compile(rf"(?:{_ISO_TIME}|{_DAY_FIRST_TIME})\.[0-9]{{3}}")


def _integer(name: str, bits: int, *, signed: bool) -> Cast:
    function = f"to{name}"
    pattern = _SIGNED if signed or bits > 64 else _UNSIGNED
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)

    def cast(text: str) -> object:
        return TypedInteger(_whole(text, pattern, low, high), f"{function}('{text}')")

    return cast


def _whole(text: str, pattern: re.Pattern[str], low: int, high: int) -> int:
    if not pattern.fullmatch(text) or len(text) > _MAX_DIGITS:
        raise ValueError(text)
    value = int(text)
    if not low <= value <= high:
        raise ValueError(text)
    return value


def _bare_integer(text: str) -> object:
    return _whole(text, _SIGNED, -(1 << 31), (1 << 31) - 1)


def _floating(text: str) -> float:
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def _float(name: str) -> Cast:
    def cast(text: str) -> object:
        return TypedFloat(_floating(text), f"to{name}({template_string(text)})")

    return cast


def _boolean(text: str) -> object:
    value = int(text.lower() not in {"0", "false"})
    return TypedInteger(value, str(value))


def _string(text: str) -> object:
    return TypedString(text, template_string(text))


def _matching(matches: Callable[[str], object]) -> Cast:
    def cast(text: str) -> object:
        if not matches(text):
            raise ValueError(text)
        return TypedString(text, template_string(text))

    return cast


def _integers() -> Mapping[str, Cast]:
    sizes = (8, 16, 32, 64, 128, 256)
    signed = {f"Int{bits}": _integer(f"Int{bits}", bits, signed=True) for bits in sizes}
    return signed | {f"UInt{bits}": _integer(f"UInt{bits}", bits, signed=False) for bits in sizes}


CASTS: Mapping[str, Cast] = {
    "String": _string,
    **_integers(),
    "Int": _bare_integer,
    "Integer": _bare_integer,
    "Float32": _float("Float32"),
    "Float64": _float("Float64"),
    "Boolean": _boolean,
    "Date": _matching(_DATE.fullmatch),
    "DateTime": _matching(_DATE_TIME.match),
    "DateTime64": _matching(_DATE_TIME_64.match),
}
"""Every scalar type that a parameter can be declared with, except JSON and identifiers."""

_DUMMIES = {
    "String": NO_VALUE,
    "Date": "2019-01-01",
    "DateTime": "2019-01-01 00:00:00",
    "DateTime64": "2019-01-01 00:00:00.000",
}


def dummy_text(type_name: str) -> str:
    """A value of the type, for a parameter that has none while its template is checked."""
    return _DUMMIES.get(type_name, "0" if type_name in CASTS else NO_VALUE)


def cast_scalar(type_name: str, value: object) -> object:
    """Check one value, or default. Raises `ParameterInvalid`."""
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    try:
        return CASTS[type_name](text)
    except ValueError:
        raise ParameterInvalid(f"'{_shortened(text)}'", type_name) from None


def array_texts(value: object) -> list[str]:
    """The elements of a list, or of text with commas, as texts."""
    return list(map(str, value)) if isinstance(value, list | tuple) else str(value).split(",")


def cast_array(type_name: str, texts: Sequence[str]) -> TypedList:
    """Check each element. Raises `ParameterInvalid`, naming the first wrong one.

    Elements of a type that has no check, such as UUID, are text. So are they where a template has something else in the
    place of the type, such as the default that was meant.
    """
    elements = TypedList()
    for index, text in enumerate(texts):
        try:
            elements.append(_element(type_name, text))
        except ValueError:
            shown = f"[{_shortened(','.join(texts))}][{index}] ({_shortened(text) or 'empty string'})"
            raise ParameterInvalid(shown, type_name) from None
    return elements


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _element(type_name: str, text: str) -> object:
    """An element as it prints inside of an array: numbers bare, everything else quoted."""
    text = text if type_name == "String" else text.strip()
    value = CASTS.get(type_name, _string)(text)
    if isinstance(value, float):
        return TypedFloat(value, text if math.isfinite(value) else str(float(value)))
    return int(value) if isinstance(value, int) else text
