"""`GET /v0/tokens`: the tokens of the workspace with their values, for those who may manage them."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import ScopeType
from stonechat.auth.tokens import Token, TokenRegistry
from stonechat.http.authentication import Authenticator


def routes(authenticator: Authenticator, tokens: TokenRegistry) -> list[Route]:
    """The Tokens API, as far as it lists."""

    async def list_tokens(request: Request) -> Response:
        caller = authenticator.caller(request)
        caller.require(ScopeType.TOKENS)
        found = await asyncio.to_thread(tokens.tokens, caller.workspace_id)
        return JSONResponse({"tokens": [_json(token) for token in found]})

    return [Route("/v0/tokens", list_tokens, methods=["GET"])]


def _json(token: Token) -> dict[str, object]:
    scopes = [
        {"type": scope.type.value, **({"resource": scope.resource} if scope.resource else {})} for scope in token.scopes
    ]
    return {
        "id": token.id,
        "token": token.value,
        "name": token.name,
        "description": "",
        "scopes": scopes,
        "origin": {"type": "DS" if token.managed else "C"},
        "host": "local",
        "is_internal": False,
    }
