"""`GET /examples/query.http`: an address that answers, which clients show to people."""

from __future__ import annotations

import asyncio
from functools import partial
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from stonechat.auth.access import ScopeType
from stonechat.datafile.resources import Pipe
from stonechat.engine.formats import BY_EXTENSION
from stonechat.http.authentication import Authenticator
from stonechat.http.snapshots import Snapshots
from stonechat.project.parameters import endpoint_parameters, minimal_values
from stonechat.project.snapshot import Snapshot, UnknownPipe


def routes(authenticator: Authenticator, snapshots: Snapshots) -> list[Route]:
    """The address of an endpoint with its token and parameters: `pipe`, `format`, and `q` if any."""

    async def show(request: Request) -> Response:
        caller = authenticator.caller(request)
        snapshot = snapshots.of(request, caller)
        pipe = snapshot.endpoint(request.query_params.get("pipe", ""), partial(caller.may, ScopeType.READ_PIPE))
        caller.require(ScopeType.READ_PIPE, pipe.name)
        extension = request.query_params.get("format") or "json"
        if extension not in BY_EXTENSION:
            raise UnknownPipe(f"The pipe '{pipe.name}.{extension}' does not exist")
        parameters = await asyncio.to_thread(_example_values, snapshot, pipe)
        asked = {key: value for key in ("q", "token") if (value := request.query_params.get(key))}
        query = urlencode({**parameters, **asked})
        address = f"{request.base_url}v0/pipes/{quote(pipe.name)}.{extension}"
        return PlainTextResponse(f"{address}?{query}" if query else address)

    return [Route("/examples/query.http", show, methods=["GET"])]


def _example_values(snapshot: Snapshot, pipe: Pipe) -> dict[str, str]:
    """A value for each parameter that has an example or a default, or that a call cannot do without."""
    project = snapshot.project
    values = minimal_values(project, pipe)
    for parameter in endpoint_parameters(project, pipe):
        value = parameter.default if parameter.example is None else parameter.example
        if isinstance(value, str | int | float):
            values[parameter.name] = str(value)
    return values
