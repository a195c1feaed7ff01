"""Deployments as jobs, in the shape of all others: clients look for the work behind a deployment among the jobs.

And so the views whose targets a deployment fills, each as a job of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from stonechat.deploy.history import DeploymentRecord, Status, deployment_outlines
from stonechat.deploy.workspaces import Workspaces
from stonechat.jobs.runner import NotCancellable, NotRetryable
from stonechat.jobs.store import LISTED_HOURS, Job, JobStatus, Subject, UnknownJob
from stonechat.state import StateStore

DEPLOYMENT = "deployment"
POPULATION = "populateview"
OF_DEPLOYMENTS = frozenset({DEPLOYMENT, POPULATION})


@dataclass(frozen=True)
class DeploymentJobs:
    """Reads deployments as jobs, and ends them. Every method blocks."""

    store: StateStore
    workspaces: Workspaces

    def listed(self, workspace_id: str, *, status: str | None, kind: str | None) -> Iterator[Job]:
        """Those of the last 48 hours, and what is under way, the newest first."""
        if kind not in {None, *OF_DEPLOYMENTS}:
            return
        since = (datetime.now(UTC) - timedelta(hours=LISTED_HOURS)).strftime("%Y-%m-%d %H:%M:%S")
        for job in self._jobs(workspace_id):
            wanted = kind in {None, job.kind} and status in {None, job.status}
            if wanted and (job.created_at >= since or not job.status.ended):
                yield job

    def get(self, workspace_id: str, identity: str) -> Job:
        """The job of a deployment, or of a view that it fills. Raises `UnknownJob`."""
        for job in self._jobs(workspace_id):
            if job.id == identity:
                return job
        raise UnknownJob(f"The job '{identity}' does not exist")

    def cancel(self, workspace_id: str, identity: str) -> Job:
        """Discard the deployment while it is under way. Raises `UnknownJob` and `NotCancellable`."""
        job = self.get(workspace_id, identity)
        if job.status.ended or job.deployment_id is None:
            raise NotCancellable(f"The job '{identity}' cannot be cancelled: it is {job.status}")
        if job.kind != DEPLOYMENT:
            raise NotCancellable(
                f"The job '{identity}' cannot be cancelled: it is a part of a deployment",
                hint="Cancel the deployment's.",
            )
        self.workspaces.deployer(workspace_id).discard(job.deployment_id)
        return self.get(workspace_id, identity)

    def retry(self, workspace_id: str, identity: str) -> Job:
        """Never possible: the project may be another by now. Raises `UnknownJob` and `NotRetryable`."""
        self.get(workspace_id, identity)
        raise NotRetryable(f"The job '{identity}' cannot be run again: it is a deployment", hint="Deploy again.")

    def _jobs(self, workspace_id: str) -> Iterator[Job]:
        """All of them, the newest first."""
        for record in deployment_outlines(self.store, workspace_id):
            yield from (_population_job(workspace_id, record, each) for each in reversed(record.populations))
            yield _job(workspace_id, record)


def _job(workspace_id: str, record: DeploymentRecord) -> Job:
    return Job(
        id=str(uuid.uuid5(uuid.UUID(workspace_id), f"deployment {record.id}")),
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


def _population_job(workspace_id: str, record: DeploymentRecord, population: Mapping[str, Any]) -> Job:
    """The filling of a view's target. What did not come to its end ended with the deployment."""
    whole = _job(workspace_id, record)
    ended: str | None = population.get("ended")
    return replace(
        whole,
        id=str(uuid.uuid5(uuid.UUID(whole.id), str(population["view"]))),
        kind=POPULATION,
        status=JobStatus.DONE if ended else whole.status,
        result={"statistics": {"row_count": population["rows"]}} if ended else {},
        error=None if ended else whole.error,
        progress=1.0 if ended else _progress_of(record, population),
        data_source=Subject(*population["data_source"]),
        pipe=Subject(*population["pipe"]),
        created_at=population["began"],
        started_at=population["began"],
        updated_at=ended or whole.updated_at,
    )


def _progress_of(record: DeploymentRecord, population: Mapping[str, Any]) -> float:
    view = population["view"]
    for each in record.progress.get("filling", []):
        if steps := each["steps"].get(view):
            return float(each["done"].get(view, 0) / steps)
    return 0.0


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
