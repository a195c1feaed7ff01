"""The one place where a request's token becomes a caller."""

from __future__ import annotations

from starlette.requests import Request

from stonechat.auth.access import Caller
from stonechat.auth.limits import RateLimit
from stonechat.auth.tokens import TokenRegistry

_SCHEME = "bearer "


class Authenticator:
    """Finds the token of a request (`Authorization: Bearer`, else `?token=`), who it stands for, and counts it."""

    def __init__(self, tokens: TokenRegistry, limit: RateLimit) -> None:
        self._tokens = tokens
        self._limit = limit

    def caller(self, request: Request) -> Caller:
        """The caller. Raises `auth.tokens.InvalidToken` for a missing or unknown token, or `RateLimited`."""
        caller = self._identified(request)
        self._limit.take(caller.token_id)
        return caller

    def _identified(self, request: Request) -> Caller:
        header = request.headers.get("authorization", "")
        if header[: len(_SCHEME)].lower() == _SCHEME:
            return self._tokens.identify(header[len(_SCHEME) :].strip())
        return self._tokens.identify(request.query_params.get("token", ""))
