"""Connections for reading.

Two rules keep one caller's bytes out of another's answer, and neither is optional:

1. A connection serves one statement at a time, in one thread: a second thread's parameters would be used for the first.
2. A connection is closed after any exception: what a failed statement had written already would stand in front of the
   next answer.

Limits and output settings are fixed when a connection opens, because a read-only connection refuses to change them. So
connections are kept by profile, the latest used first, and the one idle for longest makes room for a new one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stonechat.engine.contract import EngineBusy, Query, QueryLimits


@dataclass(frozen=True, slots=True)
class Profile:
    """What is fixed for the life of a connection: the limits and the settings of the queries that it serves."""

    limits: QueryLimits
    settings: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, query: Query) -> Profile:
        """The profile that a query needs, its settings in one order."""
        return cls(query.limits, tuple(sorted(query.settings.items())))


@dataclass(slots=True, eq=False)
class Reader:
    """A pooled connection of chDB, which is untyped, and the database that its statements read unless they name one."""

    profile: Profile
    connection: Any
    database: str = "default"


class ReaderPool:
    """At most `size` connections at work and as many idle, over all profiles, and `waiting_limit` callers in a queue.

    `connect` opens a connection of a profile; `wait_seconds` is how long a caller stays in the queue.
    """

    def __init__(
        self, connect: Callable[[Profile], Any], *, size: int, waiting_limit: int, wait_seconds: float
    ) -> None:
        self._connect = connect
        self._size = size
        self._waiting_limit = waiting_limit
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle: list[Reader] = []
        self._busy = 0
        self._waiting = 0
        self._closed = False

    def borrow(self, profile: Profile, database: str, *, check: Callable[[], None] = lambda: None) -> _Loan:
        """Lend a connection of that profile for a block, preferably one that is in the database already.

        The block raises `EngineBusy` when the queue is full or the wait too long, and whatever `check` raises, which is
        called in the queue after each `wake`.
        """
        return _Loan(self, profile, database, check)

    def wake(self) -> None:
        """Let those in the queue look again whether their caller has gone."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Close the idle connections, and each one at work when it comes back; waiting callers get `EngineBusy`."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for reader in idle:
            reader.connection.close()

    @property
    def idle(self) -> int:
        """How many connections wait for work."""
        return len(self._idle)

    def take(self, profile: Profile, database: str, check: Callable[[], None]) -> Reader:
        """What `borrow` does at the beginning of the block; `give_back` must follow."""
        with self._lock:
            if self._busy >= self._size or self._closed:
                self._queue(check)
            self._busy += 1
            reader = self._pick(profile, database)
        try:
            return reader or Reader(profile, self._connect(profile))
        except BaseException:
            self.give_back(None)
            raise

    def _queue(self, check: Callable[[], None]) -> None:
        if self._busy >= self._size and self._waiting >= self._waiting_limit:
            raise EngineBusy("Too many queries wait for the engine.", hint="Try again in a moment.")
        self._waiting += 1
        try:
            self._wait(time.monotonic() + self._wait_seconds, check)
        except BaseException:
            self._changed.notify()  # the call that woke this one was meant for somebody who can use it
            raise
        finally:
            self._waiting -= 1

    def _wait(self, deadline: float, check: Callable[[], None]) -> None:
        while self._busy >= self._size and not self._closed:
            check()
            if not self._changed.wait(deadline - time.monotonic()):
                raise EngineBusy("The engine had no time for this query.", hint="Try again in a moment.")
        if self._closed:
            raise EngineBusy("The engine is shutting down.")

    def _pick(self, profile: Profile, database: str) -> Reader | None:
        chosen: Reader | None = None
        for reader in reversed(self._idle):
            if reader.profile == profile:
                if reader.database == database:
                    chosen = reader
                    break
                chosen = chosen or reader
        if chosen is not None:
            self._idle.remove(chosen)
        return chosen

    def give_back(self, reader: Reader | None) -> None:
        """End a loan: with the connection, or with none where it was closed or is not to be used again."""
        surplus: Reader | None = None
        with self._lock:
            self._busy -= 1
            if reader is not None and self._closed:
                surplus = reader
            elif reader is not None:
                self._idle.append(reader)
                surplus = self._idle.pop(0) if len(self._idle) > self._size else None
            if self._waiting:
                self._changed.notify()
        if surplus is not None:
            surplus.connection.close()


class _Loan:
    """A connection, lent for a block, and closed when the block raises."""

    __slots__ = ("_check", "_database", "_pool", "_profile", "_reader")

    def __init__(self, pool: ReaderPool, profile: Profile, database: str, check: Callable[[], None]) -> None:
        self._pool = pool
        self._profile = profile
        self._database = database
        self._check = check

    def __enter__(self) -> Reader:
        self._reader = self._pool.take(self._profile, self._database, self._check)
        return self._reader

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            self._pool.give_back(self._reader)
            return
        self._pool.give_back(None)
        self._reader.connection.close()
