"""Jobs in the service data sources: a row whenever one is made or its status changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from stonechat.jobs.store import Job
from stonechat.project.live import LiveProjects, UnknownWorkspace
from stonechat.telemetry.events import JobState
from stonechat.telemetry.recorder import Telemetry


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


def job_state(job: Job) -> JobState:
    """A job as a row. Its payload stays out: it may hold what opens a door, such as an URL with a signature."""
    return JobState(
        job_id=job.id,
        job_type=job.kind,
        status=job.status,
        error=job.error,
        request_id=job.request_id,
        workspace_id=job.workspace_id,
        pipe_id=job.pipe.id if job.pipe else None,
        datasource_id=job.data_source.id if job.data_source else None,
        created_at=_seconds(job.created_at),
        started_at=_seconds(job.started_at) if job.started_at else None,
        updated_at=_seconds(job.updated_at),
        job_metadata=json.dumps(job.result),
    )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
