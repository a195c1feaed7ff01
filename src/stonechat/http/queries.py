"""Reading: `/v0/pipes/NAME.FORMAT` for endpoints and `/v0/sql` for statements."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.engine.formats import BY_EXTENSION, JSON, TSV, with_csv_header
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.bodies import read_body
from stonechat.http.encodings import chosen_encoding, encoded
from stonechat.http.form_data import FORM_DATA, InvalidBody, form_fields
from stonechat.http.observing import QUERY_API, Call, note_call
from stonechat.http.repeats import Body, Repeats, answer_headers
from stonechat.http.scanned import without_scanned
from stonechat.http.snapshots import Snapshots
from stonechat.http.streaming import StreamedResponse, until_disconnect
from stonechat.project.live import UnknownPipe
from stonechat.query.execute import Answer, EndpointRequest, QueryService, StatementRequest
from stonechat.query.explain import Explanation
from stonechat.query.finalizing import FINALIZE
from stonechat.query.spool import SpooledAnswer

# Keys that clients add to every call and that are no parameters of a pipe.
_NOT_PARAMETERS = frozenset(
    {"token", "q", "cli_version", "from", "debug", "explain", "release_replacements", "__tb__semver"}
)
_TRUE = frozenset({"true", "1"})
_JSON = "application/json"
_JSON_OBJECT = re.compile(r"\s*\{(?![{%#])")
_FORM = "application/x-www-form-urlencoded"
_MAX_PARAMETER_BYTES = 1_000_000
# Seconds. To watch for the end of a connection costs a tenth of a small query, which is over by then.
_WATCHED_AFTER = 0.05
_FORMATS_HINT = "Endpoints are called as NAME.json, .csv, .ndjson, .parquet or .prometheus."

Values = dict[str, str | Sequence[str]]


class CallerGone(StonechatError):
    """The caller closed the connection before the answer was ready; nobody reads this."""

    code = "SC940"
    kind = Kind.UNAVAILABLE


def routes(authenticator: Authenticator, snapshots: Snapshots, queries: QueryService, repeats: Repeats) -> list[Route]:
    """Endpoints of pipes, and the Query API."""

    async def call_endpoint(request: Request) -> Response:
        caller = authenticator.caller(request)
        name, _, extension = request.path_params["file"].rpartition(".")
        output = BY_EXTENSION.get(extension)
        if not name or output is None:
            raise UnknownPipe(f"The pipe '{request.path_params['file']}' does not exist", hint=_FORMATS_HINT)
        values = await request_values(request)
        wrap = last_value(values.pop("q", None)) or None
        output = with_csv_header(output, _csv_header(values))
        known = request.headers.get("if-none-match")
        wanted = EndpointRequest(name, output, pipe_parameters(values), wrap, _output_settings(values), known)
        if last_value(values.get("explain")) in _TRUE:
            return _explained(await queries.explain(snapshots.of(request, caller), caller, wanted))
        snapshot = snapshots.of(request, caller)
        call = Call(snapshot, caller, name, wanted.values if wrap is None else {**wanted.values, "q": wrap})
        note_call(request.scope, call)
        answer = queries.kept(snapshot, caller, wanted)
        if answer is None:
            answer = await _unless_gone(request, queries.endpoint(snapshot, caller, wanted))
        return await respond(request, call, answer)

    async def explain(request: Request) -> Response:
        caller = authenticator.caller(request)
        values = await request_values(request)
        wanted = EndpointRequest(request.path_params["name"], values=pipe_parameters(values))
        node = request.path_params.get("node")
        return _explained(await queries.explain(snapshots.of(request, caller), caller, wanted, node=node))

    async def run_statement(request: Request) -> Response:
        caller = authenticator.caller(request)
        values = await request_values(request, raw_key="q")
        statement = last_value(values.pop("q", None))
        if not statement:
            raise InvalidBody("The parameter 'q' is missing", hint="Call /v0/sql?q=SELECT...")
        plain = request.method == "POST" and request.headers.get("content-type", "").startswith("text/plain")
        default = JSON if plain else TSV
        pipe = last_value(values.pop("pipeline", None))
        settings, header = _output_settings(values), _csv_header(values)
        wanted = StatementRequest(statement, default, pipe_parameters(values), pipe, settings, header)
        snapshot = snapshots.of(request, caller)
        call = Call(snapshot, caller, QUERY_API, {**wanted.values, "q": statement})
        note_call(request.scope, call)
        return await respond(request, call, await _unless_gone(request, queries.statement(snapshot, caller, wanted)))

    async def respond(request: Request, call: Call, answer: Answer) -> Response:
        call.answer = answer
        narrowed = call.caller.is_narrowed
        headers, accepted = answer_headers(answer, narrowed=narrowed), request.headers.get("accept-encoding", "")
        if answer.result is None:
            return Response(status_code=304, headers=headers)
        if isinstance(answer.result, SpooledAnswer):
            encoding = chosen_encoding(accepted)
            return StreamedResponse(answer.result, headers, answer.media_type, encoding, narrowed=narrowed)
        whole = without_scanned(answer.result.data) if narrowed else answer.result.data
        data, encoding = await encoded(whole, accepted)
        repeats.learn(request, call, answer, Body(answer.result, data, encoding, answer.media_type))
        if encoding is not None:
            headers["content-encoding"] = encoding
        return Response(data, headers=headers, media_type=answer.media_type)

    return [
        Route("/v0/pipes/{file}", call_endpoint, methods=["GET", "POST"]),
        Route("/v0/pipes/{name}/explain", explain, methods=["GET"]),
        Route("/v0/pipes/{name}/nodes/{node}/explain", explain, methods=["GET"]),
        Route("/v0/sql", run_statement, methods=["GET", "POST"]),
    ]


def _explained(explanation: Explanation) -> Response:
    return JSONResponse({"debug_query": explanation.statement, "query_explain": explanation.plan})


async def _unless_gone(request: Request, work: Awaitable[Answer]) -> Answer:
    """The answer; or, once the caller has hung up, the end of its query. What is answered soon is not watched."""
    asking, caller = asyncio.current_task(), asyncio.Future[None]()

    def watch() -> None:
        nonlocal caller
        caller = asyncio.ensure_future(_end_with_caller(request, asking))

    soon = asyncio.get_running_loop().call_later(_WATCHED_AFTER, watch)
    try:
        return await work
    except asyncio.CancelledError:
        if not caller.done():
            raise
        raise CallerGone("The caller went away") from None
    finally:
        soon.cancel()
        caller.cancel()


async def _end_with_caller(request: Request, task: asyncio.Task[Any] | None) -> None:
    await until_disconnect(request.receive)
    if task is not None:
        task.cancel()


async def request_values(request: Request, raw_key: str | None = None) -> Values:
    """Parameters of the URL and then of the body: a form, a JSON object or, where `raw_key` names one, plain text.

    The content type is not to be relied on: a browser's `fetch` calls a JSON text plain text, `curl -d` a form.
    """
    pairs: list[tuple[str, str | list[str]]] = list(request.query_params.multi_items())
    if request.method == "POST":
        body = await read_body(request, _MAX_PARAMETER_BYTES)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        pairs += await form_fields(request, body) if kind == FORM_DATA else _body_pairs(body, kind, raw_key)
    values: Values = {}
    for key, value in pairs:
        before = values.get(key)
        values[key] = value if before is None else [*_several(before), *_several(value)]
    return values


def _several(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _body_pairs(body: bytes, kind: str, raw_key: str | None) -> Iterable[tuple[str, str | list[str]]]:
    if not body:
        return []
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidBody(f"The request body is not UTF-8 at byte {error.start}") from error
    if kind == _JSON or _JSON_OBJECT.match(text):
        return _json_pairs(text)
    pairs = parse_qsl(text, keep_blank_values=True) if raw_key is None or kind == _FORM else []
    # `curl -d 'SELECT 1'` calls a statement a form: what has no such key is the statement itself.
    if raw_key is not None and raw_key not in dict(pairs):
        return [(raw_key, text)]
    return pairs


def _json_pairs(text: str) -> Iterable[tuple[str, str | list[str]]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidBody(f"The request body is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidBody("The request body is not a JSON object of parameters")
    for key, value in document.items():
        if isinstance(value, list):
            # A list of one is a list, too: its element may have commas.
            if items := [_json_text(item) for item in value if item is not None]:
                yield key, items
        elif value is not None:
            yield key, _json_text(value)


def _json_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def pipe_parameters(values: Mapping[str, str | Sequence[str]]) -> Values:
    """What is for the pipe among the values of a request."""
    return {key: value for key, value in values.items() if key not in _NOT_PARAMETERS}


def _output_settings(values: Mapping[str, str | Sequence[str]]) -> dict[str, str]:
    settings = {key: last_value(value) or "" for key, value in values.items() if key.startswith("output_format_")}
    if last_value(values.get(FINALIZE)) in _TRUE:
        settings[FINALIZE] = "1"
    return settings


def _csv_header(values: Mapping[str, str | Sequence[str]]) -> bool | None:
    text = last_value(values.get("__tb__csv_header"))
    return None if text is None else text.lower() not in {"0", "false"}


def last_value(value: str | Sequence[str] | None) -> str | None:
    """The value of a key that should come once."""
    return value if value is None or isinstance(value, str) else value[-1]
