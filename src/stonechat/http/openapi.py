"""`GET /v0/pipes/openapi.json`: an OpenAPI 3.1 document of the endpoints that a token may call."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import Caller, ScopeType
from stonechat.datafile.resources import NodeType, Pipe
from stonechat.engine.contract import Engine
from stonechat.engine.formats import BY_EXTENSION, JSON, NDJSON, PARQUET, PROMETHEUS
from stonechat.errors import Kind
from stonechat.http.authentication import Authenticator
from stonechat.http.json_schema import column_schema, parameter_schema
from stonechat.http.problems import STATUS_BY_KIND
from stonechat.http.snapshots import Snapshots
from stonechat.project.description import Json
from stonechat.project.parameters import endpoint_parameters
from stonechat.project.snapshot import Snapshot
from stonechat.query.schema import ResultColumn, result_columns
from stonechat.template.parameters import Parameter

VERSION = "3.1.0"
_ABOUT = (
    "Every endpoint answers in several formats, by the extension of its path. Parameters go into the URL or, with "
    "POST, into a form or a JSON object. The parameter `q` takes a SELECT over `_`, the rows of the endpoint; the "
    "answer then has that statement's columns."
)
_PROBLEMS = {
    Kind.INVALID: "A parameter is missing or has a wrong value, or the query failed",
    Kind.FORBIDDEN: "No token, an unknown one, or one that may not read the endpoint",
    Kind.MISSING: "The endpoint is not there any more",
    Kind.TIMEOUT: "The query took too long",
    Kind.TOO_LARGE: "The body, the memory of the query or its answer is too large",
    Kind.RATE_LIMITED: "Too many requests; `Retry-After` says when to try again",
    Kind.INTERNAL: "The server failed; its log has the details",
    Kind.UNAVAILABLE: "Too many queries are waiting; `Retry-After` says when to try again",
}
_URL_TOO_LONG = {"414": "The URL is too long; send long values with POST"}
_SNAPSHOTS = 16
_PROMETHEUS_COLUMNS = {"name", "value"}


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """What the document says of one endpoint. `columns` are None when the engine cannot tell."""

    pipe: Pipe
    parameters: Sequence[Parameter]
    columns: Sequence[ResultColumn] | None
    custom_errors: bool


class EndpointDocuments:
    """Finds out what there is to say of endpoints; what it found is kept for the snapshots asked for last.

    `thread` is one that does nothing else: of a large project it takes long, and is found out once for all who ask.
    """

    def __init__(self, engine: Engine, thread: ThreadPoolExecutor) -> None:
        self._engine = engine
        self._thread = thread
        self._kept = lru_cache(_SNAPSHOTS)(_nothing_yet)

    async def response(self, snapshot: Snapshot, caller: Caller, base_url: str) -> Response:
        """The document for a caller, as an answer."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: JSONResponse(self.document(snapshot, caller, base_url)))

    def document(self, snapshot: Snapshot, caller: Caller, base_url: str) -> Json:
        """The document for a caller. Blocks while the engine is asked for the columns of endpoints."""
        names = sorted(pipe.name for pipe in snapshot.project.pipes_of_type(NodeType.ENDPOINT))
        found = self._endpoints(snapshot, [name for name in names if caller.may(ScopeType.READ_PIPE, name)])
        endpoints = [_without(endpoint, caller.fixed.get(endpoint.pipe.name, {})) for endpoint in found]
        return {
            "openapi": VERSION,
            "info": {
                "title": f"Endpoints of {snapshot.workspace.name}",
                "version": str(snapshot.deployment_id),
                "description": _ABOUT,
            },
            "servers": [{"url": base_url.rstrip("/")}],
            "security": [{"bearer": []}, {"token": []}],
            "paths": {path: item for endpoint in endpoints for path, item in _paths(endpoint)},
            "components": _components(),
        }

    def _endpoints(self, snapshot: Snapshot, names: Sequence[str]) -> list[_Endpoint]:
        kept = self._kept(snapshot)
        for name in names:
            if name not in kept:
                kept[name] = self._endpoint(snapshot, snapshot.project.pipes[name])
        return [kept[name] for name in names]

    def _endpoint(self, snapshot: Snapshot, pipe: Pipe) -> _Endpoint:
        project = snapshot.project
        nodes = project.lineage.statement_nodes(pipe.name, pipe.output.name)
        custom_errors = any("custom_error" in project.templates[key].sql for key in nodes)
        columns = result_columns(self._engine, snapshot, pipe)
        return _Endpoint(pipe, endpoint_parameters(project, pipe), columns, custom_errors)


def _nothing_yet(_snapshot: Snapshot) -> dict[str, _Endpoint]:
    return {}


def _without(endpoint: _Endpoint, fixed: Collection[str]) -> _Endpoint:
    """An endpoint without the parameters that the caller's token has fixed."""
    return replace(endpoint, parameters=[item for item in endpoint.parameters if item.name not in fixed])


def routes(authenticator: Authenticator, snapshots: Snapshots, documents: EndpointDocuments) -> list[Route]:
    """The document's route. Put it before those of `queries`, which take any name."""

    async def show(request: Request) -> Response:
        caller = authenticator.caller(request)
        snapshot = snapshots.of(request, caller)
        return await documents.response(snapshot, caller, str(request.base_url))

    return [Route("/v0/pipes/openapi.json", show, methods=["GET"])]


def _paths(endpoint: _Endpoint) -> Iterator[tuple[str, Json]]:
    name = endpoint.pipe.name
    parameters = [_parameter(item) for item in endpoint.parameters]
    common = _common(endpoint)
    rows = _envelope(endpoint.columns)
    get = {"operationId": name, **common, "parameters": parameters, "responses": _responses(endpoint, rows)}
    post = {"operationId": f"{name}.post", **common, **_body(endpoint), "responses": _responses(endpoint, rows)}
    yield f"/v0/pipes/{name}.json", {"get": get, "post": post}
    formats = list(_other_formats(endpoint.columns))
    format_parameter = {"name": "format", "in": "path", "required": True, "schema": {"type": "string", "enum": formats}}
    content = {BY_EXTENSION[extension].media_type: {"schema": _format_schema(extension)} for extension in formats}
    other = {
        "operationId": f"{name}.format",
        **common,
        "parameters": [format_parameter, *parameters],
        "responses": {"200": {"description": "The rows", "content": content}, **_problem_responses(endpoint)},
    }
    yield f"/v0/pipes/{name}.{{format}}", {"get": other}


def _common(endpoint: _Endpoint) -> Json:
    first_line = endpoint.pipe.description.strip().partition("\n")[0]
    tags: Json = {"tags": list(endpoint.pipe.tags)} if endpoint.pipe.tags else {}
    return {"summary": first_line or endpoint.pipe.name, "description": endpoint.pipe.description, **tags}


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": "query",
        "required": bool(parameter.required),
        "description": _text(parameter.description),
        "x-type": parameter.type,
        "schema": parameter_schema(parameter),
    }


def _text(written: object) -> str:
    return "" if written is None else str(written)


def _body(endpoint: _Endpoint) -> Json:
    properties = {
        item.name: parameter_schema(item) | {"description": _text(item.description)} for item in endpoint.parameters
    }
    required = [item.name for item in endpoint.parameters if item.required]
    schema: Json = {"type": "object", "properties": properties, "required": required}
    media_types = ("application/x-www-form-urlencoded", "application/json")
    content = {media_type: {"schema": schema} for media_type in media_types}
    return {"requestBody": {"required": bool(required), "content": content}}


def _responses(endpoint: _Endpoint, schema: Json) -> Json:
    rows = {"description": "The rows", "content": {JSON.media_type: {"schema": schema}}}
    return {"200": rows, **_problem_responses(endpoint)}


def _problem_responses(endpoint: _Endpoint) -> Json:
    """An author's `custom_error` may answer any status with any JSON."""
    if endpoint.custom_errors:
        return {"default": {"description": "An error of the endpoint's own", "content": {JSON.media_type: {}}}}
    statuses = [*(str(STATUS_BY_KIND[kind]) for kind in _PROBLEMS), *_URL_TOO_LONG]
    return {status: {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}


def _envelope(columns: Sequence[ResultColumn] | None) -> Json:
    row: Json = {"type": "object"}
    if columns is not None:
        row["properties"] = {column.name: column_schema(column) for column in columns}
        row["required"] = [column.name for column in columns if column.always]
    data: Json = {"type": "array", "items": row}
    count: Json = {"type": "integer", "minimum": 0}
    properties = {
        "meta": {"$ref": "#/components/schemas/Meta"},
        "data": data,
        "rows": count,
        "rows_before_limit_at_least": count | {"description": "Rows without the LIMIT, where there is one"},
        "statistics": {"$ref": "#/components/schemas/Statistics"},
    }
    return {"type": "object", "properties": properties, "required": ["meta", "data", "rows", "statistics"]}


def _other_formats(columns: Sequence[ResultColumn] | None) -> Iterator[str]:
    """The extensions but `json`. Prometheus wants columns that few endpoints have."""
    names = {column.name for column in columns or ()}
    for extension in BY_EXTENSION:
        if extension != JSON.extension and (extension != PROMETHEUS.extension or names >= _PROMETHEUS_COLUMNS):
            yield extension


def _format_schema(extension: str) -> Json:
    if extension == PARQUET.extension:
        return {"type": "string", "format": "binary"}
    return (
        {"type": "string", "description": "An object a line"} if extension == NDJSON.extension else {"type": "string"}
    )


def _components() -> Json:
    described = {str(STATUS_BY_KIND[kind]): text for kind, text in _PROBLEMS.items()} | _URL_TOO_LONG
    error = {"schema": {"$ref": "#/components/schemas/Error"}}
    text: Json = {"type": "string"}
    number: Json = {"type": "number", "minimum": 0}
    return {
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "token": {"type": "apiKey", "in": "query", "name": "token"},
        },
        "responses": {
            status: {"description": told, "content": {JSON.media_type: error}}
            for status, told in sorted(described.items())
        },
        "schemas": {
            "Error": {
                "type": "object",
                "properties": {"error": text, "code": text, "hint": text},
                "required": ["error", "code"],
            },
            "Meta": {
                "type": "array",
                "items": {"type": "object", "properties": {"name": text, "type": text}, "required": ["name", "type"]},
            },
            "Statistics": {
                "type": "object",
                "properties": {"elapsed": number, "rows_read": number, "bytes_read": number},
                "required": ["elapsed", "rows_read", "bytes_read"],
            },
        },
    }
