"""The fast reading: a whole body decoded into typed structs at once, and written again as canonical NDJSON.

It says yes or nothing: a body with one row that does not pass goes to the lenient reading, line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
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
    """Events that fit: canonical lines, their number, and whether some have fields that no column is fed from."""

    lines: bytes
    rows: int
    has_unknown: bool


class StrictReader:
    """Decodes events of one shape and encodes them with the columns' names as keys.

    `exact` refuses fields at the top that `event` ignores: so events without any are told from others at no cost.
    `flatten` turns the decoded events into rows; None where the events have the shape of the rows already.
    """

    def __init__(
        self,
        exact: type[Struct],
        event: type[Struct],
        flatten: Callable[[list[Any]], list[Any]] | None,
        checks: Sequence[_Check],
    ) -> None:
        self._exact = msgspec.json.Decoder(exact)
        self._tolerant = msgspec.json.Decoder(event)
        self._flatten = flatten
        self._checks = checks

    def read(self, body: bytes) -> Fit | None:
        """What the body holds, if every line of it is an event that fits. The body is not empty."""
        try:
            events, has_unknown = self._decoded(body)
        except UNREADABLE:
            return None
        if len(events) != body.count(b"\n") + (not body.endswith(b"\n")):
            return None  # blank lines, or events that share or break lines: the line decides what an event is
        encoded = self._encode(events)
        return None if encoded is None else Fit(encoded, len(events), has_unknown)

    def read_event(self, text: bytes) -> Fit | None:
        """The text of one event, if it fits. It holds no line break."""
        try:
            events, has_unknown = self._decoded(text)
        except UNREADABLE:
            return None
        encoded = self._encode(events) if len(events) == 1 else None
        return None if encoded is None else Fit(encoded, 1, has_unknown)

    def _decoded(self, body: bytes) -> tuple[list[Any], bool]:
        try:
            return self._exact.decode_lines(body), False
        except msgspec.ValidationError as error:
            if not str(error).startswith(_UNKNOWN):
                raise
        return self._tolerant.decode_lines(body), True

    def _encode(self, events: list[Any]) -> bytes | None:
        rows = self._flatten(events) if self._flatten else events
        return _ENCODER.encode_lines(rows) if all(check.passes(rows) for check in self._checks) else None


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
    if any(column.codec is None or column.path.is_whole_event for column in columns):
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
        return StrictReader(exact, event, None, checks)
    root = _tree(columns)
    defaults = [(name, Any, UNSET if column.keeps_null else None) for name, column in zip(names, columns, strict=True)]
    row = msgspec.defstruct("Row", defaults, rename=rename, omit_defaults=optional, gc=False)
    extracts = [_extract(root, column) for column in columns]
    return StrictReader(_struct(root, exact=True), _struct(root), partial(_flattened, row, extracts), checks)


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


_ENCODER = msgspec.json.Encoder()
_UNKNOWN = "Object contains unknown field"
