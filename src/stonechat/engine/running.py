"""The statements that run now: how a caller's id finds one to cancel, and how the engine ends them all when it closes.

chDB takes no query id. Each run gets a random tag, which the adapter writes into a comment of the statement; ClickHouse
finds it in `system.processes`. A tag belongs to one run, so a late KILL can never hit the next statement on the same
connection.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Self

from stonechat.engine.contract import EngineBusy, QueryCancelled

#: Ids cancelled before their statement came, remembered until they do: a client may leave before its thread starts.
EARLY_CANCELLATIONS = 1000
#: A statement may be between its start and its appearance in `system.processes`: look again after so many seconds.
_LOOK_AGAIN = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class Run:
    """One statement on its way, as a block. `tag` is its mark in the engine; `cancelled` is set by other threads."""

    __slots__ = ("_ended", "cancelled", "query_id", "tag")

    def __init__(self, query_id: str, ended: Callable[[Run], None]) -> None:
        self.query_id = query_id
        self.tag = f"stonechat {os.urandom(16).hex()}"
        self.cancelled = False
        self._ended = ended

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended(self)

    def check(self) -> None:
        """Raise `QueryCancelled` when somebody asked for the end before the statement began."""
        if self.cancelled:
            raise QueryCancelled("The query was cancelled before it began.", number=394, name="QUERY_WAS_CANCELLED")


class RunningStatements:
    """The registry.

    `kill` ends the statement of a tag and says whether the engine knew it; `wake` rouses those that wait for a
    connection.
    """

    def __init__(self, *, kill: Callable[[str], bool], wake: Callable[[], None]) -> None:
        self._kill = kill
        self._wake = wake
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._runs: set[Run] = set()
        self._by_id: dict[str, Run] = {}
        self._cancelled_early: OrderedDict[str, None] = OrderedDict()
        self._closed = False

    def run(self, query_id: str = "") -> Run:
        """Register one statement until its block ends. Raises `EngineBusy` once the engine closes."""
        run = Run(query_id, self._remove)
        with self._lock:
            if self._closed:
                raise EngineBusy("The engine is shutting down.")
            self._runs.add(run)
            if query_id:
                self._by_id[query_id] = run
                if query_id in self._cancelled_early:
                    del self._cancelled_early[query_id]
                    run.cancelled = True
        return run

    def tag(self, query_id: str) -> str | None:
        """The mark of the statement of that id; None when it does not run."""
        with self._lock:
            run = self._by_id.get(query_id)
        return None if run is None else run.tag

    def cancel(self, query_id: str) -> None:
        """End the statement of that id, now or as soon as it comes."""
        with self._lock:
            run = self._by_id.get(query_id)
            if run is None:
                self._cancelled_early[query_id] = None
                while len(self._cancelled_early) > EARLY_CANCELLATIONS:
                    self._cancelled_early.popitem(last=False)
                return
        self._end(run)

    def close(self) -> None:
        """Refuse new statements, cancel those that can be cancelled, and wait until the last one is gone."""
        with self._lock:
            self._closed = True
            runs = list(self._runs)
        for run in runs:
            self._end(run)
        with self._lock:
            self._ended.wait_for(lambda: not self._runs)

    def _remove(self, run: Run) -> None:
        with self._lock:
            self._runs.discard(run)
            if self._by_id.get(run.query_id) is run:
                del self._by_id[run.query_id]
            if run.cancelled:
                self._ended.notify_all()

    def _end(self, run: Run) -> None:
        with self._lock:
            run.cancelled = True
        self._wake()
        for seconds in _LOOK_AGAIN:
            if self._is_over(run) or self._kill(run.tag) or self._is_over(run, seconds):
                return

    def _is_over(self, run: Run, seconds: float = 0.0) -> bool:
        """Whether a cancelled run has ended, or does within so many seconds."""
        with self._lock:
            return self._ended.wait_for(lambda: run not in self._runs, seconds)
