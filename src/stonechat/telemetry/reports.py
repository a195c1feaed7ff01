"""Events that are made of counters: what came over the Events API, and what the data sources hold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator

from stonechat.telemetry.counters import EventsCounters, EventsTaken
from stonechat.telemetry.events import DataSourceOperation, EventsRequests, StoredRows
from stonechat.telemetry.queue import Item

StorageReading = Callable[[str], Iterable[StoredRows]]
"""What the data sources of a workspace hold, by the database of the workspace; none for one that is gone."""
Tagged = Callable[[str, DataSourceOperation], DataSourceOperation]
"""An operation in the workspace of an id, with the tags of its data source."""

_STORAGE_SECONDS = 300.0
_EVENTS_API = "append-hfi"


class Reports:
    """Tells what the Events API took since the last time, and every five minutes what changed workspaces hold."""

    def __init__(
        self,
        counters: EventsCounters,
        stored: StorageReading,
        tagged: Tagged,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counters = counters
        self._stored = stored
        self._tagged = tagged
        self._clock = clock
        self._changed: set[str] = set()
        self._measured: dict[str, float] = {}

    def changed(self, database: str) -> None:
        """The data of a workspace has changed. Any thread may call."""
        self._changed.add(database)

    def forget(self, database: str) -> None:
        """A workspace is gone."""
        self._changed.discard(database)
        self._measured.pop(database, None)

    def due(self) -> float | None:
        """Seconds until a workspace that has changed is measured again; None when none has."""
        times = [self._due(database) for database in list(self._changed)]
        return max(min(times) - self._clock(), 0.0) if times else None

    def events(self) -> Iterator[Item]:
        """What there is to tell now."""
        now = int(time.time())
        for news in self._counters.news():
            database = news.subject.workspace.database
            self.changed(database)
            yield database, _requests(news, now)
            if news.requests > news.errors:
                yield database, self._tagged(news.subject.workspace.id, _appended(news, now))
            if news.errors:
                yield database, self._tagged(news.subject.workspace.id, _failed(news, now))
        for database in list(self._changed):
            if self._clock() >= self._due(database):
                self._changed.discard(database)
                self._measured[database] = self._clock()
                yield from ((database, stored) for stored in self._stored(database))

    def _due(self, database: str) -> float:
        return self._measured.get(database, -math.inf) + _STORAGE_SECONDS


def _requests(news: EventsTaken, now: int) -> EventsRequests:
    return EventsRequests(
        timestamp=now,
        datasource_id=news.subject.id,
        datasource_name=news.subject.name,
        requests=news.requests,
        errors=news.errors,
        rows=news.rows,
        rows_quarantine=news.quarantined,
        bytes=news.bytes,
    )


def _appended(news: EventsTaken, now: int) -> DataSourceOperation:
    return DataSourceOperation(
        event_type=_EVENTS_API,
        datasource_id=news.subject.id,
        datasource_name=news.subject.name,
        timestamp=now,
        elapsed_time=news.seconds / (news.requests - news.errors),
        rows=news.rows,
        rows_quarantine=news.quarantined,
        written_rows=news.rows,
        written_bytes=news.bytes,
        written_rows_quarantine=news.quarantined,
        option_names=("requests",),
        option_values=(str(news.requests - news.errors),),
    )


def _failed(news: EventsTaken, now: int) -> DataSourceOperation:
    return DataSourceOperation(
        event_type=_EVENTS_API,
        datasource_id=news.subject.id,
        datasource_name=news.subject.name,
        timestamp=now,
        result="error",
        error=news.last_error,
        rows=0,
        rows_quarantine=0,
        option_names=("requests",),
        option_values=(str(news.errors),),
    )
