"""Requests to where one was answered before, past the router.

Finding the route of a path among sixty, and what Starlette puts around each, costs as much as a small request itself.
The method and the path decide both, so an earlier request knows them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stonechat.errors import StonechatError
from stonechat.http.problems import on_http_exception, on_stonechat_error

_MOST_PATHS = 1000
_LONGEST_PATH = 200
_Endpoint = Callable[[Request], Awaitable[Response]]


class BeatenPaths:
    """Paths that the router has found before, with their methods. One event loop's own."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Direct] = {}

    def find(self, scope: Scope) -> _Direct | None:
        """What answers a request, if the router has found that before."""
        return self._known.get((scope["method"], scope["path"]))

    def learn(self, scope: Scope) -> None:
        """Remember where the router has led a request that was answered well."""
        key = scope["method"], scope["path"]
        endpoint, parameters = scope.get("endpoint"), scope.get("path_params")
        if endpoint is None or parameters is None or key in self._known or len(key[1]) > _LONGEST_PATH:
            return
        if len(self._known) >= _MOST_PATHS:
            self._known.clear()
        self._known[key] = _Direct(endpoint, parameters)


@dataclass(frozen=True, slots=True)
class _Direct:
    """An endpoint with the parameters of its path, and with the error handlers that the router has around it."""

    endpoint: _Endpoint
    parameters: Mapping[str, Any]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. What nobody foresaw is raised, as the router raises it."""
        scope["endpoint"], scope["path_params"] = self.endpoint, self.parameters
        request = Request(scope, receive)
        try:
            response = await self.endpoint(request)
        except StonechatError as error:
            response = await on_stonechat_error(request, error)
        except HTTPException as error:
            response = await on_http_exception(request, error)
        await response(scope, receive, send)
