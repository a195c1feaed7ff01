"""The ASGI application: routes, what every answer carries, and what happens to errors."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stonechat.errors import StonechatError
from stonechat.http.beaten_paths import BeatenPaths
from stonechat.http.bodies import BODY_ROOM, BodyRoom
from stonechat.http.headers import header
from stonechat.http.minimum import MinimumDeployment
from stonechat.http.observing import REQUEST_ID, record, request_id
from stonechat.http.problems import (
    MAX_URL_BYTES,
    on_http_exception,
    on_stonechat_error,
    on_unexpected,
    url_too_long,
)
from stonechat.http.whole_answers import CONNECTION, Connection, on_every_answer, sent_whole
from stonechat.telemetry.recorder import Telemetry

_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, PUT, DELETE, OPTIONS",
    "access-control-allow-headers": "*, Authorization, Content-Type, Content-Encoding, Idempotency-Key",
    "access-control-max-age": "86400",
}


_SLASHES = re.compile("//+")
_CALLER_WENT_AWAY = 499


def application(
    routes: Sequence[Route], telemetry: Telemetry, minimum: MinimumDeployment, bodies: BodyRoom
) -> EveryAnswer:
    """The application over its routes. Every request is recorded."""
    # Starlette's own application puts more around each request than a small one costs.
    routed = ExceptionMiddleware(
        Router(routes), handlers={StonechatError: on_stonechat_error, HTTPException: on_http_exception}
    )
    return EveryAnswer(routed, telemetry=telemetry, minimum=minimum, bodies=bodies, paths=paths_of(routes))


def paths_of(routes: Sequence[Route]) -> Mapping[object, str]:
    """What requests are recorded under, by what answers them."""
    return {route.endpoint: route.path for route in routes}


class EveryAnswer:
    """Around all routes: a request id and CORS on each answer, preflights, a bound on the URL, and its record.

    Tokens travel in headers or the URL and never in cookies, so any origin may call.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        telemetry: Telemetry,
        minimum: MinimumDeployment,
        bodies: BodyRoom,
        paths: Mapping[object, str],
    ) -> None:
        self._app = app
        self._beaten = BeatenPaths()
        self._telemetry = telemetry
        self._minimum = minimum
        self._bodies = bodies
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        began, status = time.perf_counter(), _CALLER_WENT_AWAY
        scope = _with_single_slashes(scope)
        scope["app"] = self  # the router then raises what it refuses, for the handlers of errors
        scope[BODY_ROOM] = self._bodies
        scope[REQUEST_ID] = request_id(header(scope, b"x-request-id") or "")

        connection: Connection | None = scope.get(CONNECTION)
        start: Message | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal status, start
            if message["type"] == "http.response.start":
                status, start = message["status"], message
                return
            if start is not None:
                start["headers"] = [*start["headers"], *on_every_answer(scope)]
                begun, start = start, None
                if connection is not None and sent_whole(connection, begun, message):
                    return
                await send(begun)
            await send(message)

        early: ASGIApp | None = None
        try:
            refused = _early_answer(scope) or await self._minimum.refusal(scope)
            early = refused or self._beaten.find(scope)
            await (early or self._app)(scope, receive, send_with_headers)
        except ClientDisconnect:
            pass  # nobody is there to be told
        except Exception as error:
            if status != _CALLER_WENT_AWAY:
                raise  # the answer has begun
            await (await on_unexpected(Request(scope), error))(scope, receive, send_with_headers)
        finally:
            if early is None and status < 400:
                self._beaten.learn(scope)
            self._bodies.give_back(scope)
            self._record(scope, status, time.perf_counter() - began)
            # It knows the request's cycle, which has the scope: nobody collects what holds itself for long.
            scope.pop(CONNECTION, None)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        record(self._telemetry, scope, self._paths.get(scope.get("endpoint"), "unknown"), status, seconds)


def _with_single_slashes(scope: Scope) -> Scope:
    """Clients write a slash at the end, of a path or of the URL before it, and not all of them follow a redirect."""
    path: str = scope["path"]
    if "//" in path:
        path = _SLASHES.sub("/", path)
    if path.endswith("/") and len(path) > 1:
        path = path[:-1]
    return scope if path is scope["path"] else {**scope, "path": path}


def _early_answer(scope: Scope) -> Response | None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URL_BYTES:
        return url_too_long()
    if scope["method"] == "OPTIONS":
        return Response(status_code=204, headers=_PREFLIGHT)
    return None
