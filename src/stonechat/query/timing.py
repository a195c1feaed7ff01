"""How long each stage of a request took, for the `Server-Timing` header."""

from __future__ import annotations

import time
from typing import Self


class Stages:
    """Names and durations of stages, one after the other. Seconds, from a monotonic clock."""

    __slots__ = ("_began", "_durations", "_name")

    def __init__(self) -> None:
        self._durations: dict[str, float] = {}
        self._name = ""

    def stage(self, name: str) -> Self:
        """Time the block as a stage; a name that comes twice adds up."""
        self._name = name
        return self

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._durations[self._name] = self._so_far()
        self._name = ""

    def _so_far(self) -> float:
        return self._durations.get(self._name, 0.0) + time.perf_counter() - self._began

    @property
    def header(self) -> str:
        """The stages as a `Server-Timing` value, in milliseconds; the one under way with its time until now."""
        durations = {**self._durations, self._name: self._so_far()} if self._name else self._durations
        return ", ".join([f"{name};dur={seconds * 1000:.3f}" for name, seconds in durations.items()])
