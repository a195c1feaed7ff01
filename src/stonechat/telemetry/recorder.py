"""Where the other parts of the server record what they do."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Self

from stonechat.project.workspaces import Workspace
from stonechat.telemetry.counters import EventsCounters, EventsTaken, RequestCounters, Subject
from stonechat.telemetry.events import DataSourceOperation, Event
from stonechat.telemetry.queue import EventQueue, QueueCounters
from stonechat.telemetry.reports import Reports, StorageReading
from stonechat.telemetry.tables import ServiceTables


class EventsRequest:
    """One request to the Events API, as a block: it counts when the block ends, and fails when that raises."""

    __slots__ = ("_began", "_size", "_taken", "_wake")

    def __init__(self, taken: EventsTaken, size: int, wake: Callable[[], None]) -> None:
        self._taken = taken
        self._size = size
        self._wake = wake

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def rows(self, accepted: int, quarantined: int) -> None:
        """What became of its rows."""
        self._taken.rows += accepted
        self._taken.quarantined += quarantined

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        taken = self._taken
        taken.requests += 1
        if error is None:
            taken.bytes += self._size
            taken.seconds += time.perf_counter() - self._began
        else:
            taken.errors += 1
            taken.last_error = str(error) or type(error).__name__
        self._wake()


def _nothing() -> None:
    pass


class Telemetry:
    """Counters for the metrics, and events for the service data sources.

    With `tables` None there are no service data sources: events count, and go nowhere. `stored` is asked what a
    workspace holds when its data has changed, every five minutes at most.
    """

    def __init__(self, tables: ServiceTables | None = None, stored: StorageReading = lambda _: ()) -> None:
        self.requests = RequestCounters()
        self.answers: dict[str, int] = defaultdict(int)
        self.operations: dict[tuple[Subject, str, str], int] = defaultdict(int)
        self.events = EventsCounters()
        self.jobs: dict[tuple[str, str], int] = defaultdict(int)
        self._tables = tables
        self._reports = Reports(self.events, stored)
        self._queue = None if tables is None else EventQueue(tables.write, self._reports)

    @property
    def records(self) -> bool:
        """Whether events go anywhere."""
        return self._queue is not None

    @property
    def queue(self) -> QueueCounters:
        """What became of the events."""
        return QueueCounters() if self._queue is None else self._queue.counters

    def record(self, workspace: Workspace, event: Event) -> None:
        """Note something that happened in a workspace. Never blocks, never fails; any thread may call."""
        if isinstance(event, DataSourceOperation):
            key = Subject(workspace, event.datasource_id, event.datasource_name)
            self.operations[key, event.event_type, "written"] += event.rows or 0
            self.operations[key, event.event_type, "quarantined"] += event.rows_quarantine or 0
            self._reports.changed(workspace.database)
        if self._queue is not None:
            self._queue.offer(workspace.database, event)

    def events_request(self, workspace: Workspace, identity: str, name: str, size: int) -> EventsRequest:
        """Count, around the work, a request with events for a data source. For the event loop alone."""
        wake = _nothing if self._queue is None else self._queue.wake
        return EventsRequest(self.events.of(workspace, identity, name), size, wake)

    def prepare(self, database: str) -> None:
        """Make the service data sources of a workspace, which somebody is going to read. Blocks."""
        if self._tables is not None:
            self._tables.ensure(database)

    def flush(self) -> None:
        """Write what waits. Blocks."""
        if self._queue is not None:
            self._queue.flush()

    def close(self) -> None:
        """Write what waits, and stop."""
        if self._queue is not None:
            self._queue.close()
