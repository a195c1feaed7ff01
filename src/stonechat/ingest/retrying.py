"""Rows of a quarantine, checked again: those that fit by now, and those that still do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from stonechat.datafile.resources import Column
from stonechat.ingest.feeding import fed_columns
from stonechat.ingest.files.batches import BATCH_BYTES, Batch
from stonechat.ingest.files.cells import CellReader, Row
from stonechat.ingest.quarantine import REFUSED
from stonechat.ingest.rows import RowReader
from stonechat.ingest.verdicts import Verdicts
from stonechat.project.quarantine import RAW_COLUMN

_NO_VALUE = r"\N"


class QuarantineReader:
    """Checks quarantined rows against the columns as they are now. Rows that still do not fit keep all they had,
    but for the reasons.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        fed = fed_columns(columns)
        self._names = [column.name for column in fed]
        self._events = RowReader(columns)
        self._canonical = RowReader([replace(column, jsonpath=None) for column in columns])
        self._cells = CellReader(fed, list(enumerate(fed)))

    def batches(self, file: Path) -> Iterator[Batch]:
        """The rows of a file with one quarantined row a line, as JSON by column. Equal files give equal batches."""
        size = max(file.stat().st_size, 1)
        with file.open("rb") as lines:
            position = 0
            while batch := lines.readlines(BATCH_BYTES):
                position += sum(map(len, batch))
                yield Batch(partial(self._judge, batch), position / size)

    def _judge(self, lines: Sequence[bytes]) -> Verdicts:
        return Verdicts.joined([self._again(line) for line in lines]) if lines else Verdicts(b"", 0, b"", 0)

    def _again(self, line: bytes) -> Verdicts:
        row: dict[str, Any] = msgspec.json.decode(line)
        verdicts = self._verdict(row)
        if verdicts is not None and verdicts.good_rows == 1 and not verdicts.quarantined_rows:
            return verdicts
        if verdicts is not None and verdicts.quarantined_rows == 1 and not verdicts.good_rows:
            reasons = msgspec.json.decode(verdicts.quarantined)
            row |= {key: reasons[key] for key in ("c__error_column", "c__error")}
        return Verdicts(b"", 0, msgspec.json.encode(row) + b"\n", 1)

    def _verdict(self, row: dict[str, Any]) -> Verdicts | None:
        """The verdict on a row; None for one that nothing but its text is known of, such as a torn line of a CSV."""
        raw = row[RAW_COLUMN]
        if raw.lstrip().startswith("{"):
            refused = any(error.startswith(REFUSED) for error in row["c__error"])
            return (self._canonical if refused else self._events).read(raw.encode(), "json")
        if row["c__error_column"] == [RAW_COLUMN]:
            return None
        cells = [row.get(name) for name in self._names]
        given = [_NO_VALUE if cell is None else str(cell) for cell in cells]
        return self._cells.judge([Row(given, raw)], None, 0.0)
