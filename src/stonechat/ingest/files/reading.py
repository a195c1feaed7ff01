"""A file on the disk as batches of rows, whatever it is written in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from stonechat.datafile.resources import Column
from stonechat.engine.contract import Engine
from stonechat.ingest.files.batches import Batch, Judge
from stonechat.ingest.files.csv_file import CsvFile
from stonechat.ingest.files.decompression import is_compressed, plain
from stonechat.ingest.files.dialect import DialectParameters
from stonechat.ingest.files.formats import FileFormat, format_by_content
from stonechat.ingest.files.lines import pieces
from stonechat.ingest.files.parquet_file import parquet_to_lines
from stonechat.ingest.rows import LONGEST_ROW, RowReader
from stonechat.ingest.spanning import on_single_lines
from stonechat.ingest.verdicts import Verdicts

_SNIFFED = 4096
_READ_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file of rows, and what is known of it.

    `format` is None where the file itself is to tell. `limit` bounds its bytes, decompressed. What reading needs of
    further files is made beside it.
    """

    path: Path
    limit: int
    format: FileFormat | None = None
    dialect: DialectParameters = field(default_factory=DialectParameters)

    def require_sound(self) -> None:
        """Read a compressed file to its end, so that nothing of it is taken if it is damaged or too large.

        Raises `UnreadableFile` and `FileTooLarge`.
        """
        with self.path.open("rb") as raw:
            if is_compressed(raw):
                file = plain(raw, self.limit)
                while file.read(_READ_AT_ONCE):
                    pass

    def found_format(self) -> FileFormat:
        """The format that the file is read as. Raises `UnreadableFile`."""
        with self.path.open("rb") as raw, plain(raw, self.limit) as file:
            return self._format_of(file)

    def batches(self, columns: Sequence[Column], engine: Engine, import_id: str | None = None) -> Iterator[Batch]:
        """The rows, to be checked against columns. Equal files come apart into equal batches.

        Raises, also while it goes on, `UnreadableFile` and `FileTooLarge`.
        """
        size = max(self.path.stat().st_size, 1)
        with self.path.open("rb") as raw, plain(raw, self.limit) as file:
            for judge in self._judges(file, columns, engine, import_id):
                yield Batch(judge, min(raw.tell() / size, 1.0))

    def _judges(
        self, file: BinaryIO, columns: Sequence[Column], engine: Engine, import_id: str | None
    ) -> Iterator[Judge]:
        match self._format_of(file):
            case FileFormat.CSV:
                yield from CsvFile(file, columns, self.dialect, import_id=import_id).batches()
            case FileFormat.NDJSON:
                yield from _judges_of_lines(file, columns, import_id)
            case FileFormat.PARQUET:
                yield from self._judges_of_parquet(file, columns, engine, import_id)

    def _format_of(self, file: BinaryIO) -> FileFormat:
        begin = file.peek(_SNIFFED)[:_SNIFFED]  # type: ignore[attr-defined]  # it is a BufferedReader
        looks = format_by_content(begin)
        return looks if self.format is None or looks is FileFormat.PARQUET else self.format

    def _judges_of_parquet(
        self, file: BinaryIO, columns: Sequence[Column], engine: Engine, import_id: str | None
    ) -> Iterator[Judge]:
        whole, lines = self.path.with_suffix(".parquet"), self.path.with_suffix(".ndjson")
        try:
            with whole.open("wb") as copy:
                shutil.copyfileobj(file, copy)
            parquet_to_lines(engine, whole, lines, columns, self.limit)
            whole.unlink()
            with lines.open("rb") as raw, plain(raw, self.limit) as rows:
                yield from _judges_of_lines(rows, columns, import_id)
        finally:
            whole.unlink(missing_ok=True)
            lines.unlink(missing_ok=True)


def _judges_of_lines(file: BinaryIO, columns: Sequence[Column], import_id: str | None) -> Iterator[Judge]:
    reader = RowReader(columns, import_id=import_id)
    for number, piece in enumerate(pieces(file, LONGEST_ROW)):
        yield partial(_judged, reader, piece if number else on_single_lines(piece))


def _judged(reader: RowReader, lines: bytes) -> Verdicts:
    return reader.read_in_bulk(lines) or reader.read(lines)
