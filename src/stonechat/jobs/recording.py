"""Jobs in the service data sources: a row whenever one is made or its status changes, and what it did at its end."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from stonechat.jobs.store import Job, JobStatus
from stonechat.project.live import LiveProjects, UnknownWorkspace
from stonechat.telemetry.events import DataSourceOperation, JobState
from stonechat.telemetry.recorder import Telemetry

_EVENT_TYPES = {"import": "append", "copy": "copy", "delete_data": "delete", "populateview": "populateview"}
"""Kinds of jobs that change a data source, and what the log of operations calls that."""


class JobRecorder:
    """Hears of jobs from their runner."""

    def __init__(self, telemetry: Telemetry, projects: LiveProjects) -> None:
        self._telemetry = telemetry
        self._projects = projects

    def __call__(self, job: Job) -> None:
        """Record a job as it is now."""
        self._telemetry.jobs[job.kind, job.status] += 1
        try:
            workspace = self._projects.of(job.workspace_id).snapshot.workspace
        except UnknownWorkspace:  # it is being deleted, and its record with it
            return
        self._telemetry.record(workspace, job_state(job))
        if (operation := operation_of(job)) is not None:
            self._telemetry.record(workspace, operation)


def job_state(job: Job) -> JobState:
    """A job as a row. Its payload stays out: it may hold what opens a door, such as an URL with a signature."""
    return JobState(
        job_id=job.id,
        job_type=job.kind,
        status=job.status,
        error=job.error,
        workspace_id=job.workspace_id,
        pipe_id=job.pipe.id if job.pipe else None,
        datasource_id=job.data_source.id if job.data_source else None,
        created_at=_seconds(job.created_at),
        started_at=_seconds(job.started_at) if job.started_at else None,
        updated_at=_seconds(job.updated_at),
        job_metadata=json.dumps(job.result),
    )


def operation_of(job: Job) -> DataSourceOperation | None:
    """What a job did to a data source, once it has ended by itself and if it is about one."""
    event_type = _EVENT_TYPES.get(job.kind)
    if event_type is None or job.data_source is None or job.status not in {JobStatus.DONE, JobStatus.ERROR}:
        return None
    rows, quarantined = job.result.get("successful_rows"), job.result.get("quarantined_rows")
    return DataSourceOperation(
        event_type=event_type,
        datasource_id=job.data_source.id,
        datasource_name=job.data_source.name,
        result="ok" if job.status is JobStatus.DONE else "error",
        error=job.error,
        elapsed_time=_seconds(job.updated_at) - _seconds(job.started_at or job.updated_at),
        import_id=job.result.get("import_id"),
        job_id=job.id,
        operation_id=job.id,
        rows=rows,
        rows_quarantine=quarantined,
        written_rows=rows or 0,
        written_rows_quarantine=quarantined or 0,
        pipe_id=job.pipe.id if job.pipe else "",
        pipe_name=job.pipe.name if job.pipe else "",
    )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
