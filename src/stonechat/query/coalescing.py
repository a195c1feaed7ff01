"""Callers who ask the same at the same time share one query."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

_T = TypeVar("_T")
_Land = Callable[[asyncio.Future[_T]], None]


class _Flight(Generic[_T]):
    """Work under way, and those who wait for it."""

    __slots__ = ("landed", "waiting", "work")

    def __init__(self) -> None:
        self.landed = False
        self.work: asyncio.Future[_T]
        self.waiting: dict[asyncio.Future[_T], Callable[[_T], None] | None] = {}


class Coalescing(Generic[_T]):
    """Work under way by key. It is cancelled when its last caller has gone, and by none before."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[_T]] = {}

    def __contains__(self, key: Hashable) -> bool:
        """Whether work of this key is under way."""
        return key in self._flights

    def join(
        self, key: Hashable, work: Callable[[_Land[_T]], asyncio.Future[_T]], landed: Callable[[_T], None] | None = None
    ) -> asyncio.Future[_T]:
        """The outcome of `work`, or of the same key's work that is already under way. Cancelled by who does not wait.

        `work` gets what it may call with its future when that has just ended, a turn of the event loop before the
        future would. `landed` is called with the outcome then, before this has it; not for those who have gone, nor
        after a failure.
        """
        # A future of each caller's own: whoever cancels it leaves the work to the others.
        outcome: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        flight = self._flights.get(key)
        if flight is None:
            flight = _Flight()
            land = partial(self._land, key, flight)
            flight.work = work(land)
            flight.work.add_done_callback(land)
            self._flights[key] = flight
        flight.waiting[outcome] = landed
        outcome.add_done_callback(partial(self._leave, key, flight))
        return outcome

    def _leave(self, key: Hashable, flight: _Flight[_T], outcome: asyncio.Future[_T]) -> None:
        del flight.waiting[outcome]
        if not flight.waiting and not flight.work.done():
            self._forget(key, flight)
            flight.work.cancel()

    def _land(self, key: Hashable, flight: _Flight[_T], work: asyncio.Future[_T]) -> None:
        """Pass the outcome on; a second time, nobody is left who waits for it."""
        if flight.landed:
            return
        flight.landed = True
        # Whoever asks from now on, be it within `landed`, is none of those who are told.
        self._forget(key, flight)
        waiting = [(outcome, landed) for outcome, landed in flight.waiting.items() if not outcome.done()]
        try:
            # An exception counts as seen then, even if nobody waits any more.
            if not work.cancelled() and work.exception() is None:
                for _, landed in waiting:
                    if landed is not None:
                        landed(work.result())
        finally:
            for outcome, _ in waiting:
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
