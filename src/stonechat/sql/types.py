"""ClickHouse column types: text to a tree and back.

A type is read into its canonical spelling: aliases are resolved (`varchar(10)` is `String`), arguments evenly spaced.
Two texts that name the same type give equal trees, which is what deployments compare and ingestion matches on.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from stonechat.errors import Kind, StonechatError
from stonechat.sql.quoting import identifier
from stonechat.sql.type_tokens import Token, tokens, unquoted

MAXIMUM_DEPTH = 32
"""How deep types nest at most: far more than any table needs, far less than the interpreter's stack."""


@dataclass(frozen=True, slots=True)
class DataType:
    """A type such as `Array(Nullable(DateTime64(3, 'UTC')))`.

    `name` is the family (`Array`). `arguments` are nested types, named ones for the elements of a named tuple, or plain
    text for what is no type: a precision, a quoted time zone, an enum's `'a' = 1`, an aggregate function's name.
    """

    name: str
    arguments: tuple[DataType | NamedType | str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})" if self.arguments else self.name


@dataclass(frozen=True, slots=True)
class NamedType:
    """An element of a named `Tuple` or `Nested`: `name Type`, the name without its backticks."""

    name: str
    type: DataType

    def __str__(self) -> str:
        if _IDENTIFIER.fullmatch(self.name):
            return f"{self.name} {self.type}"
        return f"{identifier(self.name)} {self.type}"


class InvalidType(StonechatError):
    """A text that is no column type. `offset` counts characters from the start of the text to the fault."""

    code: ClassVar[str] = "SC120"
    kind: ClassVar[Kind] = Kind.INVALID

    def __init__(self, message: str, *, offset: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.offset = offset


def parse_type(text: str) -> DataType:
    """The type that a text such as `Map(String, Array(UInt8))` names; `InvalidType` where it names none."""
    parser = _Parser(text)
    parsed = parser.type(depth=1)
    parser.expect_end()
    return parsed


_INTEGERS = tuple(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256))
_PLAIN = frozenset(  # words in one string, here and below: one name per line would hide the table
    "String Float32 Float64 BFloat16 Bool Date Date32 Time UUID IPv4 IPv6 Nothing "  # noqa: SIM905
    "Point Ring Polygon MultiPoint MultiPolygon LineString MultiLineString Geometry "
    "IntervalNanosecond IntervalMicrosecond IntervalMillisecond IntervalSecond IntervalMinute IntervalHour "
    "IntervalDay IntervalWeek IntervalMonth IntervalQuarter IntervalYear".split()
).union(_INTEGERS)

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"\d+")
_POSITIVE = re.compile(r"[1-9]\d*")
_SCALE = re.compile(r"[0-9]")
_TEXT = re.compile(r"'.*'", re.DOTALL)
_MEMBER = re.compile(r"'.*'(?: = -?\d+)?", re.DOTALL)

_LITERALS: dict[str, tuple[int, tuple[re.Pattern[str], ...]]] = {
    "FixedString": (1, (_POSITIVE,)),
    "Decimal": (0, (_POSITIVE, _NUMBER)),
    "Decimal32": (1, (_NUMBER,)),
    "Decimal64": (1, (_NUMBER,)),
    "Decimal128": (1, (_NUMBER,)),
    "Decimal256": (1, (_NUMBER,)),
    "DateTime": (0, (_TEXT,)),
    "DateTime32": (0, (_TEXT,)),
    "DateTime64": (1, (_SCALE, _TEXT)),
    "Time64": (0, (_SCALE,)),
}
"""Families whose arguments are literals: how many are needed, and what each one looks like."""

_NESTED: dict[str, tuple[int, int | None]] = {
    "Array": (1, 1),
    "Nullable": (1, 1),
    "LowCardinality": (1, 1),
    "Map": (2, 2),
    "Variant": (1, None),
}
"""Families whose arguments are types: how many at least and at most."""

_ENUMS = frozenset({"Enum", "Enum8", "Enum16"})
_ELEMENTS = frozenset({"Tuple", "Nested"})
_AGGREGATES = frozenset({"AggregateFunction", "SimpleAggregateFunction"})
_VERBATIM = frozenset({"JSON", "Dynamic", "QBit"})
_FAMILIES = _PLAIN.union(_LITERALS, _NESTED, _ENUMS, _ELEMENTS, _AGGREGATES, _VERBATIM)

_COMPOSITE = frozenset({"Array", "Map", "Nullable", "LowCardinality", "Nested", "AggregateFunction"})

_ANY_CASE = {
    family.lower(): family
    for family in _FAMILIES
    if family.startswith(("Bool", "Date", "Decimal", "Time")) or family in {"Enum", "JSON"}
}
_ALIASES = {
    alias: family
    for family, aliases in {
        "Int8": "tinyint int1 byte",
        "Int16": "smallint",
        "Int32": "int integer mediumint",
        "Int64": "bigint signed",
        "UInt64": "bit set unsigned",
        "UInt16": "year",
        "Float32": "float real single",
        "Float64": "double",
        "Decimal": "dec numeric fixed",
        "DateTime": "timestamp",
        "FixedString": "binary",
        "IPv4": "inet4",
        "IPv6": "inet6",
        "String": "text tinytext mediumtext longtext blob tinyblob mediumblob longblob clob bytea "
        "char character varchar varchar2 nchar nvarchar varbinary",
    }.items()
    for alias in aliases.split()
}
"""The names of other databases that ClickHouse understands, in any case."""

_OPERANDS = frozenset({"word", "number", "text", "quoted"})
_QUOTES = frozenset("'\"`")


class _Parser:
    """Reads one type by recursive descent over the tokens of its text."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._index = 0
        for token in self._tokens:
            if token.text in _QUOTES:
                raise InvalidType(f"Expected closing {token.text}", offset=token.offset)
        self._end = Token("end", "", len(text))

    def expect_end(self) -> None:
        if self._next.kind != "end":
            self._fail(f"Unexpected '{self._next.text}' after the type")

    def type(self, depth: int) -> DataType:
        if depth > MAXIMUM_DEPTH:
            self._fail(f"Types nest at most {MAXIMUM_DEPTH} deep")
        if self._next.kind != "word":
            self._fail(f"Expected a type, found '{self._next.text}'" if self._next.text else "Expected a type")
        token = self._advance()
        family = _family(token, alone=depth == 1)
        start = self._index
        if self._next.text == "(":
            arguments = self._arguments(family, token, depth)
        else:
            arguments = self._checked(family, token, [], start)
        if family == "String":
            arguments = ()  # VARCHAR(10): ClickHouse accepts the length and forgets it
        if family == "Decimal":
            arguments += ("10", "0")[len(arguments) :]
        return DataType(family, arguments)

    def _arguments(self, family: str, token: Token, depth: int) -> tuple[DataType | NamedType | str, ...]:
        opening = self._advance()
        start = self._index
        arguments: list[DataType | NamedType | str] = []
        while self._next.text != ")" or arguments:
            if self._next.kind != "end":
                arguments.append(self._argument(family, len(arguments), depth))
            if self._next.kind == "end":
                raise InvalidType("Expected closing )", offset=opening.offset)
            if self._next.kind != "comma":
                break
            self._advance()
        if self._next.text != ")":
            self._fail(f"Unexpected '{self._next.text}'")
        self._advance()
        return self._checked(family, token, arguments, start)

    def _argument(self, family: str, position: int, depth: int) -> DataType | NamedType | str:
        if family in _NESTED:
            return self.type(depth + 1)
        if family in _ELEMENTS:
            return self._element(depth)
        if family in _AGGREGATES:
            versioned = position == 1 and self._tokens[self._index - 2].kind == "number"
            return self._verbatim() if position == 0 or versioned else self.type(depth + 1)
        return self._verbatim()

    def _element(self, depth: int) -> DataType | NamedType:
        following = self._tokens[self._index + 1] if self._index + 1 < len(self._tokens) else self._end
        if self._next.kind not in {"word", "quoted"} or following.kind != "word":
            return self.type(depth + 1)
        name = self._advance()
        return NamedType(unquoted(name.text) if name.kind == "quoted" else name.text, self.type(depth + 1))

    def _verbatim(self) -> str:
        """The text up to the next comma or closing parenthesis of this level, evenly spaced."""
        parts: list[str] = []
        level, previous = 0, "open"
        while self._next.kind != "end" and (level or self._next.kind not in {"comma", "close"}):
            token = self._advance()
            level += {"open": 1, "close": -1}.get(token.kind, 0)
            apart = previous in _OPERANDS | {"close"} and token.kind in _OPERANDS
            spaced = apart or "=" in {token.text, *parts[-1:]} or previous == "comma"
            parts += [" ", token.text] if spaced and parts else [token.text]
            previous = token.kind
        if not parts:
            self._fail("Expected an argument")
        return "".join(parts)

    def _checked(
        self, family: str, token: Token, arguments: list[DataType | NamedType | str], start: int
    ) -> tuple[DataType | NamedType | str, ...]:
        if family == "DateTime64" and not arguments:
            raise InvalidType("DateTime64 needs a precision", offset=token.offset, hint="Use DateTime64(3)")
        minimum, maximum = _argument_counts(family)
        if family != "String" and not minimum <= len(arguments) <= (len(arguments) if maximum is None else maximum):
            raise InvalidType(f"{family} takes {_counted(minimum, maximum)}", offset=token.offset)
        offset = self._tokens[start].offset if start < len(self._tokens) else token.offset
        if family in _ENUMS:
            patterns: tuple[re.Pattern[str], ...] = (_MEMBER,) * len(arguments)
        else:
            patterns = _LITERALS[family][1] if family in _LITERALS else ()
        for pattern, argument in zip(patterns, arguments, strict=False):
            if not pattern.fullmatch(str(argument)):
                raise InvalidType(f"{family} does not take {argument}", offset=offset)
        if family in {"Nullable", "LowCardinality"}:
            _check_wrapped(family, arguments[0], offset)
        return tuple(arguments)

    @property
    def _next(self) -> Token:
        return self._tokens[self._index] if self._index < len(self._tokens) else self._end

    def _advance(self) -> Token:
        token = self._next
        self._index += 1
        return token

    def _fail(self, message: str) -> NoReturn:
        raise InvalidType(message, offset=self._next.offset)


def _family(token: Token, *, alone: bool) -> str:
    name, lower = token.text, token.text.lower()
    if lower == "boolean":
        raise InvalidType("Boolean is not supported", offset=token.offset, hint="Use Bool or UInt8")
    if name == "UInt" or (name == "Int" and alone):
        widths = ", ".join(f"{name}{bits}" for bits in (8, 16, 32, 64, 128, 256))
        raise InvalidType(f"{name} needs a width", offset=token.offset, hint=f"Use one of {widths}")
    family = name if name in _FAMILIES else _ANY_CASE.get(lower) or _ALIASES.get(lower)
    if family is None:
        near = difflib.get_close_matches(lower, [known.lower() for known in sorted(_FAMILIES)], n=1)
        hint = f"Did you mean {next(known for known in _FAMILIES if known.lower() == near[0])}?" if near else None
        raise InvalidType(f"Unknown data type family: {name}", offset=token.offset, hint=hint)
    return family


def _argument_counts(family: str) -> tuple[int, int | None]:
    if family in _NESTED:
        return _NESTED[family]
    if family in _LITERALS:
        minimum, patterns = _LITERALS[family]
        return minimum, len(patterns)
    if family in _VERBATIM:
        return 0, None
    if family == "SimpleAggregateFunction":
        return 2, None
    return (0, 0) if family in _PLAIN else (1, None)


def _counted(minimum: int, maximum: int | None) -> str:
    if maximum == 0:
        return "no arguments"
    if maximum is None:
        return f"at least {minimum} argument{'s' if minimum > 1 else ''}"
    counts = f"{minimum}" if minimum == maximum else f"{minimum} to {maximum}"
    return f"{counts} argument{'s' if maximum > 1 else ''}"


def _check_wrapped(family: str, inner: DataType | NamedType | str, offset: int) -> None:
    if family == "LowCardinality" and isinstance(inner, DataType) and inner.name == "Nullable":
        inner = inner.arguments[0]
    if isinstance(inner, DataType) and inner.name in _COMPOSITE:
        raise InvalidType(f"Nested type {inner} cannot be inside {family} type", offset=offset)
