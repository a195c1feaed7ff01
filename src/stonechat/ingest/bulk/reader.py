"""The bulk reading: a body of many events, checked and turned into the engine's own binary rows by compiled code.

It says yes or nothing, to a whole body: what it is not sure of goes to the readings in Python. Its rows are the same as
those of the lines that it gives, which are what the log keeps and what every other way falls back on. They only spare
the engine to parse the lines again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from stonechat.ingest.bulk.library import Found, Library
from stonechat.ingest.bulk.plan import BulkPlan, bulk_plan
from stonechat.ingest.feeding import FedColumn
from stonechat.ingest.verdicts import LARGEST_VERDICTS

_MOST_GROWTH: Final = 2
"""Times the size of its body that rows may have: an event without values takes two bytes, whatever its columns take."""


class BulkReader:
    """Reads events by the paths of the columns.

    `format` is ClickHouse's name for what it gives, and `head` what stands before the first row: the names and types of
    the columns, where the format has them, so that no other table takes the rows.
    """

    def __init__(self, library: Library, names: Sequence[str], plan: BulkPlan) -> None:
        self.format: Final = "RowBinaryWithDefaults" if plan.marks_defaults else "RowBinaryWithNamesAndTypes"
        self.head: Final = b"" if plan.marks_defaults else _head([*names, *plan.types], len(names))
        self._library = library
        self._plan = plan

    @classmethod
    def of(cls, columns: Sequence[FedColumn], library: Library | None) -> Self | None:
        """The reader of these columns; None if some are beyond it, or there is no library."""
        plan = bulk_plan(columns) if library is not None else None
        return cls(library, [column.name for column in columns], plan) if library and plan else None

    def read(self, body: bytes, *, longest_row: int) -> Found | None:
        """The rows of a body if each of its lines is an event that fits, none of them longer than so many bytes."""
        found = self._library.read(
            self._plan.plan,
            body,
            longest_row=longest_row,
            most_bytes=_MOST_GROWTH * len(body),
            most_line_bytes=LARGEST_VERDICTS,
        )
        return found if found is not None and found.rows else None


def _head(texts: Sequence[str], columns: int) -> bytes:
    return _length(columns) + b"".join(_length(len(text.encode())) + text.encode() for text in texts)


def _length(size: int) -> bytes:
    """A length as RowBinary has it: seven bits a byte, the lowest first."""
    low, high = size & 0x7F, size >> 7
    return bytes([low | 0x80]) + _length(high) if high else bytes([low])
