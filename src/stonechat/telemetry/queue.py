"""Events on their way to the service data sources: taken in no time, written in batches by one thread.

Nobody ever waits for it. What does not fit, or cannot be written, is dropped and counted. A server that is idle writes
nothing, and does not even wake up.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import structlog

from stonechat.errors import StonechatError
from stonechat.telemetry.events import Event

Item = tuple[str, Event]
"""The database of a workspace, and an event in it."""
Write = Callable[[str, str, Sequence[bytes]], None]
"""Brings rows, each a JSON object, into a table of a database."""


class Source(Protocol):
    """Makes events of what was counted."""

    def events(self) -> Iterable[Item]:
        """What there is to tell. Called by the queue's thread, or by who flushes."""
        ...

    def due(self) -> float | None:
        """Seconds after which there is something to tell even if nothing happens; None for never."""
        ...


_CAPACITY = 20_000
_LINGER = 5.0
"""Seconds from an event to the batch it is in, unless somebody reads, or half of the place is taken."""
_REST = 20
"""Between two batches lies at least so many times what the last one took: at most 5 % of one core, whatever comes."""
_LONGEST_REST = 10.0
_PATIENCE = 0.5
_SLICE = 100
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class QueueCounters:
    """What became of events since the start."""

    written: int = 0
    dropped: int = 0
    batches: int = 0


class EventQueue:
    """Events that wait to be written. `offer` and `wake` may be called from any thread.

    `source` is asked for more events before each batch: those that are made of counters.
    """

    def __init__(
        self,
        write: Write,
        source: Source,
        *,
        capacity: int = _CAPACITY,
        linger: float = _LINGER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counters = QueueCounters()
        self._write = write
        self._source = source
        self._capacity = capacity
        self._linger = linger
        self._clock = clock
        self._items: deque[Item] = deque()
        self._something = threading.Event()
        self._crowded = threading.Event()
        self._closing = threading.Event()
        self._rested = 0.0
        self._batch = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Events that wait to be written."""
        return len(self._items)

    def offer(self, database: str, event: Event) -> None:
        """Take an event, or drop it when too many wait."""
        waiting = len(self._items)
        if waiting >= self._capacity:
            self.counters.dropped += 1
            return
        self._items.append((database, event))
        if waiting * 2 >= self._capacity and not self._crowded.is_set():
            self._crowded.set()
        self.wake()

    def wake(self) -> None:
        """There is something to write."""
        if not self._something.is_set():
            self._something.set()

    def flush(self) -> None:
        """Write what waits, now. Blocks."""
        with self._batch:
            self._flush()

    def catch_up(self) -> None:
        """Write what waits for somebody who is about to read; not more often than the thread may. Blocks for a moment.

        Who reads gets no more than that done for them: behind a disk that is stuck nobody waits.
        """
        if self._clock() < self._rested or not self._batch.acquire(timeout=_PATIENCE):
            return
        try:
            self._flush()
        finally:
            self._batch.release()

    def close(self) -> None:
        """Write what waits, and stop."""
        with self._batch:  # no batch is taken meanwhile, which would clear what wakes the thread
            self._closing.set()
            self._crowded.set()
            self._something.set()
        self._thread.join()
        self.flush()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._something.wait(self._source.due())
            self._crowded.wait(self._linger)
            self._closing.wait(max(self._rested - self._clock(), 0))
            try:
                self.flush()
            except Exception:  # the thread goes on whatever happens: the next batch may be fine
                _log.exception("telemetry failed")

    def _flush(self) -> None:
        began = self._clock()
        if not self._closing.is_set():
            self._something.clear()
            self._crowded.clear()
        # Counters first: what they tell of was there before what is offered meanwhile.
        items = [*self._source.events()]
        items += [self._items.popleft() for _ in range(len(self._items))]
        for (database, table), events in _grouped(items).items():
            self._write_group(database, table, events)
        self.counters.batches += bool(items)
        ended = self._clock()
        self._rested = ended + min(_REST * (ended - began), _LONGEST_REST) * bool(items)

    def _write_group(self, database: str, table: str, events: Sequence[Event]) -> None:
        try:
            self._write(database, table, _encoded(events))
        except StonechatError as error:
            self.counters.dropped += len(events)
            _log.warning("telemetry not written", table=table, rows=len(events), error=error.message)
        else:
            self.counters.written += len(events)


def _grouped(items: Iterable[Item]) -> Mapping[tuple[str, str], Sequence[Event]]:
    groups: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for database, event in items:
        groups[database, event.table].append(event)
    return groups


def _encoded(events: Sequence[Event]) -> Sequence[bytes]:
    rows: list[bytes] = []
    for start in range(0, len(events), _SLICE):
        rows += map(_row, events[start : start + _SLICE])
        time.sleep(0)  # lets the event loop have the interpreter
    return rows


def _row(event: Event) -> bytes:
    try:
        return msgspec.json.encode(event)
    except UnicodeEncodeError:  # half of a surrogate pair, from a caller's JSON
        return json.dumps(msgspec.to_builtins(event), ensure_ascii=False).encode("utf-8", "replace")
