"""Threads for queries, of which the one that ran last runs first.

What a thread has worked with is in the caches of a processor, and in the engine's memory for it. The pool of the
standard library lets its threads take turns, which makes a query of some milliseconds a tenth slower; and what it does
around each call, under locks and in two kinds of futures, takes longer than all else between a request and its query.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")
_Settle = Callable[[asyncio.Future[Any], Any, BaseException | None], None]
_Work = tuple[Callable[[], Any], _Settle, asyncio.AbstractEventLoop, asyncio.Future[Any]]
_Inbox = SimpleQueue[_Work | None]


class WarmThreads:
    """At most `number` threads, each started when all others are busy. Work that finds none free waits its turn."""

    def __init__(self, number: int, name: str) -> None:
        self._number = number
        self._name = name
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._idle: list[_Inbox] = []
        self._waiting: deque[_Work] = deque()
        self._closed = False

    def run(self, call: Callable[[], _T]) -> asyncio.Future[_T]:
        """The outcome of a call in a thread, for the event loop that runs here. Raises RuntimeError after `close`.

        Work whose future is cancelled while it waits never runs.
        """
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self.settle(future, call, _outcome)
        return future

    def settle(self, future: asyncio.Future[Any], call: Callable[[], _T], settle: _Settle) -> None:
        """The same for a future of the event loop that runs here, which gets its outcome from `settle`.

        That is called on the loop with the future and with the result of the call or what it raised; and not at all
        for a future that is cancelled by then.
        """
        work: _Work = call, settle, asyncio.get_running_loop(), future
        with self._lock:
            if self._closed:
                raise RuntimeError("no work is taken any more")
            if self._idle:
                self._idle.pop().put(work)
            elif len(self._threads) < self._number:
                self._start(work)
            else:
                self._waiting.append(work)

    @property
    def has_room(self) -> bool:
        """Whether work would begin at once."""
        return not self._closed and (bool(self._idle) or len(self._threads) < self._number)

    def close(self) -> None:
        """Take no more work, and return once all that was taken is done."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)
        for thread in self._threads:
            thread.join()

    def _start(self, work: _Work) -> None:
        inbox: _Inbox = SimpleQueue()
        inbox.put(work)
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._work, args=(inbox,), name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _work(self, inbox: _Inbox) -> None:
        while (work := inbox.get()) is not None:
            call, settle, loop, future = work
            result: Any = None
            failure: BaseException | None = None
            if not future.cancelled():
                try:
                    result = call()
                except BaseException as error:  # whoever waits for the future gets it
                    failure = error
            # Free before it is told: what follows from the result finds this thread first.
            self._free(inbox)
            try:  # noqa: SIM105 - `suppress` is three calls more, for which the event loop waits
                loop.call_soon_threadsafe(_settle, settle, future, result, failure)
            except RuntimeError:
                pass  # the loop is closed, and nobody waits
            del work, call, settle, loop, future, result, failure

    def _free(self, inbox: _Inbox) -> None:
        with self._lock:
            if self._waiting:
                inbox.put(self._waiting.popleft())
            elif self._closed:
                inbox.put(None)
            else:
                self._idle.append(inbox)


def _settle(settle: _Settle, future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if not future.done():
        settle(future, result, failure)


def _outcome(future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if failure is None:
        future.set_result(result)
    else:
        future.set_exception(failure)
