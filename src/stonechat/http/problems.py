"""Every error body of the HTTP API: `error` as clients read it, and `code`, `hint`, `file`, `line`, `column`."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from stonechat.auth.access import AccessDenied, BeyondScopes, Caller
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import CALLER
from stonechat.http.headers import Headers
from stonechat.http.observing import new_request_id, note_error
from stonechat.jobs.kinds import JobFailed
from stonechat.project.model import InvalidProject
from stonechat.project.snapshot import SharedIsReadOnly, UnknownDataSource, UnknownPipe
from stonechat.template.errors import TemplateCustomError

_log = structlog.get_logger(__name__)

STATUS_BY_KIND: Mapping[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHORIZED: 401,
    Kind.FORBIDDEN: 403,
    Kind.MISSING: 404,
    Kind.NOT_ALLOWED: 405,
    Kind.TIMEOUT: 408,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.HALF_DONE: 422,
    Kind.RATE_LIMITED: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
}
_RETRY_SECONDS = 1
#: Which of them a name leads to tells whether there is something of that name.
_TELLING = (AccessDenied, UnknownPipe, UnknownDataSource, SharedIsReadOnly)
#: What routing and parsing refuse before any code of ours runs; everything else of that kind is `_UNREAD`.
_ROUTING_CODES: Mapping[int, str] = {404: "SC904", 405: "SC905"}
_UNREAD = "SC903"
MAX_URL_BYTES = 8192
"""Of its path and its query."""

#: Where what is wrong is explained, by the stage of the code: templates, and statements of callers.
_DOCUMENTATION: Mapping[str, str] = {
    "SC2": "docs/reference/template-functions.md",
    "SC5": "docs/reference/http-api.md#what-a-statement-may-use",
    "SC8": "docs/reference/errors.md#engine-and-state",
}


def problem_body(error: StonechatError) -> dict[str, object]:
    """The JSON body of an error; of a job that failed, with what it has done."""
    done = error.result if isinstance(error, JobFailed) else {}
    body: dict[str, object] = {**done, "error": str(error), "code": error.code}
    if error.hint:
        body["hint"] = error.hint
    if documentation := _DOCUMENTATION.get(error.code[:3]):
        body["documentation"] = documentation
    if error.position:
        body |= {"file": error.position.file, "line": error.position.line, "column": error.position.column}
    if isinstance(error, InvalidProject):
        body["errors"] = [problem_body(problem) for problem in error.problems]
    return body


def problem_response(error: StonechatError) -> Response:
    """The answer for an error: its status by its kind, and `Retry-After` where trying again may help."""
    if isinstance(error, TemplateCustomError):
        return JSONResponse(error.body, status_code=error.status)
    status = STATUS_BY_KIND[error.kind]
    headers = {"Retry-After": str(getattr(error, "retry_after", _RETRY_SECONDS))} if status in {429, 503} else None
    return JSONResponse(problem_body(error), status_code=status, headers=headers)


async def on_stonechat_error(request: Request, error: Exception) -> Response:
    """Exception handler for the program's own errors."""
    assert isinstance(error, StonechatError)
    return refusal(request.scope, error)


def refusal(scope: Scope, error: StonechatError) -> Response:
    """The answer to a request that failed, which is noted, as far as its caller may know why."""
    note_error(scope, error)
    caller: Caller | None = scope.get(CALLER)
    if caller is not None and caller.is_signed and isinstance(error, _TELLING):
        error = BeyondScopes()
    if error.kind is Kind.INTERNAL:
        _log.error("internal error", code=error.code, message=str(error))
    return problem_response(error)


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """Exception handler for what routing refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    code = _ROUTING_CODES.get(error.status_code, _UNREAD)
    body = {"error": str(error.detail), "code": code}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


def url_too_long() -> JSONResponse:
    """The answer to a request whose URL is longer than `MAX_URL_BYTES`."""
    body = {
        "error": f"The URL is longer than {MAX_URL_BYTES} bytes",
        "code": "SC914",
        "hint": "Send long values in the body of a POST request.",
    }
    return JSONResponse(body, status_code=414)


def head_too_large() -> JSONResponse:
    """The answer to a request whose headers do not end, or which has as much between the pieces of its body."""
    return JSONResponse({"error": "The headers of the request are too large", "code": "SC915"}, status_code=431)


def too_slow() -> JSONResponse:
    """The answer to a request that does not come to its end."""
    body = {
        "error": "The request took too long to arrive",
        "code": "SC916",
        "hint": "Send it faster, or raise request_seconds.",
    }
    return JSONResponse(body, status_code=408)


def too_many_connections() -> JSONResponse:
    """The answer on a connection that is one too many, whatever it is asked."""
    body = {
        "error": "The server has too many connections",
        "code": "SC917",
        "hint": "Try again in a moment, or raise max_connections.",
    }
    return JSONResponse(body, status_code=503, headers={"Retry-After": str(_RETRY_SECONDS)})


def not_http(message: str, received: bytes) -> JSONResponse:
    """The answer to what is no HTTP request, or none with such a URL."""
    told = {"error": message, "code": _UNREAD}
    first_line = received.partition(b"\n")[0]
    if first_line.count(b" ") > len(("method", "URL")) or not first_line.isascii():
        told["hint"] = (
            "Spaces in a URL, and what is not ASCII, are written as %20 and so on: `curl -G --data-urlencode`."
        )
    return JSONResponse(told, status_code=400)


def last_answer(response: JSONResponse) -> tuple[bytes, Headers]:
    """The body and the headers of an answer that no application gives; the connection ends with it."""
    return bytes(response.body), [
        *response.raw_headers,
        (b"x-request-id", new_request_id().encode()),
        (b"connection", b"close"),
    ]


async def on_unexpected(request: Request, error: Exception) -> Response:
    """Exception handler for what nobody foresaw: logged in full, told to the caller without its insides."""
    _log.error("unexpected error", method=request.method, path=request.url.path, exc_info=error)
    return unexpected()


def unexpected() -> JSONResponse:
    """The answer to a request that came upon what nobody foresaw."""
    body = {"error": "Internal server error", "code": StonechatError.code, "hint": "The server's log has the details."}
    return JSONResponse(body, status_code=500)
