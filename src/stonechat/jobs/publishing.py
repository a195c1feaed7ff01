"""From staged rows to a data source: block after block, each once.

A block that is sent again under its token changes nothing. So each is noted when it is in, and a process that was
killed goes on with the first that is not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import structlog

from stonechat.engine.contract import EngineFailure
from stonechat.ingest.destinations import Destinations, is_transient, is_view_failure
from stonechat.ingest.ingestion import Ingestion
from stonechat.jobs.kinds import JobCancelled, JobFailed, Progress
from stonechat.jobs.staging import Batch, Staging
from stonechat.jobs.store import Job
from stonechat.project.snapshot import Table, UnknownDataSource

_log = structlog.get_logger(__name__)

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_PATIENCE = 60.0
_VIEW_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Publication:
    """What is staged for a job, and what staging it took."""

    batch: Batch
    statistics: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, notes: Mapping[str, Any]) -> Self | None:
        """What a job has noted; None when nothing is staged."""
        noted = notes.get("staged")
        return cls(Batch.of(noted["batch"]), noted["statistics"]) if noted else None

    @property
    def noted(self) -> Mapping[str, Any]:
        """As JSON."""
        return {"batch": self.batch.noted, "statistics": self.statistics}


class Publisher:
    """Brings staged rows to where the tables of a data source are at that moment."""

    def __init__(self, ingestion: Ingestion, destinations: Destinations) -> None:
        self._ingestion = ingestion
        self._destinations = destinations
        self._lock = threading.Lock()

    def send(self, staging: Staging, batch: Batch, number: int, token: str, sent: Callable[[str | None], None]) -> None:
        """Put one chunk into the data source that it is for, and the views behind it.

        A table that a deployment has beside the live one takes it first: what does not fit there is in neither. `sent`
        is called before a deployment can look at the tables, with what views failed of, if they did: the rows are in
        then. Raises `UnknownDataSource`, or the engine's failure.
        """
        with self._ingestion.beside():
            with self._lock:
                destination = self._destinations(batch.data_source_id)
            if destination is None:
                raise UnknownDataSource("The data source that the rows are for is not there any more")
            view_failure = None
            for each in (*destination.beside, destination):
                table = Table(each.database, each.table)
                try:
                    failed = _sent(partial(staging.send, batch, number, table, token + each.version))
                finally:
                    each.changed()
                view_failure = view_failure or failed
            sent(view_failure)


def _sent(send: Callable[..., None]) -> str | None:
    """Send a chunk, in the end past the views that do not take it; what one of these failed of."""
    for attempt in range(1, _VIEW_ATTEMPTS + 1):
        try:
            send()
        except EngineFailure as failure:
            if not is_view_failure(failure) or is_transient(failure):
                raise
            if attempt == _VIEW_ATTEMPTS:
                _log.error("a materialized view failed", reason=failure.message)
                send(past_failing_views=True)
                return failure.message
        else:
            break
    return None


class Steps:
    """The chunks of one publication in one attempt of its job. `begun`: something of it may be seen already."""

    def __init__(self, publisher: Publisher, job: Job, progress: Progress, staging: Staging) -> None:
        self._publisher = publisher
        self._job = job
        self._progress = progress
        self._staging = staging
        self._done = int(job.notes.get("published") or 0)
        self._view_failure: str | None = job.notes.get("view_failure")
        self.begun = bool(job.notes.get("begun"))

    def take(self, publication: Publication) -> None:
        """Send all chunks that are not in. Raises `UnknownDataSource`, `JobFailed`, or the engine's failure."""
        if not self.begun:
            self._progress.check()
            self._progress.note(begun=True)
        while self._done < publication.batch.chunks:
            self.next(publication.batch)
        if self._view_failure is not None:
            raise JobFailed(
                f"A materialized view failed, the rows are in the data source: {self._view_failure}",
                result={"statistics": dict(publication.statistics)},
            )

    def next(self, batch: Batch) -> None:
        """Send the first chunk that is not in, patiently."""
        end, pause = time.monotonic() + _PATIENCE, _FIRST_PAUSE
        token = f"{self._job.id}/{self._done}"
        while True:
            try:
                self._publisher.send(self._staging, batch, self._done, token, self._sent)
            except EngineFailure as failure:
                self.begun = self.begun or is_transient(failure)
                if not self.begun or self._progress.interrupted or time.monotonic() > end:
                    raise
                _log.warning("a copy is delayed", job=self._job.id, code=failure.code, reason=failure.message)
                with suppress(JobCancelled):  # it is too late for that
                    self._progress.check()
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return

    def _sent(self, view_failure: str | None) -> None:
        self._done, self.begun = self._done + 1, True
        self._view_failure = view_failure or self._view_failure
        self._progress.note(published=self._done, view_failure=self._view_failure)
