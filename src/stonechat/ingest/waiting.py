"""What stands between the event loop and the threads of the write path: a bound on bytes, and outcomes for futures."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence

from stonechat.errors import Kind, StonechatError
from stonechat.ingest.records import Rows


class IngestionBusy(StonechatError):
    """More rows wait for the engine than memory is set aside for. `retry_after` is in seconds."""

    code = "SC630"
    kind = Kind.UNAVAILABLE
    retry_after = 1


class Pending:
    """Bytes that are accepted and not yet committed, bounded."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._until_low: list[Callable[[], None]] = []
        self.bytes = 0

    def add(self, size: int) -> None:
        """Count bytes in. Raises `IngestionBusy`."""
        with self._lock:
            if self.bytes and self.bytes + size > self._limit:
                raise IngestionBusy(f"More than {self._limit} bytes of events wait to be committed")
            self.bytes += size

    def remove(self, size: int) -> None:
        """Count bytes out."""
        told: Sequence[Callable[[], None]] = ()
        with self._lock:
            self.bytes -= size
            if self._until_low and self._is_low():
                told, self._until_low = self._until_low, []
        for tell in told:
            tell()

    def when_low(self, tell: Callable[[], None]) -> bool:
        """Whether there is room for as much again; else `tell` is called once there is, on the thread that made it."""
        with self._lock:
            low = self._is_low()
            if not low:
                self._until_low.append(tell)
        return low

    def _is_low(self) -> bool:
        return self.bytes <= self._limit // 2

    def remove_rows(self, rows: Sequence[Rows]) -> None:
        """Count out what rows hold."""
        self.remove(sum(each.held for each in rows))


class Mailbox:
    """Brings outcomes from other threads to the futures of one event loop, many with one wake-up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._outcomes: deque[tuple[Sequence[asyncio.Future[None]], StonechatError | None]] = deque()
        self._woken = False

    def future(self) -> asyncio.Future[None]:
        """A future to post an outcome to."""
        return self.loop.create_future()

    def post(self, futures: Sequence[asyncio.Future[None]], outcome: StonechatError | None) -> None:
        """End futures: None for success. Any thread may call."""
        self._outcomes.append((futures, outcome))
        if not self._woken:
            self._woken = True
            try:
                self.loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop is closed: nobody waits any more
                self._outcomes.clear()

    def _deliver(self) -> None:
        self._woken = False  # before the first look, so that what comes after the last one wakes the loop again
        while self._outcomes:
            futures, outcome = self._outcomes.popleft()
            for future in futures:
                if future.done():
                    continue
                if outcome is None:
                    future.set_result(None)
                else:
                    future.set_exception(outcome)
