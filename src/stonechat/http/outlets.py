"""Where an answer leaves past the event loop: sent by the thread that ran its query.

The loop sleeps while a query runs, and takes longer to wake up than the answer takes to be sent. Nobody but its own
client can get it: an outlet has a descriptor of its own, which stays that client's connection until it is closed,
whatever becomes of the connection's meanwhile.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


class Outlet:
    """A second descriptor of a connection, for one answer. Sends from any thread."""

    __slots__ = ("_descriptor", "_lock")

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = os.dup(descriptor)
        self._lock = threading.Lock()

    def send(self, head: bytes, body: bytes, first: Callable[[], None]) -> bytes | None:
        """Send an answer, after `first`; what the connection does not take of it at once, which mostly is nothing.

        None, and nothing is done, if nobody waits for the answer any more.
        """
        with self._lock:
            if self._descriptor is None:
                return None
            first()
            try:
                sent = os.writev(self._descriptor, (head, body))
            except OSError:
                sent = 0  # the event loop finds out what it is
        return b"" if sent == len(head) + len(body) else (head + body)[sent:]

    def close(self) -> None:
        """Give the descriptor back, once what is being sent is sent."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
