"""The one place where a request's token becomes a caller."""

from __future__ import annotations

from functools import lru_cache

from starlette.requests import Request
from starlette.types import Scope

from stonechat.auth import access
from stonechat.auth.access import Caller
from stonechat.auth.limits import Allowance, RateLimit, RateLimited
from stonechat.auth.tokens import TokenRegistry
from stonechat.http.headers import Headers, header
from stonechat.project.live import LiveProjects

CALLER = "stonechat.caller"
"""The key in a request's scope of the caller, once it is known."""
_SCHEME = "bearer "
_ALLOWANCE = "stonechat.allowance"


class Authenticator:
    """Finds the token of a request (`Authorization: Bearer`, else `?token=`), who it stands for, and counts it."""

    def __init__(self, tokens: TokenRegistry, limit: RateLimit, projects: LiveProjects) -> None:
        self._limit = limit
        self._projects = projects
        #: Who a token stands for, uncounted, and with resources as the token has them: by name or by id.
        self.identified = tokens.identify

    def caller(self, request: Request) -> Caller:
        """The caller. Raises `auth.access.InvalidToken` for a missing or unknown token, or `RateLimited`."""
        caller = request.scope[CALLER] = self.identified(token_of(request))
        self.count(request.scope, caller)
        if _name_ids(caller.scopes):
            return caller.with_names(self._projects.of(caller.workspace_id).snapshot.names_by_id)
        return caller

    def count(self, scope: Scope, caller: Caller) -> None:
        """Count a request of a caller. Raises `RateLimited`."""
        if not self.limits(caller):
            return
        try:
            allowance = self._limit.take(_counted_as(caller), caller.requests_per_second)
        except RateLimited as error:
            scope[_ALLOWANCE] = error.allowance
            raise
        if allowance is not None:
            scope[_ALLOWANCE] = allowance

    def limits(self, caller: Caller) -> bool:
        """Whether the requests of a caller are counted at all."""
        return bool(caller.requests_per_second or self._limit.per_second)

    def uncount(self, caller: Caller) -> None:
        """Forget that a request of a caller was counted, which begins anew and is counted again."""
        self._limit.put_back(_counted_as(caller))


def _counted_as(caller: Caller) -> str:
    return caller.counted_as or caller.token_id


@lru_cache(1000)
def _name_ids(scopes: frozenset[access.Scope]) -> bool:
    return any(scope.resource.startswith("t_") for scope in scopes)


def token_of(request: Request) -> str:
    """The token that a request has, or an empty text."""
    if is_in_header(request.scope):
        return (header(request.scope, b"authorization") or "")[len(_SCHEME) :].strip()
    return request.query_params.get("token", "")


def is_in_header(scope: Scope) -> bool:
    """Whether the token of a request is in its `Authorization`, which decides then, and not in its URL."""
    return (header(scope, b"authorization") or "")[: len(_SCHEME)].lower() == _SCHEME


def rate_limit_headers(scope: Scope) -> Headers:
    """What the answer to a request tells a caller whose rate is limited; nothing to others."""
    allowance: Allowance | None = scope.get(_ALLOWANCE)
    if allowance is None:
        return []
    return [
        (b"x-ratelimit-limit", b"%g" % allowance.limit),
        (b"x-ratelimit-remaining", b"%d" % allowance.remaining),
        (b"x-ratelimit-reset", b"%d" % allowance.reset),
    ]
