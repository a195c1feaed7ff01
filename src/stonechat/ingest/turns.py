"""Who may touch tables: the writer with its blocks, others who write beside it, or one who exchanges tables."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Keeps those apart who pause the writing from those who write. Any thread may call."""

    def __init__(self) -> None:
        self._pausing = threading.RLock()
        self._gate = threading.Condition()
        self._pauses = 0
        self._beside = 0
        self._committing = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within it no block is in flight, nor is anybody `beside`. Rows go on to be logged and wait.

        It belongs to one thread, which may enter it again; others wait for theirs.
        """
        with self._pausing:
            with self._gate:
                self._pauses += 1
                self._gate.wait_for(lambda: not self._committing and not self._beside)
            try:
                yield
            finally:
                with self._gate:
                    self._pauses -= 1
                    self._gate.notify_all()

    @contextmanager
    def beside(self) -> Iterator[None]:
        """For others who write to tables: within it nobody pauses the writing, and tables stay where they are."""
        with self._gate:
            self._gate.wait_for(lambda: not self._pauses)
            self._beside += 1
        try:
            yield
        finally:
            with self._gate:
                self._beside -= 1
                self._gate.notify_all()

    @contextmanager
    def committing(self) -> Iterator[None]:
        """For the writer: within it a block is in flight."""
        with self._gate:
            self._gate.wait_for(lambda: not self._pauses)
            self._committing = True
        try:
            yield
        finally:
            with self._gate:
                self._committing = False
                self._gate.notify_all()
