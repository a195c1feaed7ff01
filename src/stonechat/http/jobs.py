"""`/v0/jobs`: what goes on behind requests, and the end of it where somebody wants that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from heapq import merge

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import Caller, ScopeType
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.deployment_jobs import DEPLOYMENT, OF_DEPLOYMENTS, DeploymentJobs
from stonechat.http.import_progress import block_log
from stonechat.http.observing import REQUEST_ID
from stonechat.jobs.import_orders import IMPORT
from stonechat.jobs.runner import JobRunner
from stonechat.jobs.store import LISTED_JOBS, Job, JobStatus, NewJob, UnknownJob

_Act = Callable[[str, str], Job]


class UnknownStatus(StonechatError):
    """Jobs are asked for by a status that none can have."""

    code = "SC837"
    kind = Kind.INVALID


def asked_in(request: Request, new: NewJob) -> NewJob:
    """A job as one that this request asked for."""
    return replace(new, request_id=request.scope[REQUEST_ID])


@dataclass(frozen=True)
class _Jobs:
    """The handlers, and what they need."""

    authenticator: Authenticator
    jobs: JobRunner
    deployments: DeploymentJobs

    async def list_all(self, request: Request) -> Response:
        caller = self.authenticator.caller(request)
        status, kind = (request.query_params.get(name) or None for name in ("status", "kind"))
        if status is not None and status not in set(JobStatus):
            raise UnknownStatus(f"There is no status '{status}'", hint=f"A job is {', '.join(JobStatus)}.")
        found = await asyncio.to_thread(self._found, caller.workspace_id, status, kind)
        shown = [job_json(request, self.jobs, job) for job in found if _may_see(caller, job)]
        return JSONResponse({"jobs": shown[:LISTED_JOBS]})

    async def show(self, request: Request) -> Response:
        return await self._answer(request, self.jobs.get, self.deployments.get)

    async def cancel(self, request: Request) -> Response:
        return await self._answer(request, self.jobs.cancel, self.deployments.cancel)

    async def retry(self, request: Request) -> Response:
        return await self._answer(request, self.jobs.retry, self.deployments.retry)

    def _found(self, workspace_id: str, status: str | None, kind: str | None) -> Sequence[Job]:
        """Jobs and deployments; each keeps its place among its own, whatever the clock did meanwhile."""
        jobs = self.jobs.listed(workspace_id, status=status, kind=kind)
        deployments = self.deployments.listed(workspace_id, status=status, kind=kind)
        return list(merge(jobs, deployments, key=lambda job: job.created_at, reverse=True))

    def _get(self, workspace_id: str, identity: str) -> Job:
        try:
            return self.jobs.get(workspace_id, identity)
        except UnknownJob:
            return self.deployments.get(workspace_id, identity)

    async def _answer(self, request: Request, act: _Act, act_on_deployment: _Act) -> Response:
        caller = self.authenticator.caller(request)
        identity = request.path_params["id"]
        job = await asyncio.to_thread(self._get, caller.workspace_id, identity)
        if not _may_see(caller, job) or (act != self.jobs.get and not _may_change(caller, job)):
            raise UnknownJob(f"The job '{identity}' does not exist")
        act = act_on_deployment if job.kind in OF_DEPLOYMENTS else act
        return JSONResponse(job_json(request, self.jobs, await asyncio.to_thread(act, caller.workspace_id, identity)))


def routes(authenticator: Authenticator, jobs: JobRunner, deployments: DeploymentJobs) -> list[Route]:
    """The Jobs API."""
    handlers = _Jobs(authenticator, jobs, deployments)
    return [
        Route("/v0/jobs", handlers.list_all, methods=["GET"]),
        Route("/v0/jobs/{id}", handlers.show, methods=["GET"]),
        Route("/v0/jobs/{id}/cancel", handlers.cancel, methods=["POST"]),
        Route("/v0/jobs/{id}/retry", handlers.retry, methods=["POST"]),
    ]


def job_json(request: Request, jobs: JobRunner, job: Job) -> dict[str, object]:
    """A job as every answer shows it: the keys that all have, and those of its result."""
    subject = {"id": job.data_source.id, "name": job.data_source.name} if job.data_source else None
    known: dict[str, object] = {
        "id": job.id,
        "job_id": job.id,
        "kind": job.kind,
        "status": str(job.status),
        "created_at": job.created_at,
        "started_at": job.started_at,
        "updated_at": job.updated_at,
        "job_url": f"{request.base_url}v0/jobs/{job.id}",
        "is_cancellable": not job.status.ended if job.kind == DEPLOYMENT else jobs.may_cancel(job),
        "error": job.error,
        "errors": [job.error] if job.error else [],
        "progress_percentage": round((job.progress or 0) * 100, 1),
    }
    optional: dict[str, object | None] = {
        "datasource": subject,
        "pipe_id": job.pipe and job.pipe.id,
        "pipe_name": job.pipe and job.pipe.name,
        "deployment_id": None if job.deployment_id is None else str(job.deployment_id),
        "block_log": block_log(job) if job.kind == IMPORT and wants_block_log(request) else None,
    }
    return {**job.result, **known, **{key: value for key, value in optional.items() if value is not None}}


def begun_json(request: Request, jobs: JobRunner, job: Job, **more: str) -> dict[str, object]:
    """The answer to who began a job: the job, and once more as `job`. Clients take a key `error` in it for one."""
    whole = {**job_json(request, jobs, job), **more}
    shown = {key: value for key, value in whole.items() if key not in {"error", "errors"} or value}
    return {**shown, "job": shown}


def wants_block_log(request: Request) -> bool:
    """Whether the parameter `debug` asks for it."""
    return "block_log" in request.query_params.get("debug", "").split(",")


def _may_see(caller: Caller, job: Job) -> bool:
    """Who reads everything sees all jobs; who asked for a job sees that one, and who deploys the deployments."""
    return caller.may(ScopeType.READ_ALL) or _asked_for(caller, job) or _deploys(caller, job)


def _may_change(caller: Caller, job: Job) -> bool:
    return caller.is_admin or _asked_for(caller, job) or _deploys(caller, job)


def _deploys(caller: Caller, job: Job) -> bool:
    return job.kind in OF_DEPLOYMENTS and caller.may(ScopeType.DEPLOY)


def _asked_for(caller: Caller, job: Job) -> bool:
    return bool(job.token_id) and job.token_id == caller.token_id
