"""What comes after an answer: its record, and its place in memory. Its client does not wait for these.

A client on the same machine often waits for the processor that has just written to it. So this waits until the client
has had time to take its answer, or until anything is asked for again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

_log = structlog.get_logger(__name__)
_SECONDS = 0.001


class Afterwards:
    """Work that is put off for a moment. One event loop's own, but for `add`."""

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], None]] = deque()

    def add(self, work: Callable[[], None]) -> None:
        """Have work wait until it is settled: `soon` has to follow. From any thread."""
        self.waiting.append(work)

    def soon(self) -> None:
        """Have all that waits done a millisecond from now, unless it is settled before then."""
        if self.waiting:
            asyncio.get_running_loop().call_later(_SECONDS, self.settle)

    def settle(self) -> None:
        """Do all that waits, in its order. To be called before anything else is asked or told."""
        while self.waiting:
            try:
                self.waiting.popleft()()
            except Exception as error:
                _log.error("unexpected error", exc_info=error)
