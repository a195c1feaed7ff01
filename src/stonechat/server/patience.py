"""How long clients may let their connections wait for what they have not sent yet.

Looked at now and then, and over all connections: a timer for each request would cost every small one something.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import NamedTuple, Protocol

LEAST_BYTES = 64 * 1024
"""What a body has to bring in the time that a client has: a server that does not keep up stops reading at as much."""
_LOOKS = 4
"""How often a connection is looked at in that time."""


class Awaited(NamedTuple):
    """What a client has sent of a request that is not whole; `size` grows with all that comes on its connection."""

    request: object
    in_body: bool
    size: int


class Connection(Protocol):
    """The connection of a client."""

    def awaited(self) -> Awaited | None:
        """What has come of the request that the client should go on with; None while the turn is not its own."""
        ...

    def give_up(self) -> None:
        """Wait no longer."""
        ...


class Patience:
    """Gives connections up whose head takes longer than `seconds`, or whose body brings too little in as many."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[Connection, tuple[float, Awaited]] = {}

    async def watch(self, connections: Iterable[Connection]) -> None:
        """Look at connections until cancelled. Of no seconds, patience has no end."""
        while self._seconds:
            await asyncio.sleep(self._seconds / _LOOKS)
            self.look([*connections], time.monotonic())

    def look(self, connections: Iterable[Connection], now: float) -> None:
        """Give up those that have had their time."""
        before, self._since = self._since, {}
        for connection in connections:
            awaited = connection.awaited()
            if awaited is None:
                continue
            since, first = before.get(connection, (now, awaited))
            if awaited.request is not first.request or _goes_on(first, awaited):
                since, first = now, awaited
            if now - since > self._seconds:
                connection.give_up()
            else:
                self._since[connection] = since, first


def _goes_on(first: Awaited, awaited: Awaited) -> bool:
    begun = awaited.in_body and not first.in_body
    return begun or (awaited.in_body and awaited.size - first.size >= LEAST_BYTES)
