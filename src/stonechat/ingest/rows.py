"""The check at the door: the bytes of a request become the rows that fit and the rows that do not.

Well-formed bodies are decoded whole (`strict`); a body with a row that is not goes line by line, and the lines at fault
column by column (`events`). What stays as it came is read by the engine with the same values, or refused; all else is
written as canonical NDJSON. So no integer out of range, unknown field or nested path is ever stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from typing import Literal

import msgspec

from stonechat.datafile.resources import Column, DataSource
from stonechat.ingest.bulk.library import compiled_library
from stonechat.ingest.bulk.reader import BulkReader
from stonechat.ingest.codecs import UNREADABLE
from stonechat.ingest.events import Rejection, read_event, unreadable
from stonechat.ingest.feeding import fed_columns, fingerprint
from stonechat.ingest.quarantine import quarantine_row
from stonechat.ingest.strict import strict_reader
from stonechat.ingest.unknown_fields import known_fields, named_counts, unknown_fields
from stonechat.ingest.verdicts import Verdicts, require_size

Format = Literal["ndjson", "json"]
LONGEST_ROW = 10 * 1024 * 1024
_KEPT_OF_LONG_ROW = 64 * 1024


class RowReader:
    """Checks events against the columns of one data source. Immutable, so any thread may use it.

    `longest_row` bounds a line, in bytes; `clock` gives the `insertion_date` of quarantined rows, `import_id` their
    `c__import_id`.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        longest_row: int = LONGEST_ROW,
        clock: Callable[[], float] = time.time,
        import_id: str | None = None,
    ) -> None:
        #: Stands for all that decides what becomes of an event.
        self.schema = fingerprint(columns)
        self._columns = fed_columns(columns)
        self._strict = strict_reader(self._columns)
        self._bulk = BulkReader.of(self._columns, compiled_library()) if self._strict is not None else None
        self._known = known_fields(self._columns)
        self._longest_row = longest_row
        self._clock = clock
        self._import_id = import_id

    @classmethod
    def for_data_source(cls, data_source: DataSource) -> RowReader:
        """The reader of a data source's events. Raises `UnsupportedJsonPath`."""
        return cls(data_source.columns)

    def read_in_bulk(self, body: bytes) -> Verdicts | None:
        """The verdict on a large body whose lines all fit; None if one may not, or the columns are not for that way."""
        found = self._bulk.read(body, longest_row=self._longest_row) if self._bulk is not None else None
        if found is None:
            return None
        lines = found.lines or (body if body.endswith(b"\n") else body + b"\n")
        return Verdicts(lines, found.rows, b"", 0, unknown=named_counts(found.strangers), binary=found.data)

    @property
    def bulk(self) -> BulkReader | None:
        """What reads large bodies, and in which form their rows then are."""
        return self._bulk

    def read(self, body: bytes, form: Format = "ndjson") -> Verdicts:
        """The verdict on every row. Blank lines are no rows; `json` means one document, or an array of them."""
        if form == "json":
            return self._judge(_documents(body))
        if self._strict is not None and body and len(body) <= self._longest_row:
            read = self._strict.read(body)
            if read is not None:
                unknown = unknown_fields(self._known, body.split(b"\n") if read.has_unknown else ())
                return Verdicts(read.lines, read.rows, b"", 0, unknown=unknown)
        return self._judge(body.split(b"\n"))

    def canonical(self, rows: bytes) -> Sequence[bytes]:
        """The lines of rows that a reader of columns with these names let pass, for an engine that refuses their text:
        without duplicate keys, and with each value as the engine writes it.
        """
        return list(BytesIO(rows) if self._strict is None else map(self._canonical, BytesIO(rows)))

    def _canonical(self, line: bytes) -> bytes:
        assert self._strict is not None
        canonical = self._strict.canonical(line)
        if canonical is None:
            verdict = read_event(self._columns, line.strip())
            return line if isinstance(verdict, Rejection) else verdict
        return canonical

    def _judge(self, events: Iterable[bytes]) -> Verdicts:
        good: list[bytes] = []
        quarantined: list[bytes] = []
        suspects: list[bytes] = []
        invalid = size = 0
        for event in events:
            text = event.strip()
            if not text:
                continue
            verdict, suspect = self._verdict(text)
            if suspect:
                suspects.append(text)
            if isinstance(verdict, Rejection):
                raw = event if len(event) <= self._longest_row else event[:_KEPT_OF_LONG_ROW]
                invalid += verdict.is_unreadable
                line = quarantine_row(verdict.values, verdict.reasons, raw, self._clock(), self._import_id)
                quarantined.append(line)
                size += len(line)
                require_size(size)
            else:
                good.append(verdict)
        unknown = unknown_fields(self._known, suspects)
        return Verdicts(b"".join(good), len(good), b"".join(quarantined), len(quarantined), invalid, unknown)

    def _verdict(self, text: bytes) -> tuple[bytes | Rejection, bool]:
        """The verdict on one event, and whether it may have fields that no column is fed from."""
        if len(text) > self._longest_row:
            return unreadable(f"the row is longer than {self._longest_row} bytes; only its beginning is kept"), False
        fit = self._strict.read_event(text) if self._strict is not None else None
        return (read_event(self._columns, text), True) if fit is None else (fit.lines, fit.has_unknown)


def slices(body: bytes, size: int) -> Iterator[bytes]:
    """The body in consecutive pieces of at most `size` bytes that end where lines end; a longer line is a piece of
    its own.
    """
    start = 0
    while start < len(body):
        end = body.rfind(b"\n", start, start + size) + 1 or body.find(b"\n", start) + 1 or len(body)
        yield body[start:end] if end - start < len(body) else body
        start = end


def _documents(body: bytes) -> Sequence[bytes]:
    if not body.lstrip().startswith(b"["):
        return [body]
    try:
        return [bytes(document) for document in _ARRAY.decode(body)]
    except UNREADABLE:
        return [body]


_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
