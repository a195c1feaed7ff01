"""How long each stage of a request took, for the `Server-Timing` header."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stages:
    """Names and durations of stages, in the order they ran. Seconds, from a monotonic clock."""

    def __init__(self) -> None:
        self._durations: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as a stage; a name that comes twice adds up."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._durations[name] = self._durations.get(name, 0.0) + time.perf_counter() - begin

    @property
    def header(self) -> str:
        """The stages as a `Server-Timing` value, in milliseconds."""
        return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in self._durations.items())
