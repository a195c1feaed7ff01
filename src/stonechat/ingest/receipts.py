"""What a sender of events is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request's rows. `committed`: they are in the engine, not only in the log.

    `repeated`: they came with an earlier request of the same idempotency key. `timings` are seconds by stage.
    """

    successful_rows: int
    quarantined_rows: int
    committed: bool
    repeated: bool = False
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def timing(self) -> str:
        """The stages as a `Server-Timing` value, in milliseconds."""
        return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in self.timings.items())
