"""Callers who ask the same at the same time share one query."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

_T = TypeVar("_T")


class _Flight(Generic[_T]):
    """Work under way, and those who wait for it."""

    __slots__ = ("waiting", "work")

    def __init__(self, work: asyncio.Future[_T]) -> None:
        self.work = work
        self.waiting: set[asyncio.Future[_T]] = set()


class Coalescing(Generic[_T]):
    """Work under way by key. It is cancelled when its last caller has gone, and by none before."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[_T]] = {}

    async def run(self, key: Hashable, work: Callable[[], asyncio.Future[_T]]) -> _T:
        """The outcome of `work`, or of the same key's work that is already under way."""
        # A future of each caller's own: whoever cancels it leaves the work to the others.
        outcome: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        flight = self._flights.get(key)
        if flight is None:
            flight = _Flight(work())
            self._flights[key] = flight
            flight.work.add_done_callback(partial(self._land, key, flight))
        flight.waiting.add(outcome)
        try:
            return await outcome
        finally:
            flight.waiting.discard(outcome)
            if not flight.waiting and not flight.work.done():
                self._forget(key, flight)
                flight.work.cancel()

    def _land(self, key: Hashable, flight: _Flight[_T], work: asyncio.Future[_T]) -> None:
        self._forget(key, flight)
        if not work.cancelled():
            work.exception()  # it counts as seen, even if nobody waits any more
        for outcome in flight.waiting:
            pass_on(outcome, work)

    def _forget(self, key: Hashable, flight: _Flight[_T]) -> None:
        # The key may belong to a later flight by now.
        if self._flights.get(key) is flight:
            del self._flights[key]


def pass_on(outcome: asyncio.Future[_T], work: asyncio.Future[_T]) -> None:
    """Have the outcome of ended work for a future of the same loop, unless nobody waits for it any more."""
    failure = None if work.cancelled() else work.exception()
    if outcome.done():
        return
    if work.cancelled():
        outcome.cancel()
    elif failure is not None:
        outcome.set_exception(failure)
    else:
        outcome.set_result(work.result())
