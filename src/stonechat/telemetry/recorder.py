"""Where the other parts of the server record what they do."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Self

import msgspec

from stonechat.project.workspaces import Workspace
from stonechat.telemetry.counters import Durations, EventsCounters, EventsTaken, RequestCounters, Subject
from stonechat.telemetry.events import DataSourceOperation, Event
from stonechat.telemetry.queue import EventQueue, QueueCounters
from stonechat.telemetry.reports import Reports, StorageReading
from stonechat.telemetry.tables import ServiceTables

TagsOf = Callable[[str, str], Sequence[str]]


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


class Operation:
    """One operation on a data source, as a block: it is recorded when the block ends, as failed when that raises."""

    __slots__ = ("_began", "_bytes", "_record", "_template", "affected", "quarantined")

    def __init__(self, record: Callable[[Event], None], template: DataSourceOperation) -> None:
        self._record = record
        self._template = template
        self.affected: int | None = None
        self.quarantined: int | None = None
        self._bytes = (0, 0)

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def rows(self, affected: int | None, quarantined: int | None = None) -> None:
        """How many rows it changed, and how many went into the quarantine."""
        self.affected, self.quarantined = affected, quarantined

    def bytes(self, written: int, quarantined: int = 0) -> None:
        """How large those rows are."""
        self._bytes = written, quarantined

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        ended = msgspec.structs.replace(
            self._template,
            elapsed_time=time.perf_counter() - self._began,
            result="ok" if error is None else "error",
            error=None if error is None else str(error) or type(error).__name__,
            rows=self.affected,
            rows_quarantine=self.quarantined,
            written_rows=self.affected or 0,
            written_rows_quarantine=self.quarantined or 0,
            written_bytes=self._bytes[0],
            written_bytes_quarantine=self._bytes[1],
        )
        self._record(ended)


def _nothing() -> None:
    pass


class Telemetry:
    """Counters for the metrics, and events for the service data sources.

    Without `records` the service data sources stay empty: events count, and go nowhere. `stored` is asked what a
    workspace holds when its data has changed, every five minutes at most. `tags` tells those of a data source, by the
    ids of its workspace and its own.
    """

    def __init__(
        self,
        tables: ServiceTables,
        stored: StorageReading = lambda _: (),
        tags: TagsOf = lambda _workspace, _identity: (),
        *,
        records: bool = True,
    ) -> None:
        self.requests = RequestCounters()
        self.answers: dict[str, int] = defaultdict(int)
        self.queries = Durations()
        self.operations: dict[tuple[Subject, str, str], int] = defaultdict(int)
        self.events = EventsCounters()
        self.jobs: dict[tuple[str, str], int] = defaultdict(int)
        self._tables = tables
        self._tags = tags
        self._reports = Reports(self.events, stored, self._tagged)
        self._queue = EventQueue(tables.write, self._reports) if records else None

    @property
    def records(self) -> bool:
        """Whether events go anywhere."""
        return self._queue is not None

    @property
    def queue(self) -> QueueCounters:
        """What became of the events."""
        return QueueCounters() if self._queue is None else self._queue.counters

    @property
    def waiting(self) -> int:
        """Events that wait to be written."""
        return 0 if self._queue is None else self._queue.waiting

    def record(self, workspace: Workspace, event: Event) -> None:
        """Note something that happened in a workspace. Never blocks, never fails; any thread may call."""
        if isinstance(event, DataSourceOperation):
            event = self._tagged(workspace.id, event)
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

    def operation(
        self,
        workspace: Workspace,
        event_type: str,
        identity: str,
        name: str,
        *,
        import_id: str | None = None,
        job_id: str | None = None,
        request_id: str | None = None,
        options: Mapping[str, str] = {},
    ) -> Operation:
        """Record, around the work, an operation on a data source. `job_id` is that of the job that does it, and
        `request_id` that of the request that asked for it.
        """
        template = DataSourceOperation(
            event_type=event_type,
            datasource_id=identity,
            datasource_name=name,
            import_id=import_id,
            job_id=job_id,
            operation_id=job_id or "",
            request_id=request_id or "",
            option_names=tuple(options),
            option_values=tuple(options.values()),
        )
        return Operation(partial(self.record, workspace), template)

    def _tagged(self, workspace_id: str, operation: DataSourceOperation) -> DataSourceOperation:
        tags = operation.resource_tags or self._tags(workspace_id, operation.datasource_id)
        return msgspec.structs.replace(operation, resource_tags=tags) if tags else operation

    def catch_up(self, database: str) -> None:
        """Have the service data sources of a workspace there for somebody who is about to read them. Blocks.

        What was recorded before is in them, unless that was written a moment ago: then it may take seconds.
        """
        self._tables.ensure(database)
        if self._queue is not None:
            self._queue.catch_up()

    def forget(self, workspace: Workspace) -> None:
        """Forget what was counted for a workspace that is being deleted, and write no more for it. Blocks."""
        self._tables.close(workspace.database)
        self.events.forget(workspace.id)
        self._reports.forget(workspace.database)
        for key in [key for key in list(self.operations) if key[0].workspace.id == workspace.id]:
            self.operations.pop(key, None)

    def flush(self) -> None:
        """Write what waits. Blocks."""
        if self._queue is not None:
            self._queue.flush()

    def close(self) -> None:
        """Write what waits, and stop."""
        if self._queue is not None:
            self._queue.close()
