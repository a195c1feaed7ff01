"""Copy pipes: the rows of a pipe into a data source, once for each run, whatever is killed meanwhile.

A run that appends stages its rows, notes that they are staged, and publishes them. Until then it leaves nothing behind;
from then on it goes on to its end, after a kill as well. A run that replaces swaps tables, as replacing files does.
The record on copies in `docs/decisions/` has the reasons.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import sqlalchemy as sa
import structlog

from stonechat.datafile.resources import DataSource, Pipe
from stonechat.deploy.copies import require_copyable
from stonechat.engine.contract import Engine, Fill, Query, QueryLimits, QueryResult
from stonechat.errors import Kind, StonechatError
from stonechat.jobs.contents import Contents, Replaced, Replacement
from stonechat.jobs.copy_orders import COPY, JOB_TIMESTAMP, REPLACE, CopyOrder, copy_pipe, target_of_copy
from stonechat.jobs.kinds import JobInterrupted, JobKind, Progress
from stonechat.jobs.publishing import Publication, Publisher, Steps
from stonechat.jobs.renewal import Renewal
from stonechat.jobs.staging import POSITION_BYTES, Staging, given_columns, measured, remove_staged
from stonechat.jobs.store import Job, JobStore
from stonechat.project.composition import compose_pipe
from stonechat.project.live import LiveProjects, UnknownWorkspace
from stonechat.project.snapshot import Snapshot
from stonechat.query.clauses import without_clauses
from stonechat.sql.quoting import parameter_text
from stonechat.telemetry.events import DataSourceOperation
from stonechat.telemetry.recorder import Telemetry

_log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.5
_SHARE_OF_STAGING = 0.9
_THREADS = max((os.cpu_count() or 1) // 2, 1)


class OtherTarget(StonechatError):
    """The copy pipe writes another data source than it did when the run was asked for."""

    code = "SC844"
    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class CopyLimits:
    """Bounds of a run's query: `seconds` of wall time, and memory."""

    seconds: float
    memory_bytes: int


class Copier:
    """Runs copy pipes, as a kind of job."""

    def __init__(
        self,
        engine: Engine,
        contents: Contents,
        publisher: Publisher,
        projects: LiveProjects,
        telemetry: Telemetry,
        *,
        limits: CopyLimits,
    ) -> None:
        self._engine = engine
        self._contents = contents
        self._publisher = publisher
        self._projects = projects
        self._telemetry = telemetry
        self._limits = QueryLimits(limits.seconds, limits.memory_bytes, threads=_THREADS)

    @property
    def kind(self) -> JobKind:
        """The kind of job that runs of copy pipes are."""
        return JobKind(COPY, self._run)

    def recover(self, store: JobStore) -> None:
        """Send the chunks again that a kill has left in doubt, and drop what is staged for nobody.

        To be called before deployments look at the tables: a copy of a table does not know the tokens of its rows.
        """
        for job in store.unfinished():
            publication = Publication.of(job.notes) if job.kind == COPY and job.notes.get("begun") else None
            if publication is not None and int(job.notes.get("published") or 0) < publication.batch.chunks:
                _, steps = self._staged(job, Progress(job, store, cancelled=False))
                try:
                    steps.next(publication.batch)
                except StonechatError as error:  # the job meets it again, and says so
                    _log.warning("a copy cannot go on yet", job=job.id, reason=str(error))
        going_on = [*store.unfinished(), *(job for job in store.begun_and_failed() if job.notes.get("begun"))]
        remove_staged(self._engine, [job.id for job in going_on])

    def _run(self, job: Job, progress: Progress) -> Mapping[str, Any]:
        began = time.monotonic()
        try:
            result = self._carry_out(job, progress)
        except JobInterrupted:
            raise
        except StonechatError as error:
            if not progress.interrupted:
                self._record(job, time.monotonic() - began, error=str(error))
            raise
        self._record(job, time.monotonic() - began, result["statistics"])
        return result

    def _carry_out(self, job: Job, progress: Progress) -> Mapping[str, Any]:
        order = CopyOrder.of(job.payload)
        work = self._replace if order.mode == REPLACE else self._append
        return {
            "mode": order.mode,
            "parameters": dict(order.parameters),
            JOB_TIMESTAMP: order.values[JOB_TIMESTAMP],
            "scheduled": order.scheduled,
            **work(job, progress),
        }

    def _append(self, job: Job, progress: Progress) -> Mapping[str, Any]:
        """Stage the rows, and send them on once they are all there."""
        staging, steps = self._staged(job, progress)
        try:
            publication = Publication.of(job.notes)
            if publication is None:
                publication = self._stage(job, staging)
                progress.note(staged=publication.noted)
            steps.take(publication)
        except BaseException:
            # What may be seen in part stays staged, for the next start or for a retry.
            if not steps.begun and not progress.interrupted:
                staging.drop()
                progress.note(staged=None, begun=False)
            raise
        staging.drop()
        return {"statistics": dict(publication.statistics)}

    def _staged(self, job: Job, progress: Progress) -> tuple[Staging, Steps]:
        staging = Staging(self._engine, job.id, self._limits, partial(self._fill, job, progress))
        return staging, Steps(self._publisher, job, progress, staging)

    def _stage(self, job: Job, staging: Staging) -> Publication:
        """Run the pipe's query into a table that nobody reads."""
        snapshot, pipe, source = self._subjects(job)
        query = self._query(snapshot, pipe, CopyOrder.of(job.payload))
        staging.clear()
        began = time.monotonic()
        identity = snapshot.identities[source.name].id
        staged = staging.stage("rows", query, snapshot.table(source.name), identity)
        rows = staged.batch.rows
        size = staged.batch.size - rows * POSITION_BYTES
        return Publication(staged.batch, _statistics(rows, size, staged.read, began))

    def _replace(self, job: Job, progress: Progress) -> Mapping[str, Any]:
        """Write the rows beside the live ones, with what views make of them, and let them take the place of these."""
        assert job.data_source is not None
        if decided := job.notes.get("result"):
            self._contents.complete(job.workspace_id, job.data_source.id)
            return dict(decided)
        result: dict[str, Any] = {}

        def write(renewal: Renewal, _source: DataSource) -> None:
            snapshot, pipe, _ = self._subjects(job)
            query = self._query(snapshot, pipe, CopyOrder.of(job.payload))
            began = time.monotonic()
            target = renewal.entrance
            columns = given_columns(self._engine, query, target)
            read = self._fill(job, progress, Fill(target.database, target.name, tuple(columns), query))
            progress.check()
            result["statistics"] = _statistics(*measured(self._engine, target), read, began)

        def decide(connection: sa.Connection, replaced: Replaced | None) -> None:
            if replaced is not None:
                result["rows_replaced"] = replaced.rows
            progress.note_within(connection, result=replaced and result)

        self._contents.replace(job.workspace_id, job.data_source.id, Replacement(), write, decide)
        return result

    def _subjects(self, job: Job) -> tuple[Snapshot, Pipe, DataSource]:
        """The project as it is now, with the pipe and the data source of a job."""
        assert job.pipe is not None
        assert job.data_source is not None
        snapshot = self._projects.of(job.workspace_id).snapshot
        pipe = copy_pipe(snapshot, job.pipe.id)
        target = target_of_copy(snapshot, pipe)
        if target.id != job.data_source.id:
            raise OtherTarget(
                f"The pipe '{pipe.name}' copies into '{target.name}' by now, and not into '{job.data_source.name}'",
                hint="Run it again.",
            )
        return snapshot, pipe, snapshot.data_source(target.name)

    def _query(self, snapshot: Snapshot, pipe: Pipe, order: CopyOrder) -> Query:
        composed = compose_pipe(snapshot.project, pipe, order.values)
        if require_copyable(self._engine, composed.sql, snapshot.project.shared):
            self._telemetry.catch_up(snapshot.workspace.database)
        settings = dict(composed.settings)
        threads = min(int(settings.pop("max_threads", _THREADS)), os.cpu_count() or 1)
        query = Query(
            snapshot.placed(composed.sql),
            database=snapshot.workspace.database,
            parameters={name: parameter_text(value) for name, value in composed.bound.items()},
            settings=settings,
            limits=replace(self._limits, threads=max(threads, 1)),
        )
        return without_clauses(query, self._engine.explain)

    def _fill(self, job: Job, progress: Progress, fill: Fill) -> QueryResult:
        """A fill that a cancellation ends, and whose progress is the job's."""
        query_id = f"{job.id} {time.monotonic_ns()}"
        fill = replace(fill, query=replace(fill.query, query_id=query_id))
        with progress.ending_by(partial(self._engine.cancel, query_id)), ThreadPoolExecutor(1, "copy") as thread:
            filling = thread.submit(self._engine.fill, fill)
            while True:
                try:
                    return filling.result(timeout=_POLL_SECONDS)
                except TimeoutError:
                    reading = self._engine.reading(query_id)
                    if reading is not None and reading.expected:
                        progress.report(min(reading.rows / reading.expected, 1.0) * _SHARE_OF_STAGING)

    def _record(
        self, job: Job, seconds: float, statistics: Mapping[str, Any] | None = None, *, error: str | None = None
    ) -> None:
        try:
            workspace = self._projects.of(job.workspace_id).snapshot.workspace
        except UnknownWorkspace:  # it is being deleted, and its record with it
            return
        assert job.pipe is not None
        assert job.data_source is not None
        counts = statistics or {}
        options = {key: str(job.payload[key]) for key in ("mode", JOB_TIMESTAMP)}
        self._telemetry.record(
            workspace,
            DataSourceOperation(
                event_type=COPY,
                datasource_id=job.data_source.id,
                datasource_name=job.data_source.name,
                result="error" if error else "ok",
                error=error,
                elapsed_time=seconds,
                option_names=tuple(options),
                option_values=tuple(options.values()),
                job_id=job.id,
                operation_id=job.id,
                request_id=job.request_id or "",
                rows=counts.get("row_count", 0),
                read_rows=counts.get("rows_read", 0),
                read_bytes=counts.get("bytes_read", 0),
                written_rows=counts.get("row_count", 0),
                written_bytes=counts.get("bytes", 0),
                pipe_id=job.pipe.id,
                pipe_name=job.pipe.name,
            ),
        )


def _statistics(rows: int, size: int, read: QueryResult, began: float) -> Mapping[str, Any]:
    counts = {"row_count": rows, "bytes": size, "rows_read": read.rows_read, "bytes_read": read.bytes_read}
    return {**counts, "elapsed": round(time.monotonic() - began, 6)}
