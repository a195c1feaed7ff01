"""The ASGI application: routes, what every answer carries, and what happens to errors."""

from __future__ import annotations

import random
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stonechat.errors import StonechatError
from stonechat.http.problems import on_http_exception, on_stonechat_error, on_unexpected

_MAX_URL_BYTES = 8192
_CORS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Server-Timing, X-Request-Id, X-Cache, ETag, Retry-After",
}
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, PUT, DELETE, OPTIONS",
    "access-control-allow-headers": "*, Authorization, Content-Type, Content-Encoding",
    "access-control-max-age": "86400",
}


def application(routes: Sequence[Route]) -> Starlette:
    """The application over its routes."""
    app = Starlette(
        routes=list(routes),
        exception_handlers={
            StonechatError: on_stonechat_error,
            HTTPException: on_http_exception,
            Exception: on_unexpected,
        },
    )
    app.add_middleware(EveryAnswer)
    return app


class EveryAnswer:
    """Middleware in plain ASGI: a request id and CORS on each answer, preflights, and a bound on the URL.

    Tokens travel in headers or the URL and never in cookies, so any origin may call.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update({**_CORS, "x-request-id": request_id})
            await send(message)

        scope = _without_trailing_slash(scope)
        request_id = _request_id(scope)
        early = _early_answer(scope)
        await (early or self._app)(scope, receive, send_with_headers)


def _without_trailing_slash(scope: Scope) -> Scope:
    """Clients write paths with and without a slash at the end, and not all of them follow a redirect."""
    path: str = scope["path"]
    return {**scope, "path": path.rstrip("/")} if path.endswith("/") and len(path) > 1 else scope


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    if given.isascii() and given.isprintable() and 0 < len(given) <= 100:
        return given
    return f"{random.getrandbits(128):032x}"


def _early_answer(scope: Scope) -> Response | None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > _MAX_URL_BYTES:
        body = {
            "error": f"The URL is longer than {_MAX_URL_BYTES} bytes",
            "code": "SC914",
            "hint": "Send long values in the body of a POST request.",
        }
        return JSONResponse(body, status_code=414)
    if scope["method"] == "OPTIONS":
        return Response(status_code=204, headers=_PREFLIGHT)
    return None
