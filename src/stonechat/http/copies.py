"""`/v0/pipes/NAME/copy`: runs of copy pipes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import AccessDenied, Caller, ScopeType
from stonechat.datafile.resources import Pipe
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.jobs import asked_in, job_json
from stonechat.http.request_values import last_value, pipe_parameters, request_values
from stonechat.http.snapshots import Snapshots
from stonechat.jobs.copy_orders import CopyOrder, copy_job, copy_pipe, target_of_copy
from stonechat.jobs.runner import JobRunner
from stonechat.jobs.schedules import CopySchedules, schedule_json
from stonechat.project.snapshot import Snapshot

_MOST_ACTIVE = 100
#: Keys of a run that are no parameters of the pipe. There is one kind of compute here, so that one decides nothing.
_OPTIONS = frozenset({"_mode", "on_demand_compute", "__tb__deployment"})


class TooManyRuns(StonechatError):
    """As many runs of the pipe as there may be have not ended."""

    code = "SC845"
    kind = Kind.CONFLICT


class StagedCopy(StonechatError):
    """A run, or a pause, is asked for of a deployment that is not live."""

    code = "SC847"
    kind = Kind.CONFLICT


@dataclass(frozen=True)
class _Copies:
    """The handlers, and what they need."""

    authenticator: Authenticator
    snapshots: Snapshots
    jobs: JobRunner
    schedules: CopySchedules

    async def run(self, request: Request) -> Response:
        caller = self.authenticator.caller(request)
        snapshot = self.snapshots.of(request, caller)
        name = request.path_params["name"]
        if not caller.may(ScopeType.CREATE_PIPE):
            caller.require(ScopeType.READ_PIPE, snapshot.pipe(name).name)
        pipe = copy_pipe(snapshot, name)
        _require_run(caller, snapshot, pipe)
        self._require_live(snapshot)
        values = await request_values(request)
        parameters = {name: value for name, value in pipe_parameters(values).items() if name not in _OPTIONS}
        order = CopyOrder.checked(snapshot, pipe, parameters, last_value(values.get("_mode")))
        new = asked_in(request, copy_job(snapshot, pipe, order, caller.token_id))
        target = target_of_copy(snapshot, pipe)
        if len(self.jobs.active(new.workspace_id, pipe_id=snapshot.identities[pipe.name].id)) >= _MOST_ACTIVE:
            raise TooManyRuns(
                f"{_MOST_ACTIVE} runs of the pipe '{pipe.name}' wait already", hint="Wait for some, or cancel them."
            )
        job = await asyncio.to_thread(self.jobs.submit, new)
        shown = job_json(request, self.jobs, job)
        return JSONResponse({**shown, "job": shown, "tags": {"copy_target_datasource": target.id}})

    async def pause(self, request: Request) -> Response:
        return await self._pause(request, paused=True)

    async def resume(self, request: Request) -> Response:
        return await self._pause(request, paused=False)

    def _require_live(self, snapshot: Snapshot) -> None:
        if not self.snapshots.is_live(snapshot):
            raise StagedCopy("Copies run in the live deployment alone", hint="Promote the deployment first.")

    async def _pause(self, request: Request, *, paused: bool) -> Response:
        caller = self.authenticator.caller(request)
        snapshot = self.snapshots.of(request, caller)
        caller.require(ScopeType.CREATE_PIPE)
        pipe = copy_pipe(snapshot, request.path_params["name"])
        self._require_live(snapshot)
        schedule = await asyncio.to_thread(self.schedules.pause, snapshot, pipe, paused=paused)
        identity = snapshot.identities[pipe.name].id
        return JSONResponse({"id": identity, "name": pipe.name, "schedule": schedule_json(schedule)})


def routes(
    authenticator: Authenticator, snapshots: Snapshots, jobs: JobRunner, schedules: CopySchedules
) -> list[Route]:
    """The part of the Pipes API that is about copies."""
    handlers = _Copies(authenticator, snapshots, jobs, schedules)
    return [
        Route("/v0/pipes/{name}/copy", handlers.run, methods=["POST"]),
        Route("/v0/pipes/{name}/copy/pause", handlers.pause, methods=["POST"]),
        Route("/v0/pipes/{name}/copy/resume", handlers.resume, methods=["POST"]),
    ]


def _require_run(caller: Caller, snapshot: Snapshot, pipe: Pipe) -> None:
    """Who may change pipes runs copies, and who may read the pipe and append to its data source, all of both."""
    if caller.may(ScopeType.CREATE_PIPE):
        return
    caller.require(ScopeType.APPEND_DATA_SOURCE, target_of_copy(snapshot, pipe).name)
    if caller.is_narrowed:
        raise AccessDenied("The token reads only a part of the rows, and a copy takes all", hint="Use another token.")
