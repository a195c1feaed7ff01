"""The fast reading: the lines of a whole body decoded into typed structs, one event each.

It says yes or nothing: a body with one row that does not pass goes to the lenient reading, line by line. What passes
stays as it came where the engine reads it as these structs did, or refuses it; else it is written in canonical form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from stonechat.ingest.codecs import UNREADABLE, Codec
from stonechat.ingest.feeding import FedColumn
from stonechat.ingest.types import codec_of
from stonechat.sql.types import DataType

_Extract = Callable[[Sequence[Any]], list[Any]]


class Fit(NamedTuple):
    """Events that fit: lines for the table, their number, and whether some have fields that no column is fed from."""

    lines: bytes
    rows: int
    has_unknown: bool


class StrictReader:
    """Decodes events of one shape, and encodes those with the columns' names as keys that may not stay as they are.

    `exact` refuses fields at the top that `event` ignores: so events without any are told from others at no cost.
    `flatten` turns the decoded events into rows; None where the events have the shape of the rows already. `canonical`
    is there if the engine may get the text of events without such fields: it is for texts that the engine refuses.
    """

    def __init__(
        self,
        exact: type[Struct],
        event: type[Struct],
        flatten: Callable[[list[Any]], list[Any]] | None,
        checks: Sequence[_Check],
        canonical: _CanonicalForm | None = None,
    ) -> None:
        self._exact = msgspec.json.Decoder(exact)
        self._tolerant = msgspec.json.Decoder(event)
        self._flatten = flatten
        self._checks = checks
        self._canonical = canonical

    @property
    def keeps_text(self) -> bool:
        """Whether events without unknown fields stay as they came."""
        return self._canonical is not None

    def read(self, body: bytes) -> Fit | None:
        """What the body holds, if every line of it is an event that fits: blank lines are none. It is not empty."""
        read = self._rows(partial(BytesIO, body))
        if read is None:
            return None
        rows, has_unknown = read
        if self._canonical is not None and not has_unknown:
            return Fit(body if body.endswith(b"\n") else body + b"\n", len(rows), False)
        return Fit(self._encoded(rows, body, partial(BytesIO, body)), len(rows), has_unknown)

    def read_event(self, text: bytes) -> Fit | None:
        """The text of one event, if it fits."""
        if b"\n" not in text:
            return self.read(text)
        read = self._rows(lambda: [text])
        return None if read is None else Fit(self._encoded(read[0], text, lambda: [text]), 1, read[1])

    def canonical(self, line: bytes) -> bytes:
        """A line that was read before in canonical form, or as it is if it was in that form already."""
        if self._canonical is None:
            return line
        try:
            return _ENCODER.encode_lines([self._canonical.row(line)])
        except UNREADABLE:
            return line

    def _encoded(self, rows: list[Any], text: bytes, lines: Callable[[], Iterable[bytes]]) -> bytes:
        """The rows of a text in canonical form, with the same values as those of lines that stay as they came."""
        if self._canonical is not None and self._canonical.differs and _FINER_THAN_CLOCK.search(text):
            rows = list(map(self._canonical.row, lines()))
        return _ENCODER.encode_lines(rows)

    def _rows(self, lines: Callable[[], Iterable[bytes]]) -> tuple[list[Any], bool] | None:
        """The rows of lines that are one event each, and whether some have unknown fields; None if one does not fit."""
        has_unknown = False
        try:
            try:
                events = list(map(self._exact.decode, lines()))
            except msgspec.ValidationError as error:
                if not str(error).startswith(_UNKNOWN):
                    return None
                has_unknown = True
                events = list(map(self._tolerant.decode, lines()))
        except UNREADABLE:
            return None
        rows = self._flatten(events) if self._flatten else events
        return (rows, has_unknown) if all(check.passes(rows) for check in self._checks) else None


class _CanonicalForm:
    """Reads the events of a struct again, with the text of what would be rounded. `differs`: there is such a column."""

    def __init__(self, event: type[Struct], texts: Sequence[tuple[str, Callable[[str], str]]]) -> None:
        self._decoder = msgspec.json.Decoder(event)
        self._texts = texts
        self.differs = bool(texts)

    def row(self, line: bytes) -> Any:
        """The row of a line that has passed; raises `UNREADABLE` for one that is in canonical form already."""
        row = self._decoder.decode(line)
        for name, canonical_text in self._texts:
            value = getattr(row, name)
            if isinstance(value, str):
                setattr(row, name, canonical_text(value))
        return row


@dataclass(frozen=True, slots=True)
class _Check:
    """What the struct's types cannot say about one column."""

    values: Callable[[Any], Any]
    fits: Callable[[Sequence[Any]], bool]
    optional: bool

    def passes(self, rows: Sequence[Any]) -> bool:
        values = list(map(self.values, rows))
        if self.optional:
            values = [value for value in values if value is not None and value is not UNSET]
        return self.fits(values)


@dataclass(slots=True)
class _Branch:
    """An object of the event that columns are read from; `many` if it is each object of an array."""

    many: bool = False
    children: dict[str, _Branch | FedColumn] = field(default_factory=dict)

    def attribute(self, key: str) -> str:
        return f"k{list(self.children).index(key)}"

    @property
    def optional(self) -> bool:
        return not self.many and all(
            child.optional if isinstance(child, _Branch) else not child.required for child in self.children.values()
        )


def strict_reader(columns: Sequence[FedColumn]) -> StrictReader | None:
    """The fast reader of these columns; None where only the lenient reading can serve them."""
    if any(column.codec is None or column.path.is_whole_event or column.path.has_index for column in columns):
        return None
    try:
        return _reader(columns)
    except ValueError:  # a key that needs escapes in JSON, or two columns that read the same key differently
        return None


def _reader(columns: Sequence[FedColumn]) -> StrictReader:
    names = [f"c{index}" for index in range(len(columns))]
    rename = dict(zip(names, (column.name for column in columns), strict=True))
    checks = [
        _Check(attrgetter(name), column.codec.fits, not column.required)
        for name, column in zip(names, columns, strict=True)
        if column.codec is not None and column.codec.fits is not None
    ]
    optional = any(not column.required for column in columns)
    if all(column.path.groups == ((column.name,),) for column in columns):
        fields = [_field(name, column, column.codec) for name, column in zip(names, columns, strict=True)]
        exact, event = (
            msgspec.defstruct(
                "Event",
                fields,
                rename=rename,
                kw_only=True,
                omit_defaults=optional,
                gc=False,
                forbid_unknown_fields=forbid,
            )
            for forbid in (True, False)
        )
        return StrictReader(exact, event, None, checks, _canonical_form(columns, rename))
    root = _tree(columns)
    defaults = [(name, Any, UNSET if column.keeps_null else None) for name, column in zip(names, columns, strict=True)]
    row = msgspec.defstruct("Row", defaults, rename=rename, omit_defaults=optional, gc=False)
    extracts = [_extract(root, column) for column in columns]
    flatten = partial(_flattened, row, extracts)
    return StrictReader(_struct(root, exact=True), _struct(root), flatten, checks)


def _canonical_form(columns: Sequence[FedColumn], rename: Mapping[str, str]) -> _CanonicalForm | None:
    if not all(column.codec is not None and column.codec.verbatim for column in columns):
        return None
    fields, texts = [], []
    for name, column in zip(rename, columns, strict=True):
        codec = column.codec
        if codec is not None and codec.canonical_text is not None:
            texts.append((name, codec.canonical_text))
            codec = replace(codec, strict=str | None if codec.nullable else str)
        fields.append(_field(name, column, codec))
    optional = any(not column.required for column in columns)
    event = msgspec.defstruct("Event", fields, rename=rename, kw_only=True, omit_defaults=optional, gc=False)
    return _CanonicalForm(event, texts)


def _flattened(row: type[Struct], extracts: Sequence[_Extract], events: list[Any]) -> list[Any]:
    return list(map(row, *(extract(events) for extract in extracts)))


def _field(name: str, column: FedColumn, codec: Codec | None) -> Any:
    strict = codec.strict if codec else Any
    if column.required:
        return (name, strict)
    if column.keeps_null:
        return (name, strict | UnsetType, UNSET)
    return (name, strict | None, None)


def _tree(columns: Sequence[FedColumn]) -> _Branch:
    root = _Branch()
    for column in columns:
        branch = root
        for key, many in _steps(column):
            child = branch.children.setdefault(key, _Branch(many=many))
            if not isinstance(child, _Branch) or child.many != many:
                raise ValueError(key)
            branch = child
        leaf = column.path.groups[-1][-1]
        if leaf in branch.children:
            raise ValueError(leaf)
        branch.children[leaf] = column
    return root


def _steps(column: FedColumn) -> Iterator[tuple[str, bool]]:
    """The keys above the column's own, and whether each leads into the objects of an array."""
    *outer, last = column.path.groups
    for group in outer:
        yield from ((key, False) for key in group[:-1])
        yield group[-1], True
    yield from ((key, False) for key in last[:-1])


def _struct(branch: _Branch, *, exact: bool = False) -> type[Struct]:
    fields: list[Any] = []
    for key, child in branch.children.items():
        name = branch.attribute(key)
        if isinstance(child, FedColumn):
            fields.append(_leaf_field(name, child))
        elif child.many:
            fields.append((name, list[_struct(child)]))  # type: ignore[misc]  # a run-time type
        elif child.optional:
            inner = _struct(child)
            fields.append((name, inner, msgspec.field(default_factory=inner)))
        else:
            fields.append((name, _struct(child)))
    rename = {branch.attribute(key): key for key in branch.children}
    return msgspec.defstruct("Event", fields, rename=rename, kw_only=True, gc=False, forbid_unknown_fields=exact)


def _leaf_field(name: str, column: FedColumn) -> Any:
    depth = len(column.path.groups) - 1
    if depth == 0:
        return _field(name, column, column.codec)
    element = column.type
    for _ in range(depth):
        inner = element.arguments[0] if element.name == "Array" else None
        if not isinstance(inner, DataType):
            raise ValueError(name)  # noqa: TRY004 - the lenient reading takes it
        element = inner
    codec = codec_of(element)
    assert codec is not None
    return (name, codec.strict, None) if codec.nullable else (name, codec.strict)


def _extract(root: _Branch, column: FedColumn) -> _Extract:
    getters: list[Callable[[Any], Any]] = []
    branch = root
    for group in column.path.groups:
        attributes = []
        for key in group:
            attributes.append(branch.attribute(key))
            child = branch.children[key]
            branch = child if isinstance(child, _Branch) else branch
        getters.append(attrgetter(".".join(attributes)))
    return partial(_values, getters)


def _values(getters: Sequence[Callable[[Any], Any]], objects: Sequence[Any]) -> list[Any]:
    """One value of each object: a plain one, or for each `[:]` on the way a list of those behind it."""
    values = list(map(getters[0], objects))
    return values if len(getters) == 1 else [_values(getters[1:], inner) for inner in values]


_FINER_THAN_CLOCK = re.compile(rb"\.[0-9]{7}")  # a fraction that Python's clock rounds
_ENCODER = msgspec.json.Encoder()
_UNKNOWN = "Object contains unknown field"
