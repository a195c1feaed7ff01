"""How long each stage of a request took, for the `Server-Timing` header."""

from __future__ import annotations

import time
from typing import Self


class Stages:
    """Names and durations of stages, one after the other. Seconds, from a monotonic clock."""

    __slots__ = ("_began", "_durations", "_ended", "_name")

    def __init__(self) -> None:
        self._durations: dict[str, float] = {}
        self._name = ""
        #: What has ended, written down while another stage is under way.
        self._ended = ""

    def stage(self, name: str) -> Self:
        """Time the block as a stage; a name that comes twice adds up."""
        self._name = name
        return self

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._durations[self._name] = self._durations.get(self._name, 0.0) + time.perf_counter() - self._began
        self._name = self._ended = ""

    @property
    def header(self) -> str:
        """The stages as a `Server-Timing` value, in milliseconds; the one under way with its time until now."""
        if not self._name:
            return ", ".join([written(name, seconds) for name, seconds in self._durations.items()])
        if not self._ended:
            self._ended = "".join([f"{written(name, seconds)}, " for name, seconds in self._durations.items()])
        return self._ended + written(self._name, time.perf_counter() - self._began)


def written(name: str, seconds: float) -> str:
    """A stage as `Server-Timing` has it, in milliseconds."""
    return f"{name};dur={seconds * 1000:.3f}"
