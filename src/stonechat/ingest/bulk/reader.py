"""The bulk reading: a body of many events, checked and turned into the engine's own binary rows by compiled code.

It says yes or nothing, to a whole body: what it is not sure of goes to the readings in Python. Its rows are the same as
those of the lines of the body, which stay what the log keeps and what every other way falls back on. They only spare
the engine to parse the lines again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from stonechat.ingest.bulk.library import Column, Library, array_of
from stonechat.ingest.bulk.plan import compiled_column, has_default
from stonechat.ingest.feeding import FedColumn

_MOST_GROWTH: Final = 2
"""Times the size of its body that rows may have: an event without values takes two bytes, whatever its columns take."""


class BinaryRows(NamedTuple):
    """Rows in the format of their reader, and their number."""

    data: bytes
    rows: int


class BulkReader:
    """Reads events with keys of the columns' own names.

    `format` is ClickHouse's name for what it gives, and `head` what stands before the first row: the names and types of
    the columns, where the format has them, so that no other table takes the rows.
    """

    def __init__(self, library: Library, columns: Sequence[Column], head: bytes, *, marks_defaults: bool) -> None:
        self.format: Final = "RowBinaryWithDefaults" if marks_defaults else "RowBinaryWithNamesAndTypes"
        self.head: Final = b"" if marks_defaults else head
        self._library = library
        self._columns = array_of(columns)
        self._marks_defaults = marks_defaults

    @classmethod
    def of(cls, columns: Sequence[FedColumn], library: Library | None) -> Self | None:
        """The reader of these columns; None if some are beyond it, or there is no library."""
        known = [each for each in map(compiled_column, columns) if each is not None]
        if library is None or not known or len(known) < len(columns):
            return None
        return cls(library, known, _head(columns), marks_defaults=any(map(has_default, columns)))

    def read(self, body: bytes, *, longest_row: int) -> BinaryRows | None:
        """The rows of a body if each of its lines is an event that fits, none of them longer than so many bytes."""
        most = _MOST_GROWTH * len(body)
        found = self._library.read(
            self._columns, body, marks_defaults=self._marks_defaults, longest_row=longest_row, most_bytes=most
        )
        return BinaryRows(*found) if found is not None and found[1] else None


def _head(columns: Sequence[FedColumn]) -> bytes:
    names = [column.name for column in columns]
    types = [str(column.type) for column in columns]
    return _length(len(columns)) + b"".join(_length(len(text.encode())) + text.encode() for text in [*names, *types])


def _length(size: int) -> bytes:
    """A length as RowBinary has it: seven bits a byte, the lowest first."""
    low, high = size & 0x7F, size >> 7
    return bytes([low | 0x80]) + _length(high) if high else bytes([low])
