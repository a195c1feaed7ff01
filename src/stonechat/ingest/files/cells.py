"""The check at the door for cells of text, column by column: what the values of CSV are."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from stonechat.ingest.codecs import NEGATIVE_ZERO, UNREADABLE, Codec
from stonechat.ingest.feeding import FedColumn
from stonechat.ingest.quarantine import quarantine_row
from stonechat.ingest.verdicts import Misfit, Reason, Verdicts
from stonechat.sql.types import DataType

Cells = Sequence[str | None]
"""The cells of one column, from the first row to the last. None: the row says that it has no value."""

_NULL: Final = r"\N"
_MISSING: Final = frozenset({"", _NULL, "NULL", "null"})
_WRAPPERS: Final = {"Nullable", "LowCardinality", "SimpleAggregateFunction"}
_TEXTS: Final = {"String", "FixedString"}
_DOCUMENTS: Final = {"Array", "Map", "Tuple", "JSON", "Nested", "Point", "Ring", "LineString", "MultiLineString"}
_DOCUMENTS_TOO: Final = {"Polygon", "MultiPolygon", "MultiPoint"}
_NUMBERS: Final = ("Int", "UInt", "Float")
_QUOTED: Final = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_CONTROL: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}
_BRACKETS: Final = str.maketrans("()", "[]")
_LONGEST_SHOWN: Final = 100


class Row(NamedTuple):
    """One row of a file: its cells, and the text that it was read from."""

    cells: Sequence[str]
    raw: str


class CellReader:
    """Checks rows of texts against columns. Each row's verdict is its own, whichever rows stand beside it.

    `positions` says which cell of a row is whose; a column that is not in it has no value in any row.
    """

    def __init__(self, columns: Sequence[FedColumn], positions: Sequence[tuple[int, FedColumn]]) -> None:
        self._positions = {column.name: index for index, column in positions}
        self._columns = [_TextColumn(column, absent=column.name not in self._positions) for column in columns]
        names = [f"c{index}" for index in range(len(columns))]
        fields = [
            (name, Any, UNSET if column.keeps_null else None) for name, column in zip(names, columns, strict=True)
        ]
        rename = dict(zip(names, (column.name for column in columns), strict=True))
        self._row = msgspec.defstruct("Row", fields, rename=rename, omit_defaults=True, gc=False)

    def judge(self, rows: Sequence[Row], import_id: str | None, now: float) -> Verdicts:
        """The verdict on every row."""
        cells = list(zip(*(row.cells for row in rows), strict=True))
        reasons: dict[int, list[Reason]] = {}
        values: list[Sequence[Any]] = []
        for column in self._columns:
            index = self._positions.get(column.fed.name)
            given: Cells = [None] * len(rows) if index is None else column.without_missing(cells[index])
            values.append(column.read(given, reasons))
        if not reasons:
            good = list(map(self._row, *values))
            return Verdicts(_ENCODER.encode_lines(good), len(good), b"", 0)
        kept = [row for number, row in enumerate(zip(*values, strict=True)) if number not in reasons]
        rejected = [
            quarantine_row(
                self._shown(rows[number]), reasons[number], _bytes(rows[number].raw.rstrip("\r\n")), now, import_id
            )
            for number in sorted(reasons)
        ]
        good_lines = _ENCODER.encode_lines([self._row(*row) for row in kept])
        return Verdicts(good_lines, len(kept), b"".join(rejected), len(rejected))

    def _shown(self, row: Row) -> dict[str, str | None]:
        """A row as the quarantine keeps it: each cell as it was written."""
        cells = {name: row.cells[index] for name, index in self._positions.items()}
        return {name: None if cell == _NULL else cell for name, cell in cells.items()}


class _TextColumn:
    """How the cells of one column are read."""

    def __init__(self, fed: FedColumn, *, absent: bool) -> None:
        self.fed = fed
        self.absent = absent
        inner = _inner(fed.type)
        self._is_text = inner in _TEXTS
        self._is_number = inner.startswith(_NUMBERS)
        self._is_document = inner in _DOCUMENTS or inner in _DOCUMENTS_TOO
        self._missing = self._missing_texts()
        self._empty = UNSET if fed.keeps_null else None
        codec = fed.codec
        self._all: Any = None
        self._documents = msgspec.json.Decoder(codec.strict) if codec is not None and self._is_document else None
        self._lax = self._is_number or inner == "Bool"
        rounds = codec.rounds if codec is not None else None
        self._odd = NEGATIVE_ZERO if inner == "Bool" else rounds
        if codec is not None and not self._is_document:
            self._all = list[codec.strict | None]  # type: ignore[name-defined]  # a run-time type

    def without_missing(self, cells: Sequence[str]) -> Cells:
        """The cells, None where they stand for no value."""
        if self._missing.isdisjoint(cells):
            return cells
        return [None if cell in self._missing else cell for cell in cells]

    def read(self, cells: Cells, reasons: dict[int, list[Reason]]) -> Sequence[Any]:
        """A value for each row; for rows at fault a reason is added."""
        values = self._at_once(cells)
        if values is not None:
            return values
        single: list[Any] = []
        for number, cell in enumerate(cells):
            try:
                single.append(self._one(cell))
            except Misfit as misfit:
                reasons.setdefault(number, []).append(Reason(self.fed.name, str(misfit)))
                single.append(None)
        return single

    def _at_once(self, cells: Cells) -> Sequence[Any] | None:
        """All cells together, if every one of them is as most are."""
        codec = self.fed.codec
        gaps = cells.count(None)
        if codec is None or (gaps and self.fed.required) or self._rounds("\n".join(filter(None, cells))):
            return None
        values: Sequence[Any] | None
        if self._is_text and codec.fits is None:
            values = cells
        elif self._documents is not None and not gaps:
            values = self._decoded(self._documents, cells)
        elif self._all is None:
            return None
        else:
            try:
                values = msgspec.convert(cells, self._all, strict=not self._lax)
            except UNREADABLE:
                return None
        if values is None:
            return None
        present = [value for value in values if value is not None] if gaps or self._lax else values
        if len(present) != len(cells) - gaps or not _all_fit(codec, present):
            return None
        return [self._empty if value is None else value for value in values] if gaps else values

    @staticmethod
    def _decoded(decoder: msgspec.json.Decoder[Any], cells: Cells) -> Sequence[Any] | None:
        """Cells that are JSON, each on a line of its own, so that none can reach into the next."""
        text = "\n".join(cell or "" for cell in cells)
        if text.count("\n") != len(cells) - 1:
            return None
        try:
            values = decoder.decode_lines(_bytes(text))
        except UNREADABLE:
            return None
        return values if len(values) == len(cells) and None not in values else None

    def _one(self, cell: str | None) -> Any:
        """The value of one cell. Raises `Misfit` with the reason."""
        fed = self.fed
        if cell is None and not fed.required:
            return self._empty
        if fed.codec is None:
            raise Misfit(f"column '{fed.name}' is {fed.type} and cannot be fed by files")
        if self.absent:
            raise Misfit(f"value is missing on column '{fed.name}', which is neither Nullable nor has a DEFAULT")
        if cell is not None:
            with suppress(Misfit):
                return self._accepted(fed.codec, cell)
        shown = cell or ""
        excerpt = shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "..."
        raise Misfit(f"value '{excerpt}' on column '{fed.name}' is not {fed.codec.label}")

    def _accepted(self, codec: Codec, cell: str) -> Any:
        if self._is_document:
            with suppress(Misfit):
                return codec.accept(_bytes(cell.strip()))
            return codec.accept(_bytes(_as_json(cell.strip())))
        with suppress(*UNREADABLE):  # the way of `_at_once`, so that a cell means the same alone
            value = None if self._rounds(cell) else msgspec.convert(cell, codec.strict, strict=not self._lax)
            if value is not None and _all_fit(codec, [value]):
                return value
        if self._is_text:
            return codec.accept(_ENCODER.encode(cell))
        text = cell.strip()
        if self._lax and text.lower() in {"true", "false"}:
            return codec.accept(_bytes(text.lower()))
        return codec.accept(_ENCODER.encode(text))

    def _rounds(self, text: str) -> bool:
        """Whether some of these cells, one a line, may be converted to another value than theirs."""
        return self._odd is not None and self._odd.search(_bytes(text)) is not None

    def _missing_texts(self) -> frozenset[str]:
        if not self._is_text:
            return _MISSING
        nullable = self.fed.codec is not None and self.fed.codec.nullable
        return frozenset({"", _NULL}) if nullable else frozenset({_NULL})


def _all_fit(codec: Codec, values: Sequence[Any]) -> bool:
    if values and isinstance(values[0], float) and not all(map(math.isfinite, values)):
        return False
    return codec.fits is None or codec.fits(values)


def _inner(kind: DataType) -> str:
    while kind.name in _WRAPPERS and isinstance(kind.arguments[-1], DataType):
        kind = kind.arguments[-1]
    return kind.name


def _as_json(text: str) -> str:
    """An array, a map or a tuple in ClickHouse's own way to write it, with single quotes and parentheses, as JSON."""
    pieces: list[str] = []
    done = 0
    for match in _QUOTED.finditer(text):
        pieces += [text[done : match.start()].translate(_BRACKETS), _quoted(match[1])]
        done = match.end()
    return "".join([*pieces, text[done:].translate(_BRACKETS)])


def _quoted(text: str) -> str:
    return _ENCODER.encode(_ESCAPED.sub(_unescaped, text)).decode()


def _unescaped(match: re.Match[str]) -> str:
    return _CONTROL.get(match[1], match[1])


def _bytes(raw: str) -> bytes:
    return raw.encode(errors="surrogateescape")


_ENCODER = msgspec.json.Encoder()
