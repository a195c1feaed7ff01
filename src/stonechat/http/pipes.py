"""What pipes say of themselves: the list, one pipe, its datafile. Their rows are in `queries`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from stonechat.auth.access import BeyondScopes, Caller, ScopeType
from stonechat.datafile.resources import Pipe
from stonechat.http.attributes import asked_for, only
from stonechat.http.authentication import Authenticator
from stonechat.http.datafiles import datafile_response
from stonechat.http.snapshots import Snapshots
from stonechat.http.targets import OnlyByDeployment
from stonechat.jobs.schedules import CopySchedules, schedule_json
from stonechat.project.description import Descriptions, Json, descriptions_of
from stonechat.project.snapshot import Snapshot


class NameRoute(Route):
    """A route that leaves names with an extension to others: `pipes/top` is a pipe, `pipes/top.json` its rows."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match as any route does, unless the name has a dot."""
        match, child = super().matches(scope)
        if match is not Match.NONE and "." in child["path_params"]["name"]:
            return Match.NONE, {}
        return match, child


@dataclass(frozen=True)
class _Pipes:
    """The handlers, and what they need."""

    authenticator: Authenticator
    snapshots: Snapshots
    schedules: CopySchedules

    async def list_all(self, request: Request) -> Response:
        caller = self.authenticator.caller(request)
        snapshot = self.snapshots.of(request, caller)
        return await asyncio.to_thread(self._list, request, caller, snapshot)

    def _list(self, request: Request, caller: Caller, snapshot: Snapshot) -> Response:
        described = descriptions_of(snapshot)
        found = [
            self._answer(request, caller, described, pipe)
            for name, pipe in sorted(described.snapshot.project.pipes.items())
            if caller.may(ScopeType.READ_PIPE, name)
        ]
        return JSONResponse({"pipes": found})

    async def show(self, request: Request) -> Response:
        caller, described, pipe = self._readable(request)
        return JSONResponse(self._answer(request, caller, described, pipe))

    async def show_datafile(self, request: Request) -> Response:
        caller, described, pipe = self._readable(request)
        if caller.is_signed:
            raise BeyondScopes
        return datafile_response(described.datafile(pipe))

    def _answer(self, request: Request, caller: Caller, described: Descriptions, pipe: Pipe) -> Json:
        schedule = self.schedules.of(described.snapshot, pipe)
        whole = described.pipe(pipe) | ({"schedule": schedule_json(schedule)} if schedule else {})
        return _answer(request, pipe, _without_sql(whole) if caller.is_signed else whole)

    async def refuse_change(self, request: Request) -> Response:
        self.authenticator.caller(request)
        raise OnlyByDeployment("pipes")

    def _readable(self, request: Request) -> tuple[Caller, Descriptions, Pipe]:
        caller = self.authenticator.caller(request)
        described = descriptions_of(self.snapshots.of(request, caller))
        pipe = described.find_pipe(request.path_params["name"], partial(caller.may, ScopeType.READ_PIPE))
        caller.require(ScopeType.READ_PIPE, pipe.name)
        return caller, described, pipe


def routes(authenticator: Authenticator, snapshots: Snapshots, schedules: CopySchedules) -> list[Route]:
    """The Pipes API, as far as it describes. Put these before the routes of `queries`, which take any name."""
    handlers = _Pipes(authenticator, snapshots, schedules)
    return [
        Route("/v0/pipes", handlers.list_all, methods=["GET"]),
        NameRoute("/v0/pipes/{name}", handlers.show, methods=["GET"]),
        Route("/v1/pipes/{name}.pipe", handlers.show_datafile, methods=["GET"]),
        Route("/v0/pipes", handlers.refuse_change, methods=["POST"]),
        NameRoute("/v0/pipes/{name}", handlers.refuse_change, methods=["PUT", "DELETE"]),
        # What these two would prepare, or put into a data source, only a deployment does.
        Route("/v0/pipes/{name}/nodes/{node}/analysis", handlers.refuse_change, methods=["GET"]),
        Route("/v0/sql_copy", handlers.refuse_change, methods=["POST"]),
        Route("/v0/pipes/{name}/nodes", handlers.refuse_change, methods=["POST"]),
        Route("/v0/pipes/{name}/nodes/{node:path}", handlers.refuse_change, methods=["POST", "PUT", "DELETE"]),
    ]


def _without_sql(whole: Json) -> Json:
    """A pipe as somebody outside may see it: how it is called, and not what it reads."""
    nodes = whole["nodes"]
    assert isinstance(nodes, list)
    hidden: Json = {"content": "", "path": None, "last_commit": None}
    return {**whole, **hidden, "nodes": [{**node, "sql": "", "dependencies": []} for node in nodes]}


def _answer(request: Request, pipe: Pipe, whole: Json) -> Json:
    """A pipe with the keys that are asked for: `attrs` of the pipe, `url` always among them, `node_attrs` of nodes.

    Who asks for attributes of nodes gets nodes, whether `attrs` names them or not: clients rely on it.
    """
    answer = only(whole, asked_for(request, "attrs")) | {"url": _url(request, pipe, served=bool(whole["endpoint"]))}
    wanted = asked_for(request, "node_attrs")
    if wanted or "nodes" in answer:
        nodes = whole["nodes"]
        assert isinstance(nodes, list)
        answer["nodes"] = [only(_node(request, node), wanted) for node in nodes]
    return answer


def _node(request: Request, node: Json) -> Json:
    if request.query_params.get("dependencies", "").lower() in {"false", "0"}:
        return {key: value for key, value in node.items() if key != "dependencies"}
    return node


def _url(request: Request, pipe: Pipe, *, served: bool) -> str:
    """Where an endpoint's rows are; for other pipes, where they are described."""
    return f"{request.base_url}v0/pipes/{pipe.name}{'.json' if served else ''}"
