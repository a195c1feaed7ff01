"""Deployments as jobs, in the shape of all others: clients look for the work behind a deployment among the jobs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from stonechat.deploy.history import DeploymentRecord, Status, deployment_outlines
from stonechat.deploy.workspaces import Workspaces
from stonechat.jobs.runner import NotCancellable, NotRetryable
from stonechat.jobs.store import LISTED_HOURS, Job, JobStatus, UnknownJob
from stonechat.state import StateStore

DEPLOYMENT = "deployment"


@dataclass(frozen=True)
class DeploymentJobs:
    """Reads deployments as jobs, and ends them. Every method blocks."""

    store: StateStore
    workspaces: Workspaces

    def listed(self, workspace_id: str, *, status: str | None, kind: str | None) -> Iterator[Job]:
        """Those of the last 48 hours, and the one under way, the newest first."""
        if kind not in {None, DEPLOYMENT}:
            return
        since = (datetime.now(UTC) - timedelta(hours=LISTED_HOURS)).strftime("%Y-%m-%d %H:%M:%S")
        for record in deployment_outlines(self.store, workspace_id):
            job = _job(workspace_id, record)
            if status in {None, job.status} and (record.created_at >= since or not job.status.ended):
                yield job

    def get(self, workspace_id: str, identity: str) -> Job:
        """The job of a deployment. Raises `UnknownJob`."""
        for record in deployment_outlines(self.store, workspace_id):
            if _job_id(workspace_id, record) == identity:
                return _job(workspace_id, record)
        raise UnknownJob(f"The job '{identity}' does not exist")

    def cancel(self, workspace_id: str, identity: str) -> Job:
        """Discard the deployment while it is under way. Raises `UnknownJob` and `NotCancellable`."""
        job = self.get(workspace_id, identity)
        if job.status.ended or job.deployment_id is None:
            raise NotCancellable(f"The job '{identity}' cannot be cancelled: it is {job.status}")
        self.workspaces.deployer(workspace_id).discard(job.deployment_id)
        return self.get(workspace_id, identity)

    def retry(self, workspace_id: str, identity: str) -> Job:
        """Never possible: the project may be another by now. Raises `UnknownJob` and `NotRetryable`."""
        self.get(workspace_id, identity)
        raise NotRetryable(f"The job '{identity}' cannot be run again: it is a deployment", hint="Deploy again.")


def _job(workspace_id: str, record: DeploymentRecord) -> Job:
    return Job(
        id=_job_id(workspace_id, record),
        workspace_id=workspace_id,
        kind=DEPLOYMENT,
        status=_status(record),
        exclusive="",
        payload={},
        notes={},
        result={},
        error="; ".join(str(each["error"]) for each in record.errors) or None,
        progress=_progress(record),
        attempts=1,
        data_source=None,
        pipe=None,
        deployment_id=record.id,
        token_id="",
        created_at=record.created_at,
        started_at=record.created_at,
        updated_at=record.updated_at,
    )


def _job_id(workspace_id: str, record: DeploymentRecord) -> str:
    return str(uuid.uuid5(uuid.UUID(workspace_id), f"deployment {record.id}"))


def _status(record: DeploymentRecord) -> JobStatus:
    """The work is done when the deployment can be live, whether it is, was, or only could have been."""
    match record.status:
        case Status.DATA_READY:
            return JobStatus.DONE
        case Status.FAILED:
            return JobStatus.ERROR
        case Status.DELETED:
            return JobStatus.DONE if record.promoted_at else JobStatus.CANCELLED
        case _:
            return JobStatus.WORKING


def _progress(record: DeploymentRecord) -> float:
    if _status(record).ended:
        return float(_status(record) is JobStatus.DONE)
    filling: list[Mapping[str, Any]] = record.progress.get("filling", [])
    steps = sum(sum(each["steps"].values()) for each in filling)
    return sum(sum(each["done"].values()) for each in filling) / steps if steps else 0.0
