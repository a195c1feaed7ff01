"""Reading: `/v0/pipes/NAME.FORMAT` for endpoints and `/v0/sql` for statements."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.engine.formats import BY_EXTENSION, JSON, TSV_WITHOUT_HEADER, with_csv_header
from stonechat.http.answers import answer_headers, body_headers
from stonechat.http.authentication import Authenticator
from stonechat.http.encodings import chosen_encoding, encoded
from stonechat.http.familiar import FamiliarRequests
from stonechat.http.form_data import InvalidBody
from stonechat.http.headers import BareResponse, header
from stonechat.http.observing import QUERY_API, Call, note_call
from stonechat.http.origins import Body
from stonechat.http.request_values import (
    TRUE,
    csv_header,
    last_value,
    media_type,
    output_settings,
    pipe_parameters,
    request_values,
)
from stonechat.http.scanned import without_scanned
from stonechat.http.snapshots import Snapshots
from stonechat.http.streaming import StreamedResponse, until_disconnect
from stonechat.project.snapshot import UnknownPipe
from stonechat.query.answers import Answer
from stonechat.query.execute import QueryService
from stonechat.query.explain import Explanation
from stonechat.query.requests import ANY_ETAG, EndpointRequest, StatementRequest
from stonechat.query.spool import SpooledAnswer

# Seconds. To watch for the end of a connection costs a tenth of a small query, which is over by then.
_WATCHED_AFTER = 0.05
_FORMATS_HINT = "Endpoints are called as NAME.json, .csv, .ndjson, .parquet, .prometheus or .tsv."


@dataclass(frozen=True)
class _Handlers:
    authenticator: Authenticator
    snapshots: Snapshots
    queries: QueryService
    familiar: FamiliarRequests

    async def call_endpoint(self, request: Request) -> Response:
        caller = self.authenticator.caller(request)
        name, _, extension = request.path_params["file"].rpartition(".")
        output = BY_EXTENSION.get(extension)
        if not name or output is None:
            raise UnknownPipe(f"The pipe '{request.path_params['file']}' does not exist", hint=_FORMATS_HINT)
        values = await request_values(request)
        wrap = last_value(values.pop("q", None)) or None
        output = with_csv_header(output, csv_header(values))
        known = _known_etag(request)
        wanted = EndpointRequest(name, output, pipe_parameters(values), wrap, output_settings(values), known)
        if last_value(values.get("explain")) in TRUE:
            return _explained(await self.queries.explain(self.snapshots.of(request, caller), caller, wanted))
        snapshot = self.snapshots.of(request, caller)
        call = Call(snapshot, caller, name, wanted.values if wrap is None else {**wanted.values, "q": wrap})
        note_call(request.scope, call)
        answer = await _unless_gone(request, self.queries.endpoint(snapshot, caller, wanted))
        return await self._respond(request, call, _unless_known(answer, known))

    async def explain(self, request: Request) -> Response:
        caller = self.authenticator.caller(request)
        values = await request_values(request)
        wanted = EndpointRequest(request.path_params["name"], values=pipe_parameters(values))
        node = request.path_params.get("node")
        return _explained(await self.queries.explain(self.snapshots.of(request, caller), caller, wanted, node=node))

    async def run_statement(self, request: Request) -> Response:
        caller = self.authenticator.caller(request)
        values = await request_values(request, raw_key="q")
        statement = last_value(values.pop("q", None))
        if not statement:
            raise InvalidBody("The parameter 'q' is missing", hint="Call /v0/sql?q=SELECT...")
        plain = request.method == "POST" and media_type(request) == "text/plain"
        default = JSON if plain else TSV_WITHOUT_HEADER
        pipe = last_value(values.pop("pipeline", None))
        settings, with_header, known = output_settings(values), csv_header(values), _known_etag(request)
        wanted = StatementRequest(statement, default, pipe_parameters(values), pipe, settings, with_header, known)
        snapshot = self.snapshots.of(request, caller)
        call = Call(snapshot, caller, QUERY_API, {**wanted.values, "q": statement})
        note_call(request.scope, call)
        answer = await _unless_gone(request, self.queries.statement(snapshot, caller, wanted))
        return await self._respond(request, call, _unless_known(answer, known))

    async def _respond(self, request: Request, call: Call, answer: Answer) -> Response:
        call.answer = answer
        narrowed = call.caller.is_narrowed
        headers, accepted = answer_headers(answer, narrowed=narrowed), header(request.scope, b"accept-encoding") or ""
        if answer.result is None:
            return Response(status_code=304, headers=headers)
        if isinstance(answer.result, SpooledAnswer):
            encoding = chosen_encoding(accepted)
            return StreamedResponse(answer.result, headers, answer.media_type, encoding, narrowed=narrowed)
        whole = without_scanned(answer.result.data) if narrowed else answer.result.data
        data, encoding = await encoded(whole, chosen_encoding(accepted))
        body = Body(answer.result, data, encoding)
        # Once the answer is on its way; a request that is read before then goes the usual way, too.
        asyncio.get_running_loop().call_soon(self.familiar.learn, request.scope, call, answer, body)
        return BareResponse(data, body_headers(headers, answer.media_type, encoding))


def routes(
    authenticator: Authenticator, snapshots: Snapshots, queries: QueryService, familiar: FamiliarRequests
) -> list[Route]:
    """Endpoints of pipes, and the Query API."""
    handlers = _Handlers(authenticator, snapshots, queries, familiar)
    return [
        Route("/v0/pipes/{file}", handlers.call_endpoint, methods=["GET", "POST"]),
        Route("/v0/pipes/{name}/explain", handlers.explain, methods=["GET"]),
        Route("/v0/pipes/{name}/nodes/{node}/explain", handlers.explain, methods=["GET"]),
        Route("/v0/sql", handlers.run_statement, methods=["GET", "POST"]),
    ]


def _explained(explanation: Explanation) -> Response:
    return JSONResponse({"debug_query": explanation.statement, "query_explain": explanation.plan})


def _known_etag(request: Request) -> str | None:
    """What the caller has already. Only of a request that asks for an answer, and does nothing else."""
    return (header(request.scope, b"if-none-match") or "").strip() or None if request.method != "POST" else None


def _unless_known(answer: Answer, known: str | None) -> Answer:
    """Without its rows for a caller who has whichever answer there is."""
    if known != ANY_ETAG or answer.etag is None:
        return answer
    if isinstance(answer.result, SpooledAnswer):
        answer.result.release()
    return replace(answer, result=None)


async def _unless_gone(request: Request, work: Awaitable[Answer]) -> Answer:
    """The answer; or, once the caller has hung up, the end of its query. What is answered soon is not watched.

    Raises `ClientDisconnect`.
    """
    loop = asyncio.get_running_loop()
    asking = asyncio.current_task(loop)
    caller: asyncio.Future[None] | None = None

    def watch() -> None:
        nonlocal caller
        caller = loop.create_task(_end_with_caller(request, asking))

    soon = loop.call_later(_WATCHED_AFTER, watch)
    try:
        return await work
    except asyncio.CancelledError:
        if caller is None or not caller.done():
            raise
        raise ClientDisconnect from None
    finally:
        soon.cancel()
        if caller is not None:
            caller.cancel()


async def _end_with_caller(request: Request, task: asyncio.Task[Any] | None) -> None:
    await until_disconnect(request.receive)
    if task is not None:
        task.cancel()
