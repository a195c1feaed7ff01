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

    __slots__ = ("_descriptor", "_lock", "_rest")

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = os.dup(descriptor)
        self._lock = threading.Lock()
        self._rest: bytes | None = None

    def send(self, head: bytes, body: bytes, first: Callable[[], None]) -> None:
        """Send an answer, after `first`. Nothing is done if nobody waits for the answer any more."""
        with self._lock:
            if self._descriptor is None:
                return
            first()
            try:
                sent = os.writev(self._descriptor, (head, body))
            except OSError:
                sent = 0  # the event loop finds out what it is
            self._rest = b"" if sent == len(head) + len(body) else (head + body)[sent:]

    def close(self) -> bytes | None:
        """Give the descriptor back, once what is being sent is sent; nothing is from then on.

        Of an answer that was sent, what the connection did not take at once, which mostly is nothing; None if none was.
        """
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        return self._rest
