"""Threads for queries, of which the one that ran last runs first.

What a thread has worked with is in the caches of a processor, and in the engine's memory for it. The pool of the
standard library lets its threads take turns, which makes a query of some milliseconds a tenth slower.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Work = tuple[Future[Any], Callable[[], Any]]
_Inbox = SimpleQueue[_Work | None]


class WarmThreads(Executor):
    """At most `number` threads, each started when all others are busy. Work that finds none free waits its turn."""

    def __init__(self, number: int, name: str) -> None:
        self._number = number
        self._name = name
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._idle: list[_Inbox] = []
        self._waiting: deque[_Work] = deque()
        self._closed = False

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run a call in a thread. Raises RuntimeError after `shutdown`."""
        future: Future[_T] = Future()
        work: _Work = future, partial(fn, *args, **kwargs)
        with self._lock:
            if self._closed:
                raise RuntimeError("no work is taken after the shutdown")
            if self._idle:
                self._idle.pop().put(work)
            elif len(self._threads) < self._number:
                self._start(work)
            else:
                self._waiting.append(work)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; with `wait`, return once all that was taken is done, or cancelled if so wished."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            cancelled = list(self._waiting) if cancel_futures else []
            if cancel_futures:
                self._waiting.clear()
        for inbox in idle:
            inbox.put(None)
        for future, _ in cancelled:
            future.cancel()
        if wait:
            for thread in self._threads:
                thread.join()

    def _start(self, work: _Work) -> None:
        inbox: _Inbox = SimpleQueue()
        inbox.put(work)
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._run, args=(inbox,), name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _run(self, inbox: _Inbox) -> None:
        while (work := inbox.get()) is not None:
            future, call = work
            if not future.set_running_or_notify_cancel():
                self._free(inbox)
                continue
            try:
                result = call()
            except BaseException as error:  # whoever waits for the future gets it
                self._free(inbox)
                future.set_exception(error)
            else:
                # Free before it is told: what follows from the result finds this thread first.
                self._free(inbox)
                future.set_result(result)
                del result
            del work, future, call

    def _free(self, inbox: _Inbox) -> None:
        with self._lock:
            if self._waiting:
                inbox.put(self._waiting.popleft())
            elif self._closed:
                inbox.put(None)
            else:
                self._idle.append(inbox)
