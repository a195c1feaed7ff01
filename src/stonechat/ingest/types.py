"""From a column's type to the codec that reads its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec

from stonechat.ingest import scalars, temporal
from stonechat.ingest.codecs import UNREADABLE, Codec, Fits, nullable, refuse, rounding
from stonechat.ingest.verdicts import Misfit
from stonechat.sql.types import DataType, NamedType

_DECIMAL_DIGITS = {"Decimal32": 9, "Decimal64": 18, "Decimal128": 38, "Decimal256": 76}
_GEOMETRIES = {
    "Point": 0, "Ring": 1, "LineString": 1, "MultiPoint": 1, "Polygon": 2, "MultiLineString": 2, "MultiPolygon": 3,
}  # fmt: skip
_UNFEEDABLE = frozenset({"AggregateFunction", "Nested", "Nothing"})
_KEYS = ("String", "FixedString", "LowCardinality", "UUID", "Int", "UInt", "Date", "Enum", "IPv")
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_Build = Callable[[DataType], Codec]


def codec_of(kind: DataType) -> Codec | None:
    """The codec of a type; None for a type that no event can feed (the state of an aggregate function)."""
    if kind.name in _UNFEEDABLE or not all(codec_of(part) for part in _parts(kind)):
        return None
    if kind.name == "Map" and not _is_key(kind):
        return None
    build = _BUILDERS.get(kind.name)
    return build(kind) if build else Codec(str(kind), Any, refuse)


def _parts(kind: DataType) -> list[DataType]:
    nested = [part.type if isinstance(part, NamedType) else part for part in kind.arguments]
    return [part for part in nested if isinstance(part, DataType)] if kind.name != "SimpleAggregateFunction" else []


def _is_key(kind: DataType) -> bool:
    return isinstance(kind.arguments[0], DataType) and kind.arguments[0].name.startswith(_KEYS)


def _codec(part: DataType | NamedType | str) -> Codec:
    codec = codec_of(part.type if isinstance(part, NamedType) else part) if not isinstance(part, str) else None
    assert codec is not None, part
    return codec


def _wrapped(kind: DataType) -> Codec:
    return _codec(kind.arguments[-1])


def _nullable(kind: DataType) -> Codec:
    return nullable(_codec(kind.arguments[0]))


def decimal_digits(kind: DataType) -> tuple[int, int]:
    """The digits of a decimal type, and how many of them are behind the point."""
    numbers = [int(str(argument)) for argument in kind.arguments]
    if kind.name != "Decimal":
        return _DECIMAL_DIGITS[kind.name], numbers[0]
    precision, scale = (numbers + [10, 0][len(numbers) :])[:2]
    return precision, scale


def _decimal(kind: DataType) -> Codec:
    return scalars.decimal(str(kind), *decimal_digits(kind))


def _zone(arguments: Sequence[object]) -> str | None:
    return str(arguments[0]).strip("'") if arguments else None


def _array(kind: DataType) -> Codec:
    inner = _codec(kind.arguments[0])

    def lenient(text: bytes) -> list[Any]:
        return [inner.accept(element) for element in _elements(text)]

    strict = list[inner.strict]  # type: ignore[name-defined]  # a run-time type
    return Codec(
        str(kind),
        strict,
        lenient,
        fits=_all_of(inner.fits),
        verbatim=inner.verbatim and inner.canonical_text is None,
        rounds=inner.rounds,
    )


def _all_of(fits: Fits | None) -> Fits | None:
    return (lambda values: fits(list(chain.from_iterable(values)))) if fits else None


def _map(kind: DataType) -> Codec:
    key, value = map(_codec, kind.arguments)

    def lenient(text: bytes) -> dict[Any, Any]:
        return {key.accept(msgspec.json.encode(name)): value.accept(each) for name, each in _members(text).items()}

    def fits(values: Sequence[dict[Any, Any]]) -> bool:
        keys_fit = key.fits is None or key.fits(list(chain.from_iterable(values)))
        return keys_fit and (value.fits is None or value.fits([part for each in values for part in each.values()]))

    strict = dict[key.strict, value.strict]  # type: ignore[name-defined]  # a run-time type
    return Codec(str(kind), strict, lenient, fits=fits, rounds=rounding([key, value]))


def _tuple(kind: DataType) -> Codec:
    named = [part for part in kind.arguments if isinstance(part, NamedType)]
    if named:
        return _named_tuple(kind, named)
    parts = [_codec(part) for part in kind.arguments]
    numbers = [str(number) for number in range(1, len(parts) + 1)]

    def lenient(text: bytes) -> list[Any]:
        # Files have names for them all: their numbers.
        named = _members(text) if text.startswith(b"{") else None
        elements = _elements(text) if named is None else [named[each] for each in numbers if each in named]
        if len(elements) != len(parts):
            raise Misfit
        return [part.accept(element) for part, element in zip(parts, elements, strict=True)]

    def fits(values: Sequence[tuple[Any, ...]]) -> bool:
        columns = zip(*values, strict=True)
        return all(part.fits is None or part.fits(column) for part, column in zip(parts, columns, strict=False))

    strict: Any = tuple.__class_getitem__(tuple(part.strict for part in parts))
    return Codec(str(kind), strict, lenient, fits=fits, rounds=rounding(parts))


def _named_tuple(kind: DataType, elements: Sequence[NamedType]) -> Codec:
    parts = {element.name: _codec(element) for element in elements}

    def lenient(text: bytes) -> dict[str, Any]:
        is_array = text.startswith(b"[")
        given = dict(zip(parts, _elements(text), strict=False)) if is_array else _members(text)
        return {name: part.accept(given.get(name, b"null")) for name, part in parts.items()}

    names = [f"e{index}" for index in range(len(parts))]
    fields = [
        (name, part.strict, None) if part.nullable else (name, part.strict)
        for name, part in zip(names, parts.values(), strict=True)
    ]
    getters = [(attrgetter(name), part.fits) for name, part in zip(names, parts.values(), strict=True) if part.fits]

    def fits(values: Sequence[Any]) -> bool:
        return all(check(list(map(get, values))) for get, check in getters)

    try:
        rename = dict(zip(names, parts, strict=True))
        strict: Any = msgspec.defstruct("NamedTuple", fields, rename=rename, kw_only=True, gc=False)
    except ValueError:  # names that need escapes in JSON
        return Codec(str(kind), bool, lenient, fits=lambda _: False)
    return Codec(str(kind), strict, lenient, fits=fits, rounds=rounding(parts.values()))


def _geometry(kind: DataType) -> Codec:
    strict: Any = tuple[float, float]
    for _ in range(_GEOMETRIES[kind.name]):
        strict = list[strict]
    return Codec(str(kind), strict, refuse)


def _elements(text: bytes) -> list[bytes]:
    try:
        return [bytes(element).strip() for element in _ARRAY.decode(text)]
    except UNREADABLE:
        raise Misfit from None


def _members(text: bytes) -> dict[str, bytes]:
    try:
        return {name: bytes(value).strip() for name, value in _OBJECT.decode(text).items()}
    except UNREADABLE:
        raise Misfit from None


def _builders() -> Mapping[str, _Build]:
    builders: dict[str, _Build] = {
        "String": lambda kind: scalars.string(str(kind)),
        "FixedString": lambda kind: scalars.fixed_string(str(kind), int(str(kind.arguments[0]))),
        "Bool": lambda kind: scalars.boolean(str(kind)),
        "UUID": lambda kind: scalars.identifier(str(kind)),
        "IPv4": lambda kind: scalars.address(str(kind), 4),
        "IPv6": lambda kind: scalars.address(str(kind), 6),
        "Float32": lambda kind: scalars.floating(str(kind), 32),
        "Float64": lambda kind: scalars.floating(str(kind), 64),
        "Date": lambda kind: temporal.day(str(kind), wide=False),
        "Date32": lambda kind: temporal.day(str(kind), wide=True),
        "DateTime": lambda kind: temporal.moment(str(kind), _zone(kind.arguments)),
        "DateTime32": lambda kind: temporal.moment(str(kind), _zone(kind.arguments)),
        "DateTime64": lambda kind: temporal.precise_moment(
            str(kind), int(str(kind.arguments[0])), _zone(kind.arguments[1:])
        ),
        "JSON": lambda kind: Codec(str(kind), dict[str, Any], refuse),
        "Array": _array,
        "Map": _map,
        "Tuple": _tuple,
        "Nullable": _nullable,
        "LowCardinality": _wrapped,
        "SimpleAggregateFunction": _wrapped,
    }
    for signed, prefix in ((True, "Int"), (False, "UInt")):
        for bits in (8, 16, 32, 64, 128, 256):
            builders[f"{prefix}{bits}"] = _integer(bits, signed=signed)
    builders |= dict.fromkeys(("Decimal", *_DECIMAL_DIGITS), _decimal)
    builders |= dict.fromkeys(("Enum", "Enum8", "Enum16"), _enumeration)
    return builders | dict.fromkeys(_GEOMETRIES, _geometry)


def _integer(bits: int, *, signed: bool) -> _Build:
    return lambda kind: scalars.integer(str(kind), bits, signed=signed)


def _enumeration(kind: DataType) -> Codec:
    return scalars.enumeration(str(kind), [str(member) for member in kind.arguments])


_BUILDERS = _builders()
