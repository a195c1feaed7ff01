"""The writer: synced rows, gathered into blocks by data source, committed to the engine one block after the other.

One thread. A block waits for company no longer than its linger, which grows with what a commit costs: the engine's
price of an insert is the same for one row and for thousands. Rows whose sender does not wait may linger longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

import structlog

from stonechat.errors import Kind, StonechatError
from stonechat.ingest.blocks import BlockCommitter
from stonechat.ingest.flushing import Flush, Flushes
from stonechat.ingest.gathering import BlockLimits, Gathering
from stonechat.ingest.log import Log
from stonechat.ingest.records import Block, Done, Plan, Rows
from stonechat.ingest.recovery import PlannedBlock, Recovery
from stonechat.ingest.turns import Turns
from stonechat.project.places import Boundary

_logger = structlog.get_logger(__name__)

_FIRST_RETRY = 0.05
_LAST_RETRY = 5.0
_REPLAY_ATTEMPTS = 8


class CommitDelayed(StonechatError):
    """The engine cannot take the rows yet. They are in the log and will be committed; sending them again doubles
    them.
    """

    code = "SC620"
    kind = Kind.UNAVAILABLE


class ReplayFailed(StonechatError):
    """The rows that the log holds cannot be brought into the engine at start."""

    code = "SC621"
    kind = Kind.UNAVAILABLE


class Writer:
    """Commits what the log delivers. `released` hears of all rows that are committed."""

    def __init__(
        self,
        log: Log,
        committer: BlockCommitter,
        *,
        limits: BlockLimits | None = None,
        released: Callable[[Sequence[Rows]], None] = lambda _rows: None,
    ) -> None:
        self._log = log
        self._committer = committer
        self._limits = limits or BlockLimits()
        self._released = released
        self._inbox: SimpleQueue[Rows | Flush | None] = SimpleQueue()
        self._gatherings: dict[str, Gathering] = {}
        self._flushes = Flushes()
        self._committed: dict[str, int] = {}
        self._replayed = 0
        #: What keeps the writing apart from those who exchange tables.
        self.turns = Turns()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.retries = 0

    def replay(self, recovery: Recovery) -> int:
        """Commit what an earlier process left in the log, on the caller's thread; returns how many rows it was.

        Raises `ReplayFailed`.
        """
        self._replayed = recovery.next_sequence - 1
        replayed = 0
        open_blocks: dict[str, Gathering] = {}
        for rows, planned in recovery.undone():
            gathering = open_blocks.get(rows.data_source)
            if (
                gathering is None
                or gathering.planned is not planned
                or (planned is None and gathering.is_full(self._limits))
            ):
                replayed += self._replay_block(gathering)
                gathering = open_blocks[rows.data_source] = Gathering(planned=planned)
            gathering.add(rows, 0.0)
        return replayed + sum(map(self._replay_block, open_blocks.values()))

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def offer(self, rows: Rows) -> None:
        """Take rows that are synced in the log. Returns at once."""
        self._inbox.put(rows)

    @property
    def has_broken_block(self) -> bool:
        """Whether a block waits for another attempt, perhaps with a part of it in its table. Ask while paused."""
        return any(gathering.rows for gathering in list(self._gatherings.values()))

    def boundary(self, data_source: str) -> Boundary | None:
        """Where the rows of a data source begin that are not committed; None while it has a block half-way.

        Call it within `paused`, where it stays as it is.
        """
        gathering = self._gatherings.get(data_source)
        if gathering is not None and gathering.planned is not None:
            return None
        return Boundary(self._log.id, self._committed.get(data_source, self._replayed) + 1)

    def flush(self, timeout: float | None = None, *, patiently: bool = True) -> bool:
        """Commit everything that was appended to the log before, without lingering; False if it took too long.

        Without patience also as soon as a block has failed so often that its end is not in sight.
        """
        told = threading.Event()
        given_up = threading.Event()

        def give_up() -> None:
            given_up.set()
            told.set()

        self._ask(Flush(told.set, None if patiently else give_up))
        return told.wait(timeout) and not given_up.is_set()

    def when_flushed(self, ended: Callable[[], None]) -> None:
        """The same without waiting: `ended` is called once, on the writer's thread."""
        self._ask(Flush(ended))

    def _ask(self, flush: Flush) -> None:
        self._log.barrier(lambda _failure: self._inbox.put(flush))

    def close(self, timeout: float = 10.0) -> None:
        """Commit what can be committed within the time, and stop. The log keeps the rest. A second call is harmless."""
        if self._stopping or self._thread.ident is None:
            return
        self.flush(timeout)
        self._stopping = True
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            self._receive(self._seconds_to_next())
            now = time.monotonic()
            for data_source, gathering in list(self._gatherings.items()):
                if self._is_due(data_source, gathering, now):
                    self._commit_due(data_source, gathering)

    def _receive(self, timeout: float | None) -> None:
        try:
            item = self._inbox.get(timeout=timeout)
            while True:
                if isinstance(item, Rows):
                    self._gathering(item.data_source).add(item, time.monotonic())
                elif item is not None:
                    self._flushes.begin(item, self._gatherings)
                item = self._inbox.get_nowait()
        except Empty:
            return

    def _gathering(self, data_source: str) -> Gathering:
        gathering = self._gatherings.get(data_source)
        if gathering is None:
            limits = self._limits
            gathering = Gathering(linger=limits.linger, quiet_linger=limits.quiet_linger)
            self._gatherings[data_source] = gathering
        return gathering

    def _seconds_to_next(self) -> float | None:
        now = time.monotonic()
        moments = [
            0.0 if self._is_due(data_source, each, now) else each.due_at - now
            for data_source, each in self._gatherings.items()
            if not each.idle
        ]
        return max(0.0, min(moments)) if moments else None

    def _is_due(self, data_source: str, gathering: Gathering, now: float) -> bool:
        if gathering.idle:
            return False
        if now >= gathering.due_at:
            return True
        return not gathering.rows and (self._flushes.want(data_source) or gathering.is_full(self._limits))

    def _commit_due(self, data_source: str, gathering: Gathering) -> None:
        """Commit the block that waits for another attempt, or the next one. Nothing may end the writer's thread."""
        with self.turns.committing():
            try:
                if not gathering.rows:
                    gathering.cut_block(self._limits)
                began = time.monotonic()
                told = self._commit(gathering)
                seconds = time.monotonic() - began
            except StonechatError as failure:
                self._delay(gathering, failure)
            except Exception as error:
                _logger.exception("a commit failed in an unforeseen way", data_source=data_source)
                self._delay(
                    gathering, CommitDelayed(f"The rows are kept in the log and will be committed later: {error}")
                )
            else:
                self._settle(data_source, gathering, told, seconds)

    def _commit(self, gathering: Gathering) -> StonechatError | None:
        rows = gathering.rows
        if gathering.planned is None:
            planned = PlannedBlock(Block(rows[0].data_source, rows[0].sequence, rows[-1].sequence, self._log.epoch))
            self._log.note(Plan(planned.block))
            gathering.planned = planned
        told = self._committer.commit(gathering.planned, rows, attempt=gathering.attempt)
        self._log.report(Done(gathering.planned.block), rows)
        return told

    def _settle(self, data_source: str, gathering: Gathering, told: StonechatError | None, seconds: float) -> None:
        rows = gathering.rows
        gathering.planned, gathering.rows, gathering.attempt = None, [], 0
        self._committed[data_source] = rows[-1].sequence
        gathering.adapt(self._limits, sum(each.good_rows for each in rows), seconds)
        gathering.settled = time.monotonic()
        for each in rows:
            if each.committed is not None:
                each.committed(told)
        self._released(rows)
        self._flushes.committed(data_source, rows[-1].sequence)
        if gathering.idle and gathering.quiet_linger == self._limits.quiet_linger:
            del self._gatherings[data_source]

    def _delay(self, gathering: Gathering, failure: StonechatError) -> None:
        """Keep the block for another attempt. Who waits for it hears of this one, who behind it of a second."""
        self.retries += 1
        gathering.attempt += 1
        gathering.settled = time.monotonic()
        gathering.linger = min(_FIRST_RETRY * 2**gathering.attempt, _LAST_RETRY)
        told = CommitDelayed(
            f"The rows are kept in the log and will be committed later: {failure.message}",
            hint="Do not send them again.",
        )
        _logger.warning("a commit is delayed", attempt=gathering.attempt, code=failure.code, reason=failure.message)
        for each in (*gathering.rows, *(gathering.waiting if gathering.attempt > 1 else ())):
            if each.committed is not None:
                each.committed(told)
                each.committed = None
        self._flushes.give_up(self._gatherings)

    def _replay_block(self, gathering: Gathering | None) -> int:
        if gathering is None:
            return 0
        gathering.rows = gathering.waiting
        for attempt in range(_REPLAY_ATTEMPTS):
            gathering.attempt = attempt
            try:
                self._commit(gathering)
            except StonechatError as failure:
                self.retries += 1
                _logger.warning("the replay is delayed", attempt=attempt, code=failure.code, reason=failure.message)
                last = failure
                time.sleep(_FIRST_RETRY * 2**attempt)
            else:
                return gathering.count
        raise ReplayFailed(f"The rows of the write-ahead log cannot be committed: {last.message}", hint=last.hint)
