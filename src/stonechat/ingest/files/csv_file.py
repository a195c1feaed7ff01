"""A CSV file as batches of rows: its dialect and header found out, lines that are no rows set apart."""

from __future__ import annotations

import csv
import io
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from stonechat.datafile.resources import Column
from stonechat.ingest.csv_reading import csv_reader
from stonechat.ingest.feeding import FedColumn, fed_columns
from stonechat.ingest.files.batches import BATCH_BYTES, Judge, UnreadableFile
from stonechat.ingest.files.cells import CellReader, Row
from stonechat.ingest.files.dialect import Dialect, DialectParameters
from stonechat.ingest.infer_types import STRING, cell_type
from stonechat.ingest.inference import column_names
from stonechat.ingest.quarantine import quarantine_row
from stonechat.ingest.rows import LONGEST_ROW
from stonechat.ingest.verdicts import Reason, Verdicts
from stonechat.project.quarantine import RAW_COLUMN

_SAMPLE_BYTES = 256 * 1024
_BATCH_ROWS = 50_000
_LONGEST_RECORD = 1_000_000
"""Characters over which a record may extend before the quote that opened it counts as a mistake."""
_MOST_MISTAKES = 1000
_KEPT_OF_LONG_LINE = 64 * 1024
_BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_SHARE_OF_ZEROS = 10


@dataclass(frozen=True, slots=True)
class _Mistake:
    """Lines that are no row, and why."""

    raw: str
    reason: str


class CsvFile:
    """Reads one CSV file. `clock` gives the `insertion_date` of quarantined rows. Raises `UnreadableFile`."""

    def __init__(
        self,
        file: BinaryIO,
        columns: Sequence[Column],
        parameters: DialectParameters,
        *,
        import_id: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        begin = file.read(_SAMPLE_BYTES)
        self._import_id = import_id
        self._clock = clock
        self._fed = fed_columns(columns)
        sample = _sample(begin)
        dialect = parameters.completed(sample)
        self._records = _Records(io.BufferedReader(_Joined(begin, file)), dialect)
        self._reader, self._width = self._prepared(_first_row(sample, dialect))

    def batches(self) -> Iterator[Judge]:
        """The rows, and the lines that are none. Each batch is judged when it is called."""
        rows: list[Row] = []
        mistakes: list[_Mistake] = []
        size = 0
        for line, record in self._records:
            if isinstance(record, _Mistake):
                mistakes.append(record)
                size += len(record.raw)
            elif len(record.cells) != self._width:
                reason = f"line {line} has {len(record.cells)} fields, expected {self._width}"
                mistakes.append(_Mistake(record.raw, reason))
                size += len(record.raw)
            else:
                rows.append(record)
                size += len(record.raw)
            if size >= BATCH_BYTES or len(rows) >= _BATCH_ROWS:
                yield partial(self._judge, rows, mistakes)
                rows, mistakes, size = [], [], 0
        if rows or mistakes:
            yield partial(self._judge, rows, mistakes)

    def _judge(self, rows: Sequence[Row], mistakes: Sequence[_Mistake]) -> Verdicts:
        now = self._clock()
        lines = [
            quarantine_row(
                {},
                [Reason(RAW_COLUMN, mistake.reason)],
                mistake.raw.rstrip("\r\n").encode(errors="surrogateescape")[:_KEPT_OF_LONG_LINE],
                now,
                self._import_id,
            )
            for mistake in mistakes
        ]
        parts = [Verdicts(b"", 0, b"".join(lines), len(lines), len(lines))]
        if rows:
            parts.append(self._reader.judge(rows, self._import_id, now))
        return Verdicts.joined(parts)

    def _prepared(self, first: Sequence[str]) -> tuple[CellReader, int]:
        """The reader of the rows, and how many cells each has. A header is passed over."""
        header = self._header(first)
        if header is None:
            return CellReader(self._fed, list(enumerate(self._fed))), len(self._fed)
        next(iter(self._records), None)
        return CellReader(self._fed, header), len(first)

    def _header(self, first: Sequence[str]) -> Sequence[tuple[int, FedColumn]] | None:
        """Which cells are whose, if the first row is a header.

        It is one if half of its cells are names of columns, or their keys in events, or titles that such names are made
        of. But a value may be called like a column: where a cell is no title, as numbers are none, and the row fits as
        one, it is a row.
        """
        named = self._named([cell.strip() for cell in first])
        found: dict[str, tuple[int, FedColumn]] = {}
        for index, column in named.items():
            found.setdefault(column.name, (index, column))
        if not found or len(found) * 2 < len(first):
            return None
        others = [cell.strip() for index, cell in enumerate(first) if index not in named]
        has_values = any(cell and cell_type([cell]) != STRING for cell in others)
        return None if has_values and self._fits(first) else list(found.values())

    def _named(self, cells: Sequence[str]) -> Mapping[int, FedColumn]:
        """The columns that cells name, by the places of the cells."""
        keys = {key: column for column in reversed(self._fed) for key in _keys(column)}
        columns = {column.name: column for column in self._fed}
        exact = {index: column for index, cell in enumerate(cells) if (column := columns.get(cell, keys.get(cell)))}
        titled = {
            index: columns[name]
            for index, (cell, name) in enumerate(zip(cells, column_names(cells), strict=True))
            if name in columns and (cell in columns or (cell and cell_type([cell]) == STRING))
        }
        if len(titled) == len(cells):
            return titled
        taken = {column.name for column in exact.values()}
        others = {index: column for index, column in titled.items() if column.name not in taken}
        return dict(sorted((others | exact).items()))

    def _fits(self, first: Sequence[str]) -> bool:
        """Whether the first row is a row of the data source, cell by cell."""
        if len(first) != len(self._fed):
            return False
        reader = CellReader(self._fed, list(enumerate(self._fed)))
        return reader.judge([Row(first, "")], self._import_id, 0.0).good_rows == 1


def _keys(column: FedColumn) -> list[str]:
    if len(column.path.groups) != 1:
        return []
    keys = column.path.groups[0]
    return [".".join(keys), "_".join(keys)]


class _Records:
    """The records of a file with the numbers of their first lines. Blank lines are none.

    Where a record cannot be read its first line is set apart, and reading goes on with the second.
    """

    def __init__(self, file: BinaryIO, dialect: Dialect) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline=dialect.new_line)
        self._text = text
        self._dialect = dialect
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._size = 0
        self._next_line = 1
        self._mistakes = 0
        self._reader = self._new_reader()

    def __iter__(self) -> Iterator[tuple[int, Row | _Mistake]]:
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except (csv.Error, _TooLong) as error:
                yield self._set_apart(str(error))
                continue
            raw = "".join(self._taken)
            line, self._next_line = self._next_line, self._next_line + len(self._taken)
            self._taken.clear()
            self._size = 0
            if not cells:
                continue
            if not raw.isascii() and not _is_utf8(raw):
                yield line, _Mistake(raw, f"line {line} is not UTF-8")
            else:
                yield line, Row(cells, raw)

    def _new_reader(self) -> Iterator[list[str]]:
        return csv_reader(
            self._lines(), delimiter=self._dialect.delimiter, escapechar=self._dialect.escape, strict=True
        )

    def _lines(self) -> Iterator[str]:
        again, taken, readline = self._again, self._taken, self._text.readline
        while True:
            line = again.popleft() if again else readline(LONGEST_ROW)
            if not line:
                return
            taken.append(line)
            self._size += len(line)
            if len(line) >= LONGEST_ROW:
                self._pass_over_line()
                raise _TooLong(f"it is longer than {LONGEST_ROW} characters; only its beginning is kept")
            if self._size > _LONGEST_RECORD and len(taken) > 1:
                raise _TooLong("a quote in it is never closed")
            yield line

    def _pass_over_line(self) -> None:
        while (part := self._text.readline(LONGEST_ROW)) and not part.endswith(("\n", "\r")):
            pass

    def _set_apart(self, reason: str) -> tuple[int, _Mistake]:
        line = self._next_line
        self._mistakes += 1
        if self._mistakes > _MOST_MISTAKES and len(self._taken) > 1:
            raise UnreadableFile(
                f"The quotes are unbalanced in more than {_MOST_MISTAKES} lines, the last is line {line}",
                hint="Quotes inside a quoted cell are doubled; dialect_escapechar names another way.",
            )
        raw, *rest = self._taken or [""]
        self._again.extendleft(reversed(rest))
        self._taken.clear()
        self._size = 0
        self._next_line += 1
        self._reader = self._new_reader()
        return line, _Mistake(raw, f"line {line} cannot be read: {reason}")


class _TooLong(Exception):
    """A line or a record is longer than any should be."""


class _Joined(io.RawIOBase):
    """What was read of a file already, and then the rest of it."""

    def __init__(self, begin: bytes, file: BinaryIO) -> None:
        self._begin = memoryview(begin)
        self._file = file

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """The next bytes; 0 at the end."""
        target = memoryview(buffer)  # type: ignore[arg-type]  # a buffer, which Python 3.11 has no type for
        piece = self._begin[: len(target)] if self._begin else memoryview(self._file.read(len(target)))
        self._begin = self._begin[len(piece) :]
        target[: len(piece)] = piece
        return len(piece)


def _sample(begin: bytes) -> str:
    """The beginning of a file as text. Raises `UnreadableFile` for another encoding than UTF-8."""
    encoding = _BYTE_ORDER_MARKS.get(begin[:2])
    if encoding is None and begin.count(b"\0") * _SHARE_OF_ZEROS > len(begin):
        encoding = "UTF-16"
    if encoding is not None:
        raise UnreadableFile(f"The file is {encoding}, not UTF-8", hint="Convert it, for example with iconv -t UTF-8.")
    try:
        return begin.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(begin) == _SAMPLE_BYTES and len(begin) - error.start < 4:  # a character is cut in two
            return begin[: error.start].decode("utf-8-sig")
        line = begin.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(
            f"The file is not UTF-8 in line {line}, at byte {error.start}",
            hint="Convert it, for example with iconv -f LATIN1 -t UTF-8.",
        ) from error


def _first_row(sample: str, dialect: Dialect) -> Sequence[str]:
    text = io.StringIO(sample, newline=dialect.new_line)
    try:
        rows = csv_reader(text, delimiter=dialect.delimiter, escapechar=dialect.escape)
        return next((row for row in rows if row), [])
    except csv.Error:
        return []


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
