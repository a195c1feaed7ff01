"""Rows of one data source that wait to be a block, and how long they wait for company."""

from __future__ import annotations

from dataclasses import dataclass, field

from stonechat.ingest.records import Rows
from stonechat.ingest.recovery import PlannedBlock

_LARGE_BLOCK = 1000
"""Rows from which on larger blocks save more of the engine's time per row than waiting costs."""
_BULK_BLOCK = 10_000
"""Rows that come in masses: whoever sends them does not look at each of them a moment later."""
_BULK_PATIENCE = 10


@dataclass(frozen=True, slots=True)
class BlockLimits:
    """When a block is due: after `linger` seconds, which adapts up to `longest_linger`, or at so many bytes or rows.

    `quiet_linger` takes the place of a shorter linger while no sender waits for the commit; it adapts up to
    `bulk_linger` while blocks are very large.
    """

    linger: float = 0.005
    quiet_linger: float = 0.05
    longest_linger: float = 0.1
    bulk_linger: float = 0.5
    bytes: int = 32 * 1024 * 1024
    rows: int = 200_000


@dataclass(slots=True)
class Gathering:
    """What waits for one data source. `planned` and `rows` are a block that the engine could not take yet.

    `since` is when the first of what waits came, `settled` when the last attempt at a block ended.
    """

    waiting: list[Rows] = field(default_factory=list)
    size: int = 0
    count: int = 0
    since: float = 0.0
    settled: float = 0.0
    linger: float = 0.0
    quiet_linger: float = 0.0
    planned: PlannedBlock | None = None
    rows: list[Rows] = field(default_factory=list)
    attempt: int = 0
    awaited: bool = False

    @property
    def idle(self) -> bool:
        """Whether there is nothing to commit."""
        return not self.waiting and not self.rows

    @property
    def due_at(self) -> float:
        """When the next block has waited long enough, on the clock of `add`."""
        rested = self.settled + self.linger
        if self.rows:
            return rested
        return max(rested, self.since + (self.linger if self.awaited else max(self.linger, self.quiet_linger)))

    def add(self, rows: Rows, now: float) -> None:
        """Let rows wait for the next block."""
        if not self.waiting:
            self.since = now
        self.waiting.append(rows)
        self.awaited = self.awaited or rows.committed is not None
        self.size += rows.size
        self.count += rows.good_rows + rows.quarantined_rows

    def is_full(self, limits: BlockLimits) -> bool:
        """Whether what waits makes a block as large as one may be."""
        return self.size >= limits.bytes or self.count >= limits.rows

    def cut_block(self, limits: BlockLimits) -> None:
        """Make what waits the next block, as far as the limits go; at least the rows of one request."""
        size = count = taken = 0
        for rows in self.waiting:
            if taken and (size >= limits.bytes or count >= limits.rows):
                break
            taken += 1
            size += rows.size
            count += rows.good_rows + rows.quarantined_rows
        self.rows = self.waiting[:taken]
        del self.waiting[:taken]
        self.awaited = any(each.committed is not None for each in self.waiting)
        self.size -= size
        self.count -= count
        self.attempt = 0

    def adapt(self, limits: BlockLimits, rows: int, seconds: float) -> None:
        """Set how long the next block waits: as long as this one's commit took, three times as long if it was large.

        While nobody waits for them, very large ones wait longer still: the next may be larger, and cheaper by the row.
        """
        wanted = seconds * (3 if rows >= _LARGE_BLOCK else 1)
        self.linger = min(max(limits.linger, wanted), limits.longest_linger)
        patience = seconds * _BULK_PATIENCE if rows >= _BULK_BLOCK else 0.0
        self.quiet_linger = max(limits.quiet_linger, min(patience, limits.bulk_linger))
