"""The one place where a request's token becomes a caller."""

from __future__ import annotations

from starlette.requests import Request

from stonechat.auth.access import Caller
from stonechat.auth.tokens import TokenRegistry

_SCHEME = "bearer "


class Authenticator:
    """Finds the token of a request (`Authorization: Bearer`, else `?token=`) and who it stands for."""

    def __init__(self, tokens: TokenRegistry) -> None:
        self._tokens = tokens

    def caller(self, request: Request) -> Caller:
        """The caller. Raises `auth.tokens.InvalidToken` for a missing, malformed or unknown token."""
        header = request.headers.get("authorization", "")
        if header[: len(_SCHEME)].lower() == _SCHEME:
            return self._tokens.identify(header[len(_SCHEME) :].strip())
        return self._tokens.identify(request.query_params.get("token", ""))
