"""The one place where a request's token becomes a caller."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import Scope

from stonechat.auth.access import Caller
from stonechat.auth.limits import Allowance, RateLimit, RateLimited
from stonechat.auth.tokens import TokenRegistry
from stonechat.project.live import LiveProjects

_SCHEME = "bearer "
_ALLOWANCE = "stonechat.allowance"


class Authenticator:
    """Finds the token of a request (`Authorization: Bearer`, else `?token=`), who it stands for, and counts it."""

    def __init__(self, tokens: TokenRegistry, limit: RateLimit, projects: LiveProjects) -> None:
        self._tokens = tokens
        self._limit = limit
        self._projects = projects

    def caller(self, request: Request) -> Caller:
        """The caller. Raises `auth.access.InvalidToken` for a missing or unknown token, or `RateLimited`."""
        caller = self._identified(request)
        try:
            allowance = self._limit.take(caller.token_id, caller.requests_per_second)
        except RateLimited as error:
            request.scope[_ALLOWANCE] = error.allowance
            raise
        if allowance is not None:
            request.scope[_ALLOWANCE] = allowance
        if any(scope.resource.startswith("t_") for scope in caller.scopes):
            return caller.with_names(self._projects.of(caller.workspace_id).snapshot.names_by_id)
        return caller

    def _identified(self, request: Request) -> Caller:
        header = request.headers.get("authorization", "")
        if header[: len(_SCHEME)].lower() == _SCHEME:
            return self._tokens.identify(header[len(_SCHEME) :].strip())
        return self._tokens.identify(request.query_params.get("token", ""))


def rate_limit_headers(scope: Scope) -> Mapping[str, str]:
    """What the answer to a request tells a caller whose rate is limited; nothing to others."""
    allowance: Allowance | None = scope.get(_ALLOWANCE)
    if allowance is None:
        return {}
    return {
        "x-ratelimit-limit": f"{allowance.limit:g}",
        "x-ratelimit-remaining": str(allowance.remaining),
        "x-ratelimit-reset": str(allowance.reset),
    }
