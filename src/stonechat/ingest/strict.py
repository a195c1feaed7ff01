"""The fast reading: the lines of a whole body decoded into typed structs, one event each.

It says yes or nothing: a body with one row that does not pass goes to the lenient reading, line by line. What passes
stays as it came where the engine reads it as these structs did, or refuses it; else it is written in canonical form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct

from stonechat.ingest.codecs import FINER_THAN_CLOCK, UNREADABLE, rounding
from stonechat.ingest.feeding import FedColumn
from stonechat.ingest.shapes import Extract, extract_of, field_of, struct_of, tree_of


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
    `rounds` finds texts of which decoding and encoding would change a value.
    """

    def __init__(
        self,
        exact: type[Struct],
        event: type[Struct],
        flatten: Callable[[list[Any]], list[Any]] | None,
        checks: Sequence[_Check],
        canonical: _CanonicalForm | None = None,
        *,
        rounds: re.Pattern[bytes] | None = None,
    ) -> None:
        self._exact = msgspec.json.Decoder(exact)
        self._tolerant = msgspec.json.Decoder(event)
        self._flatten = flatten
        self._checks = checks
        self._canonical = canonical
        self._rounds = rounds.search if rounds is not None else lambda _text: None

    def read(self, body: bytes) -> Fit | None:
        """What the body holds, if every line of it is an event that fits: blank lines are none. It is not empty."""
        read = None if self._canonical is None and self._rounds(body) else self._rows(partial(BytesIO, body))
        if read is None:
            return None
        rows, has_unknown = read
        if self._canonical is not None and not has_unknown:
            return Fit(body if body.endswith(b"\n") else body + b"\n", len(rows), False)
        if self._canonical is not None and self._rounds(body):
            return None
        return Fit(self._encoded(rows, body, partial(BytesIO, body)), len(rows), has_unknown)

    def read_event(self, text: bytes) -> Fit | None:
        """The text of one event, if it fits."""
        if b"\n" not in text:
            return self.read(text)
        read = None if self._rounds(text) else self._rows(lambda: [text])
        return None if read is None else Fit(self._encoded(read[0], text, lambda: [text]), 1, read[1])

    def canonical(self, line: bytes) -> bytes | None:
        """A line that was read before in canonical form, or as it is if it was in that form already.

        None if that would change a value.
        """
        if self._canonical is None:
            fit = self.read_event(line)
            return line if fit is None else fit.lines
        if self._rounds(line):
            return None
        try:
            return _ENCODER.encode_lines([self._canonical.row(line)])
        except UNREADABLE:
            return line

    def _encoded(self, rows: list[Any], text: bytes, lines: Callable[[], Iterable[bytes]]) -> bytes:
        """The rows of a text in canonical form, with the same values as those of lines that stay as they came."""
        if self._canonical is not None and self._canonical.differs and FINER_THAN_CLOCK.search(text):
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
    codecs = [column.codec for column in columns if column.codec is not None]
    if all(column.path.groups == ((column.name,),) for column in columns):
        fields = [field_of(name, column, column.codec) for name, column in zip(names, columns, strict=True)]
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
        canonical = _canonical_form(columns, rename)
        rounds = rounding(codec for codec in codecs if canonical is None or codec.canonical_text is None)
        return StrictReader(exact, event, None, checks, canonical, rounds=rounds)
    root = tree_of(columns)
    defaults = [(name, Any, UNSET if column.keeps_null else None) for name, column in zip(names, columns, strict=True)]
    row = msgspec.defstruct("Row", defaults, rename=rename, omit_defaults=optional, gc=False)
    extracts = [extract_of(root, column) for column in columns]
    flatten = partial(_flattened, row, extracts)
    return StrictReader(struct_of(root, exact=True), struct_of(root), flatten, checks, rounds=rounding(codecs))


def _canonical_form(columns: Sequence[FedColumn], rename: Mapping[str, str]) -> _CanonicalForm | None:
    if not all(column.codec is not None and column.codec.verbatim for column in columns):
        return None
    fields, texts = [], []
    for name, column in zip(rename, columns, strict=True):
        codec = column.codec
        if codec is not None and codec.canonical_text is not None:
            texts.append((name, codec.canonical_text))
            codec = replace(codec, strict=str | None if codec.nullable else str)
        fields.append(field_of(name, column, codec))
    optional = any(not column.required for column in columns)
    event = msgspec.defstruct("Event", fields, rename=rename, kw_only=True, omit_defaults=optional, gc=False)
    return _CanonicalForm(event, texts)


def _flattened(row: type[Struct], extracts: Sequence[Extract], events: list[Any]) -> list[Any]:
    return list(map(row, *(extract(events) for extract in extracts)))


_ENCODER = msgspec.json.Encoder()
_UNKNOWN = "Object contains unknown field"
