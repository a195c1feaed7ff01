"""The write-ahead log: what it has synced survives, whatever happens to the process or the power.

Callers hand in rows and notes from any thread; one thread writes them in groups, syncs each group once and then says
so. DESIGN.md beside this file has the invariants and the record format.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog

from stonechat.errors import Kind, StonechatError
from stonechat.ingest.records import Done, Note, Rows, Settled, Taken, encoded
from stonechat.ingest.recovery import Recovery, recover
from stonechat.ingest.segment_chain import SegmentChain

_log = structlog.get_logger(__name__)

_GROUP_BYTES = 8 * 1024 * 1024


class LogFull(StonechatError):
    """The log holds as many rows as it may that are not in the engine yet."""

    code = "SC611"
    kind = Kind.UNAVAILABLE


class LogWriteFailed(StonechatError):
    """The log could not be written, for instance because the disk is full. Nothing of it was acknowledged."""

    code = "SC612"
    kind = Kind.UNAVAILABLE


class LogOutcomeUnknown(LogWriteFailed):
    """What was written of a group could neither be synced nor taken back: the next start finds it, or does not."""

    code = "SC613"
    kind = Kind.INTERNAL

    def __init__(self) -> None:
        super().__init__(
            "The write-ahead log could neither be written nor be put back: whether this was kept is not known",
            hint="The server must be started again. Events that are sent again then are there once if they have an "
            "idempotency key, and else perhaps twice.",
        )


@dataclass(slots=True)
class _Entry:
    """Something to write: rows, or a note. `finished` are the rows that a note of their end is about."""

    content: Rows | Note
    settled: Settled | None
    finished: Sequence[Rows] = ()


@dataclass(slots=True)
class _Barrier:
    """Not written: `settled` is told once everything before it is. `synced`: and is on the disk, notes included."""

    settled: Settled
    synced: bool = False


@dataclass(slots=True)
class LogCounters:
    """What the log has done since it was opened."""

    groups: int = 0
    syncs: int = 0
    bytes_written: int = 0
    failures: int = 0


class Log:
    """A log in a folder of its own. `open` it, `start` it, `append` to it, `close` it.

    `sync` decides whether a group is on the disk (True) or with the operating system (False) when it is acknowledged.
    """

    def __init__(self, folder: Path, recovery: Recovery, *, sync: bool, segment_bytes: int, limit_bytes: int) -> None:
        self._folder = folder
        self._next = recovery.next_sequence
        self._unsynced = self._next  # the first sequence number that is not known to be on the disk
        self._id = recovery.segments[0].log_id if recovery.segments else secrets.token_bytes(16)
        #: What makes the tokens of this process's plans its own.
        self.epoch = secrets.token_hex(16)
        self._files = SegmentChain(folder, recovery.segments, self._id, segment_bytes)
        self._sync = sync
        self._limit_bytes = limit_bytes
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Entry | _Barrier | None] = SimpleQueue()
        self._owed: list[_Entry] = []
        self._deliver: Callable[[Rows], None] = lambda _rows: None
        self._save_keys: Callable[[Path], None] = lambda _folder: None
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self.counters = LogCounters()

    @classmethod
    def open(
        cls, folder: Path, *, sync: bool = True, segment_bytes: int = 64 * 1024 * 1024, limit_bytes: int = 2_000_000_000
    ) -> tuple[Log, Recovery]:
        """The log of a folder and what it still owes the engine. Raises `LogCorrupt`."""
        folder.mkdir(parents=True, exist_ok=True)
        recovery = recover(folder)
        log = cls(folder, recovery, sync=sync, segment_bytes=segment_bytes, limit_bytes=limit_bytes)
        return log, recovery

    @property
    def id(self) -> str:
        """What makes this log's tokens its own."""
        return self._id.hex()

    @property
    def size(self) -> int:
        """Bytes in all segments."""
        return self._files.size

    def start(self, deliver: Callable[[Rows], None], save_keys: Callable[[Path], None] = lambda _folder: None) -> None:
        """Begin to write. `deliver` gets all rows that are synced, in the order of their sequence numbers.

        `save_keys` is called with the log's folder before a segment with idempotency keys is removed; an OSError from
        it keeps the segment.
        """
        self._deliver = deliver
        self._save_keys = save_keys
        self._thread.start()

    def append(self, rows: Rows, settled: Settled) -> None:
        """Write rows. Raises `LogFull`; `settled` gets `LogWriteFailed` if they could not be kept."""
        with self._lock:
            if self._files.size + self._queued_bytes + rows.size > self._limit_bytes:
                self._queue.put(_Barrier(self._tidy, synced=True))
                raise LogFull(
                    f"The write-ahead log has reached its limit of {self._limit_bytes} bytes",
                    hint="The engine does not keep up, or refuses to write. Try again later.",
                )
            self._queued_bytes += rows.size
        self._queue.put(_Entry(rows, settled))

    def note(self, note: Note) -> None:
        """Write a note and wait until it is synced. Raises `LogWriteFailed`."""
        self._wait_for(lambda settled: self._queue.put(_Entry(note, settled)))

    def report(self, note: Taken | Done, finished: Sequence[Rows] = ()) -> None:
        """Note progress without waiting. Segments all of whose rows are among `finished` are removed in time."""
        self._queue.put(_Entry(note, None, finished))

    def barrier(self, settled: Settled) -> None:
        """Have `settled` told once everything that was handed in before is written and delivered."""
        self._queue.put(_Barrier(settled))

    def settle(self) -> None:
        """Return once everything that was handed in before will be found after a crash, notes of progress included.

        Raises `LogWriteFailed`.
        """
        self._wait_for(lambda settled: self._queue.put(_Barrier(settled, synced=True)))

    def close(self) -> None:
        """Write what was handed in, and stop."""
        if self._thread.ident is not None:
            self._queue.put(None)
            self._thread.join()
        self._files.close(self._save_keys)

    @staticmethod
    def _wait_for(hand_in: Callable[[Settled], None]) -> None:
        ended = threading.Event()
        failures: list[StonechatError] = []

        def settled(failure: StonechatError | None) -> None:
            if failure is not None:
                failures.append(failure)
            ended.set()

        hand_in(settled)
        ended.wait()
        if failures:
            raise failures[0]

    def _run(self) -> None:
        going = True
        while going:
            group, barriers, going = self._take_group()
            if group:
                group, self._owed = [*self._owed, *group], []
                self._process(group)
            for barrier in barriers:
                barrier.settled(self._synced() if barrier.synced else None)

    def _synced(self) -> StonechatError | None:
        """Sync what is written; why that failed, or notes are still owed."""
        if self._owed or self._files.broken:
            return _broken() if self._files.broken else LogWriteFailed("The write-ahead log could not be written")
        if self._sync:
            try:
                self._files.sync()
            except OSError as error:
                self._files.abandon()
                return LogWriteFailed(f"The write-ahead log could not be synced: {error.strerror}")
            self._unsynced = self._next
        return None

    def _process(self, group: Sequence[_Entry]) -> None:
        """Write a group and tell. Nothing may end the log's thread, or callers would wait for ever."""
        try:
            failure = self._write_group(group, sync=self._sync and any(map(_needs_sync, group)))
        except Exception:
            _log.exception("the log failed in an unforeseen way and takes nothing more")
            self._files.broken = True
            failure = LogOutcomeUnknown()
        self._settle(group, failure)

    def _take_group(self) -> tuple[list[_Entry], list[_Barrier], bool]:
        """Everything that waits, up to the size of a group. Barriers end a group."""
        group: list[_Entry] = []
        size = 0
        entry = self._queue.get()
        while True:
            if entry is None:
                return group, [], False
            if isinstance(entry, _Barrier):
                return group, [entry], True
            group.append(entry)
            size += entry.content.size if isinstance(entry.content, Rows) else 0
            if size >= _GROUP_BYTES:
                return group, [], True
            try:
                entry = self._queue.get_nowait()
            except Empty:
                return group, [], True

    def _write_group(self, group: Sequence[_Entry], *, sync: bool) -> StonechatError | None:
        if self._files.broken:
            return _broken()
        first = self._next
        label = self._unsynced if self._sync else 0
        pieces = [piece for index, entry in enumerate(group) for piece in encoded(entry.content, first + index, label)]
        try:
            segment = self._files.write(pieces, first, sync=sync)
        except (OSError, MemoryError) as error:
            self.counters.failures += 1
            if not self._files.abandon():
                return LogOutcomeUnknown()
            return LogWriteFailed(
                f"The write-ahead log could not be written: {getattr(error, 'strerror', 'no memory')}"
            )
        self._next = first + len(group)
        self._unsynced = self._next if sync else self._unsynced
        self.counters.groups += 1
        self.counters.syncs += sync
        self.counters.bytes_written += sum(map(len, pieces))
        for index, entry in enumerate(group):
            if isinstance(entry.content, Rows):
                entry.content.sequence, entry.content.segment = first + index, segment
                segment.undone += 1
                segment.keyed = segment.keyed or entry.content.key is not None
            self._files.finish(entry.finished)
        if self._files.has_finished and (sync or not self._sync):
            self._files.release(self._save_keys)
        return None

    def _settle(self, group: Sequence[_Entry], failure: StonechatError | None) -> None:
        for entry in group:
            if isinstance(entry.content, Rows):
                with self._lock:
                    self._queued_bytes -= entry.content.size
                if failure is None:
                    self._deliver(entry.content)
            elif failure is not None and entry.settled is None:
                self._owed.append(entry)  # nobody waits for it, so it goes with the next group
            if entry.settled is not None:
                entry.settled(failure)

    def _tidy(self, failure: StonechatError | None) -> None:
        if failure is None:
            self._files.tidy(self._next, self._save_keys)


def _broken() -> LogWriteFailed:
    return LogWriteFailed("The write-ahead log cannot be written until the server is started again")


def _needs_sync(entry: _Entry) -> bool:
    return not isinstance(entry.content, Taken | Done)
