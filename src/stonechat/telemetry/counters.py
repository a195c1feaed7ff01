"""Counts since the start, in plain numbers: what a request adds to them costs about as much as not counting it."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from stonechat.project.workspaces import Workspace

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of requests, in seconds."""


@dataclass(slots=True)
class Durations:
    """A histogram: how many lie in each bucket, the last of which is open, and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


class RequestCounters:
    """Requests by route, method and status, and how long they took by route. One event loop's own."""

    def __init__(self) -> None:
        self.by_status: dict[tuple[str, str, int], int] = defaultdict(int)
        self.durations: dict[str, Durations] = defaultdict(Durations)

    def add(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self.by_status[route, method, status] += 1
        self.durations[route].add(seconds)


@dataclass(frozen=True, slots=True)
class Subject:
    """A data source of a workspace."""

    workspace: Workspace
    id: str
    name: str


@dataclass(slots=True)
class EventsTaken:
    """What the Events API did for one data source. `seconds` is the sum over the requests that did not fail."""

    subject: Subject
    requests: int = 0
    errors: int = 0
    rows: int = 0
    quarantined: int = 0
    bytes: int = 0
    seconds: float = 0.0
    last_error: str | None = None

    def since(self, before: EventsTaken) -> EventsTaken:
        """What came on top of an earlier state."""
        return EventsTaken(
            self.subject,
            self.requests - before.requests,
            self.errors - before.errors,
            self.rows - before.rows,
            self.quarantined - before.quarantined,
            self.bytes - before.bytes,
            self.seconds - before.seconds,
            self.last_error,
        )


class EventsCounters:
    """What the Events API did, by data source. Counted on one event loop, read from any thread."""

    def __init__(self) -> None:
        self._taken: dict[str, EventsTaken] = {}
        self._told: dict[str, EventsTaken] = {}

    def of(self, workspace: Workspace, identity: str, name: str) -> EventsTaken:
        """The counts of a data source, to add to."""
        taken = self._taken.get(identity)
        if taken is None:
            taken = self._taken[identity] = EventsTaken(Subject(workspace, identity, name))
        return taken

    def all(self) -> Sequence[EventsTaken]:
        """All counts."""
        return list(self._taken.values())

    def forget(self, workspace_id: str) -> None:
        """Drop the counts of a workspace. Any thread may call."""
        for identity, taken in list(self._taken.items()):
            if taken.subject.workspace.id == workspace_id:
                self._taken.pop(identity, None)
                self._told.pop(identity, None)

    def news(self) -> Iterator[EventsTaken]:
        """What came since this was asked the last time."""
        for identity, taken in list(self._taken.items()):
            now = replace(taken)
            news = now.since(self._told.get(identity, EventsTaken(taken.subject)))
            if news.requests:
                self._told[identity] = now
                yield news
