"""From staged rows to data sources: one swap if a table is replaced, then block after block, each step once.

A step that is repeated changes nothing: a swap is known by the identity of the table that is in place, a block by its
token. So the steps done are written down after each, and a process that was killed goes on with the first that is not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import structlog

from stonechat.engine.contract import Engine, EngineFailure
from stonechat.errors import Kind, StonechatError
from stonechat.ingest.destinations import is_transient, is_view_failure
from stonechat.ingest.ingestion import Ingestion
from stonechat.jobs.kinds import JobCancelled, JobFailed, Progress
from stonechat.jobs.replacing import Swap, definition_of, identity_of
from stonechat.jobs.staging import Batch, Staging
from stonechat.jobs.store import Job
from stonechat.project.live import LiveProjects, Snapshot, Table
from stonechat.project.versions import DataVersions, affected_by_writes

_log = structlog.get_logger(__name__)

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_PATIENCE = 60.0
_VIEW_ATTEMPTS = 3


class TargetChanged(StonechatError):
    """A deployment changed the data source, or the views behind it, while rows were staged to replace it."""

    code = "SC843"
    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Publication:
    """All that is staged for a run, in the order in which it is published, and what staging it took."""

    swap: Swap | None
    batches: tuple[Batch, ...]
    statistics: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, notes: Mapping[str, Any]) -> Self | None:
        """What a job has noted; None when nothing is staged."""
        noted = notes.get("staged")
        if noted is None:
            return None
        swap = Swap(**noted["swap"]) if noted["swap"] else None
        return cls(swap, tuple(map(Batch.of, noted["batches"])), noted["statistics"])

    @property
    def noted(self) -> Mapping[str, Any]:
        """As JSON."""
        swap = asdict(self.swap) if self.swap else None
        return {"swap": swap, "batches": [batch.noted for batch in self.batches], "statistics": self.statistics}


class Publisher:
    """Brings staged rows to where the tables of data sources are at that moment."""

    def __init__(self, engine: Engine, ingestion: Ingestion, projects: LiveProjects, versions: DataVersions) -> None:
        self._engine = engine
        self._ingestion = ingestion
        self._projects = projects
        self._versions = versions

    def swap(self, workspace_id: str, swap: Swap, staged: Table) -> None:
        """Put a staged table in the place of a data source's, for readers at one instant."""
        with self._ingestion.alone():
            snapshot = self._projects.of(workspace_id).snapshot
            source = snapshot.data_source(swap.data_source_id)
            target = snapshot.table(source.name)
            if identity_of(self._engine, target) != swap.identity:
                if definition_of(self._engine, snapshot, source) != swap.definition:
                    raise TargetChanged(
                        f"The data source '{source.name}' changed while the copy ran", hint="Run the copy again."
                    )
                self._engine.command(f"EXCHANGE TABLES {staged} AND {target}")
            self._changed(snapshot, source.name)

    def send(self, workspace_id: str, staging: Staging, batch: Batch, number: int, token: str) -> None:
        """Put one chunk into the data source that it is for, where its table is now, and the views behind it."""
        with self._ingestion.beside():
            snapshot = self._projects.of(workspace_id).snapshot
            name = snapshot.data_source(batch.data_source_id).name
            try:
                staging.send(batch, number, snapshot.table(name), token)
            finally:
                self._changed(snapshot, name)

    def _changed(self, snapshot: Snapshot, name: str) -> None:
        self._versions.raise_for(snapshot.workspace.id, affected_by_writes(snapshot.project)[name])


class Steps:
    """The steps of one publication in one attempt of its job. `begun`: something of it may be seen already."""

    def __init__(self, publisher: Publisher, job: Job, progress: Progress, staging: Staging) -> None:
        self._publisher = publisher
        self._job = job
        self._progress = progress
        self._staging = staging
        self._done = int(job.notes.get("published") or 0)
        self._view_failure: str | None = job.notes.get("view_failure")
        self.begun = bool(job.notes.get("begun"))

    def take(self, publication: Publication) -> None:
        """Take all steps from the first that is not done.

        Raises `TargetChanged`, `UnknownDataSource`, `JobFailed`, or the engine's failure.
        """
        if not self.begun:
            self._progress.check()
            self._progress.note(begun=True)
        number = 0
        if publication.swap is not None:
            self._step(number, publication.swap)
            number += 1
        for batch in publication.batches:
            for chunk in range(batch.chunks):
                self._step(number, batch, chunk)
                number += 1
        if self._view_failure is not None:
            raise JobFailed(
                f"A materialized view failed, the rows are in the data source: {self._view_failure}",
                result={"statistics": dict(publication.statistics)},
            )

    def _step(self, number: int, what: Swap | Batch, chunk: int = 0) -> None:
        if number < self._done:
            return
        self._patiently(number, what, chunk)
        self._done, self.begun = number + 1, True
        self._progress.note(published=self._done, view_failure=self._view_failure)

    def _patiently(self, number: int, what: Swap | Batch, chunk: int) -> None:
        end, pause, attempts = time.monotonic() + _PATIENCE, _FIRST_PAUSE, 0
        while True:
            attempts += 1
            try:
                if isinstance(what, Swap):
                    staged = Table(self._staging.database, what.table)
                    self._publisher.swap(self._job.workspace_id, what, staged)
                else:
                    token = f"{self._job.id}/{number}"
                    self._publisher.send(self._job.workspace_id, self._staging, what, chunk, token)
            except EngineFailure as failure:
                self.begun = self.begun or is_transient(failure) or is_view_failure(failure)
                if self._gives_up_view(failure, attempts):
                    return
                if not self.begun or self._progress.interrupted or time.monotonic() > end:
                    raise
                _log.warning("a copy is delayed", job=self._job.id, code=failure.code, reason=failure.message)
                self._pause(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return

    def _gives_up_view(self, failure: EngineFailure, attempts: int) -> bool:
        """Whether a view will not take the rows: the data source has them by then."""
        if not is_view_failure(failure) or is_transient(failure) or attempts < _VIEW_ATTEMPTS:
            return False
        _log.error("a materialized view failed", job=self._job.id, reason=failure.message)
        self._view_failure = failure.message
        return True

    def _pause(self, seconds: float) -> None:
        with suppress(JobCancelled):  # it is too late for that
            self._progress.check()
        time.sleep(seconds)
