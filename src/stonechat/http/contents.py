"""Removing rows from data sources: all of them, or those that a condition holds for. What only deployments may do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import ScopeType
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.bodies import read_body
from stonechat.http.jobs import asked_in, begun_json
from stonechat.http.observing import REQUEST_ID
from stonechat.http.targets import OnlyByDeployment, Target, Targets
from stonechat.jobs.contents import Contents
from stonechat.jobs.deletions import count_rows, deletion_job
from stonechat.jobs.runner import JobRunner
from stonechat.jobs.store import NewJob
from stonechat.sql.quoting import literal

_MAX_BODY_BYTES = 256 * 1024
_TRUE = {"true", "1", "yes", "on"}


class UnreadableParameters(StonechatError):
    """Rows are to be deleted, and nothing says which, or the body that should cannot be read."""

    code = "SC953"
    kind = Kind.INVALID


@dataclass(frozen=True)
class ContentsRoom:
    """What the handlers need. `threads` run what callers wait for."""

    contents: Contents
    jobs: JobRunner
    engine: Engine
    threads: Executor


@dataclass(frozen=True)
class _Handlers:
    authenticator: Authenticator
    targets: Targets
    room: ContentsRoom

    async def truncate(self, request: Request) -> Response:
        values = await _values(request)
        target = self._target(request)
        empty = partial(
            self.room.contents.truncate,
            target.snapshot.workspace.id,
            target.identity,
            quarantine=_is_true(values, "quarantine"),
            request_id=request.scope[REQUEST_ID],
        )
        await asyncio.get_running_loop().run_in_executor(self.room.threads, empty)
        return Response(status_code=205)

    async def delete(self, request: Request) -> Response:
        """As a job, whose answer is its beginning; or how many rows it would be."""
        values = await _values(request)
        target = self._target(request)
        condition = await self._condition(target, values)
        if _is_true(values, "dry_run"):
            return await self._counted(target, condition, values)
        new = self._job(target, condition, values, lightweight=False)
        return await self._answer(request, new, wait=False)

    async def delete_lightweight(self, request: Request) -> Response:
        """Without rewriting whole parts of the table; the answer comes when the rows are gone."""
        values = await _values(request)
        target = self._target(request)
        condition = await self._condition(target, values)
        if partition := values.get("partition"):
            condition = f"({condition} AND (_partition_id = {literal(partition)}))"
        if _is_true(values, "dry_run"):
            return await self._counted(target, condition, values)
        new = self._job(target, condition, values, lightweight=True)
        return await self._answer(request, new, wait=values.get("wait", "true").lower() in _TRUE)

    async def only_by_deployment(self, request: Request) -> Response:
        """Whoever may create data sources hears that deployments do it; all others that they may not."""
        caller = self.authenticator.caller(request)
        caller.require(ScopeType.CREATE_DATA_SOURCE)
        raise OnlyByDeployment

    def _target(self, request: Request) -> Target:
        caller = self.authenticator.caller(request)
        return self.targets.of(request, caller, request.path_params["name"], rewriting=True)

    async def _condition(self, target: Target, values: Mapping[str, str]) -> str:
        if not values.get("delete_condition"):
            raise UnreadableParameters(
                "The parameter 'delete_condition' is missing", hint="To remove all rows, truncate."
            )
        return await asyncio.to_thread(target.condition, values["delete_condition"], self.room.engine)

    async def _counted(self, target: Target, condition: str, values: Mapping[str, str]) -> Response:
        count = partial(count_rows, self.room.engine, target.snapshot, target.source, condition)
        rows = await asyncio.get_running_loop().run_in_executor(self.room.threads, count)
        return JSONResponse({"rows_to_be_deleted": rows, "delete_condition": values["delete_condition"]})

    def _job(self, target: Target, condition: str, values: Mapping[str, str], *, lightweight: bool) -> NewJob:
        shown = values["delete_condition"]
        token_id = target.caller.token_id
        return deletion_job(target.snapshot, target.source, condition, token_id, shown=shown, lightweight=lightweight)

    async def _answer(self, request: Request, new: NewJob, *, wait: bool) -> Response:
        loop = asyncio.get_running_loop()
        jobs = self.room.jobs
        job = await loop.run_in_executor(self.room.threads, jobs.run if wait else jobs.submit, asked_in(request, new))
        return JSONResponse(begun_json(request, jobs, job, delete_id=job.id))


def routes(authenticator: Authenticator, targets: Targets, room: ContentsRoom) -> list[Route]:
    """The Data Sources API, as far as it removes rows, or refuses to do what deployments do."""
    handlers = _Handlers(authenticator, targets, room)
    barred = handlers.only_by_deployment
    return [
        Route("/v0/datasources/{name}/truncate", handlers.truncate, methods=["POST"]),
        Route("/v1/datasources/{name}/truncate", handlers.truncate, methods=["POST"]),
        Route("/v0/datasources/{name}/delete", handlers.delete, methods=["POST"]),
        Route("/v1/datasources/{name}/delete", handlers.delete_lightweight, methods=["POST"]),
        Route("/v0/datasources/exchange", barred, methods=["POST"]),
        Route("/v0/datasources/{name}/alter", barred, methods=["POST"]),
        Route("/v0/datasources/{name}/share", barred, methods=["POST", "DELETE"]),
        Route("/v0/datasources/{name}", barred, methods=["PUT", "DELETE"]),
    ]


async def _values(request: Request) -> Mapping[str, str]:
    """The parameters: of a form or a JSON document in the body, and of the address."""
    body = await read_body(request, _MAX_BODY_BYTES)
    if body.lstrip().startswith(b"{"):
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise UnreadableParameters("The body is not valid JSON") from error
        fields = {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in document.items()
        }
    else:
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    return {**fields, **request.query_params}


def _is_true(values: Mapping[str, str], name: str) -> bool:
    return values.get(name, "").lower() in _TRUE
