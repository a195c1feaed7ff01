"""What a request was: noted while it is handled, and recorded at its end, whatever that is.

A call of a pipe is noted once its caller and workspace are known. What it answered and the error that ended it are
noted beside it, in the request's scope.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

from starlette.types import Scope

from stonechat.auth.access import Caller
from stonechat.engine.contract import QueryResult
from stonechat.http.headers import header
from stonechat.project.snapshot import Snapshot
from stonechat.query.answers import Answer
from stonechat.query.cache import CacheStatus
from stonechat.query.spool import SpooledAnswer
from stonechat.telemetry.events import EndpointError, Event, PipeCall
from stonechat.telemetry.recorder import Telemetry

REQUEST_ID = "stonechat.request_id"
QUERY_API = "query_api"
"""The contract's name for statements of `/v0/sql`, which are of no pipe."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
_CALL = "stonechat.call"
_ERROR = "stonechat.error"
_LONGEST_TEXT = 2000
_LONGEST_ID = 100
_MOST_PARAMETERS = 50
_NOTHING = QueryResult(b"", 0, 0, 0.0)


@dataclass(frozen=True, slots=True)
class CallTexts:
    """What is recorded of a call's own words: its URL without the token, and its parameters as one short text each."""

    url: str
    parameters: Mapping[str, str]


@dataclass(slots=True)
class Call:
    """A call of a pipe, by name or id, with these parameters; or of a statement, whose `pipe` is `QUERY_API`.

    `texts` where they are known from an equal call.
    """

    snapshot: Snapshot
    caller: Caller
    pipe: str
    values: Mapping[str, str | Sequence[str]]
    answer: Answer | None = None
    texts: CallTexts | None = None


def texts_of(scope: Scope, call: Call) -> CallTexts:
    """What is recorded of a request's own words."""
    if call.texts is None:
        call.texts = CallTexts(_url(scope), _short(call.values))
    return call.texts


def new_request_id() -> str:
    """An id for a request that brings none."""
    return os.urandom(16).hex()


def request_id(given: str) -> str:
    """The id of a request: the one that it brings, if that can be one."""
    if given.isascii() and given.isprintable() and 0 < len(given) <= _LONGEST_ID:
        return given
    return new_request_id()


def note_call(scope: Scope, call: Call) -> None:
    """Note what the request calls."""
    scope[_CALL] = call


def note_error(scope: Scope, error: Exception) -> None:
    """Note why the request failed."""
    scope[_ERROR] = str(error)[:_LONGEST_TEXT]


def record(telemetry: Telemetry, scope: Scope, route: str, status: int, seconds: float) -> None:
    """Record a request of a route that ended with a status after so many seconds, and the call that it was, if any."""
    method = scope["method"] if scope["method"] in _METHODS else "other"
    telemetry.requests.add(route, method, status, seconds)
    call: Call | None = scope.get(_CALL)
    if call is None:
        return
    if call.answer is not None:
        telemetry.answers[call.answer.cache.value] += 1
        cost, _ = _cost(call.answer)
        if cost is not _NOTHING:
            telemetry.queries.add(cost.elapsed)
    if telemetry.records:
        for event in _events(scope, call, status, seconds):
            telemetry.record(call.snapshot.workspace, event)


def _events(scope: Scope, call: Call, status: int, seconds: float) -> Iterator[Event]:
    failed = status >= 400
    name = call.snapshot.name_of(call.pipe)
    identity, pipe = call.snapshot.identities.get(name), call.snapshot.project.pipes.get(name)
    tags = pipe.tags if pipe else ()
    pipe_id = QUERY_API if name == QUERY_API else identity.id if identity else ""
    began, message = int(time.time() - seconds), scope.get(_ERROR) if failed else None
    texts = texts_of(scope, call)
    cost, result_rows = _cost(call.answer)
    yield PipeCall(
        start_datetime=began,
        pipe_id=pipe_id,
        pipe_name=name,
        token=call.caller.token_id,
        token_name=call.caller.token_name,
        duration=seconds,
        status_code=status,
        error=int(failed),
        error_message=message,
        read_bytes=cost.bytes_read,
        read_rows=cost.rows_read,
        result_rows=result_rows,
        url=texts.url,
        request_id=scope[REQUEST_ID],
        parameters=texts.parameters,
        method=scope["method"],
        user_agent=(header(scope, b"user-agent") or "")[:_LONGEST_TEXT] or None,
        client_ip=scope["client"][0] if scope.get("client") else None,
        resource_tags=tags,
    )
    if failed:
        yield EndpointError(
            start_datetime=began,
            request_id=scope[REQUEST_ID],
            pipe_id=pipe_id,
            pipe_name=name,
            params=json.dumps(texts.parameters),
            url=texts.url,
            status_code=status,
            error=message,
            resource_tags=tags,
        )


def _cost(answer: Answer | None) -> tuple[QueryResult, int]:
    """What an answer cost, and its rows. One that was kept cost nothing."""
    result = None if answer is None else answer.result
    if isinstance(result, SpooledAnswer):
        result = result.cost
    if result is None or answer is None:
        return _NOTHING, 0
    return _NOTHING if answer.cache is CacheStatus.HIT else result, result.rows


def _short(values: Mapping[str, str | Sequence[str]]) -> Mapping[str, str]:
    """Parameters as one short text each. What a caller makes up must not fill the memory."""
    texts: dict[str, str] = {}
    for name, value in values.items():
        if len(texts) == _MOST_PARAMETERS:
            break
        text = value if isinstance(value, str) else ",".join(value)
        texts[name[:_LONGEST_TEXT]] = text[:_LONGEST_TEXT]
    return texts


def _url(scope: Scope) -> str:
    """Path and query as they came, without the token."""
    path, query = scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
    if b"token" in query or b"%" in query:
        parts = [
            part for part in query.split(b"&") if unquote_plus(part.partition(b"=")[0].decode("latin-1")) != "token"
        ]
        query = b"&".join(parts)
    whole: bytes = path + b"?" + query if query else path
    return whole.decode("latin-1")
