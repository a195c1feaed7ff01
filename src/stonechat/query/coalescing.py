"""Callers who ask the same at the same time share one query."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(slots=True)
class _Flight(Generic[_T]):
    task: asyncio.Task[_T]
    callers: int = 0


class Coalescing(Generic[_T]):
    """Work under way by key. It is cancelled when its last caller has gone, and by none before."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[_T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Coroutine[None, None, _T]]) -> _T:
        """The outcome of `work`, or of the same key's work that is already under way."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(work()))
            flight.task.add_done_callback(lambda task: self._forget(key, task))
        flight.callers += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.callers -= 1
            if not flight.callers and not flight.task.done():
                self._forget(key, flight.task)
                flight.task.cancel()

    def _forget(self, key: Hashable, task: asyncio.Future[_T]) -> None:
        # The key may belong to a later flight by now.
        if key in self._flights and self._flights[key].task is task:
            del self._flights[key]
