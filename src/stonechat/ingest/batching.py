"""Small requests of one moment, handed to the log as one.

What the threads behind the event loop do for a record, and how they take turns with it, costs as much as all else about
a request of one row. Requests that the loop reads in one turn share a record: none of them waits for a later one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stonechat.errors import StonechatError
from stonechat.ingest.records import Rows

_LARGEST_BATCH = 256 * 1024


@dataclass(slots=True)
class Batch:
    """Rows of one data source, checked against the same columns, and the futures that tell what became of them.

    `synced` end once the rows are in the log, `committed` once they are in the engine.
    """

    parts: list[Rows] = field(default_factory=list)
    synced: list[asyncio.Future[None]] = field(default_factory=list)
    committed: list[asyncio.Future[None]] = field(default_factory=list)
    size: int = 0

    def rows(self) -> Rows:
        """All rows as those of one request."""
        if len(self.parts) == 1:
            return self.parts[0]
        first = self.parts[0]
        return Rows(
            first.data_source,
            b"".join(each.good for each in self.parts),
            sum(each.good_rows for each in self.parts),
            b"".join(each.quarantined for each in self.parts),
            sum(each.quarantined_rows for each in self.parts),
            schema=first.schema,
        )


HandIn = Callable[[Rows, Sequence[asyncio.Future[None]], Sequence[asyncio.Future[None]]], None]
"""Gives rows to the log, with the futures that end once they are synced and once they are committed."""


class Batches:
    """What the event loop has read in this turn. `hand_in` raises for rows that are not taken."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hand_in: HandIn) -> None:
        self._loop = loop
        self._hand_in = hand_in
        self._open: dict[tuple[str, bytes], Batch] = {}

    def add(self, rows: Rows, synced: asyncio.Future[None], committed: asyncio.Future[None] | None) -> None:
        """Take rows of one request, which have no key and no second version."""
        key = rows.data_source, rows.schema
        batch = self._open.get(key)
        if batch is None:
            if not self._open:
                self._loop.call_soon(self._flush)
            batch = self._open[key] = Batch()
        batch.parts.append(rows)
        batch.synced.append(synced)
        if committed is not None:
            batch.committed.append(committed)
        batch.size += rows.size
        if batch.size >= _LARGEST_BATCH:
            self._give(self._open.pop(key))

    def _flush(self) -> None:
        batches, self._open = self._open, {}
        for batch in batches.values():
            self._give(batch)

    def _give(self, batch: Batch) -> None:
        try:
            self._hand_in(batch.rows(), batch.synced, batch.committed)
        except StonechatError as error:
            for future in batch.synced:
                if not future.done():  # its sender may be gone
                    future.set_exception(error)
