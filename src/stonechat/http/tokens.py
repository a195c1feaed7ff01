"""`/v0/tokens`: the tokens of the workspace, for those who may manage them.

Whoever is no admin may manage only tokens that have no more rights than it could give away; others do not exist for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import Caller, GrantRefused, Scope, ScopeType
from stonechat.auth.token_table import Token
from stonechat.auth.tokens import InvalidTokenRequest, TokenRegistry, UnknownToken, check_name
from stonechat.auth.web_tokens import InvalidClaims
from stonechat.http.attributes import asked_for, only
from stonechat.http.authentication import Authenticator
from stonechat.http.datafiles import datafile_response
from stonechat.http.snapshots import Snapshots
from stonechat.http.token_requests import TokenRequest, resource_name, scope_object, token_request
from stonechat.project.snapshot import Snapshot

CheckFilter = Callable[[Snapshot, str, str], None]


@dataclass(frozen=True)
class _Tokens:
    """The handlers, and what they need."""

    authenticator: Authenticator
    snapshots: Snapshots
    tokens: TokenRegistry
    check_filter: CheckFilter

    async def list_all(self, request: Request) -> Response:
        caller = self._manager(request)
        found = await asyncio.to_thread(self.tokens.tokens, caller.workspace_id)
        wanted = asked_for(request, "attrs")
        listed = [only(_json(token), wanted) for token in found if caller.may_manage(token.scopes)]
        return JSONResponse({"tokens": listed})

    async def show(self, request: Request) -> Response:
        return JSONResponse(_json(await self._visible(request)))

    async def show_datafile(self, request: Request) -> Response:
        return datafile_response(_datafile(await self._visible(request)))

    async def create(self, request: Request) -> Response:
        caller = self._manager(request)
        wanted = await token_request(request)
        check_name(wanted.name)
        if wanted.expires is not None:
            return JSONResponse({"token": await self._signed(request, caller, wanted, wanted.expires)})
        if wanted.requests_per_second:
            raise InvalidTokenRequest("Only a JWT has limits of its own", hint="Give expiration_time.")
        scopes = await self._static(request, caller, wanted)
        description = wanted.description or ""
        token = await asyncio.to_thread(
            self.tokens.create, caller.workspace_id, wanted.name, scopes, description=description
        )
        return JSONResponse(_json(token))

    async def change(self, request: Request) -> Response:
        caller, token = await self._manageable(request)
        wanted = await token_request(request)
        scopes = None
        if wanted.scopes is not None or wanted.description is None:
            scopes = await self._static(request, caller, wanted)
        changed = await asyncio.to_thread(self.tokens.change, token, scopes=scopes, description=wanted.description)
        return JSONResponse(_json(changed))

    async def renew(self, request: Request) -> Response:
        _, token = await self._manageable(request)
        return JSONResponse(_json(await asyncio.to_thread(self.tokens.renew, token)))

    async def remove(self, request: Request) -> Response:
        _, token = await self._manageable(request)
        await asyncio.to_thread(self.tokens.remove, token)
        return JSONResponse({"ok": True})

    async def _signed(self, request: Request, caller: Caller, wanted: TokenRequest, expires: int) -> str:
        try:
            value, stands_for = self.tokens.signed.sign(
                caller.workspace_id,
                wanted.name,
                wanted.scopes or (),
                expires=expires,
                requests_per_second=wanted.requests_per_second,
            )
        except InvalidClaims as error:
            raise InvalidTokenRequest(error.message, hint=error.hint) from error
        scopes = sorted(stands_for.scopes, key=str)
        _require_grantable(caller, scopes)
        snapshot = self.snapshots.of(request, caller)
        for scope in scopes:
            name = resource_name(scope, snapshot)
            for condition in stands_for.filters.get(scope.resource, ()):
                await asyncio.to_thread(self.check_filter, snapshot, name, condition)
        return value

    async def _static(self, request: Request, caller: Caller, wanted: TokenRequest) -> list[Scope]:
        """The scopes that a request gives a static token, each of which the caller may give."""
        snapshot = self.snapshots.of(request, caller)
        scopes = wanted.static_scopes(snapshot)
        _require_grantable(caller, scopes)
        for scope in scopes:
            if scope.filter:
                await asyncio.to_thread(self.check_filter, snapshot, scope.resource, scope.filter)
        return scopes

    def _manager(self, request: Request) -> Caller:
        caller = self.authenticator.caller(request)
        caller.require(ScopeType.TOKENS)
        return caller

    async def _visible(self, request: Request) -> Token:
        """The token of the path, if the caller may manage it or is it."""
        caller = self.authenticator.caller(request)
        token = await self._find(request, caller)
        if token.id != caller.token_id and not caller.may_manage(token.scopes):
            raise UnknownToken
        return token

    async def _manageable(self, request: Request) -> tuple[Caller, Token]:
        caller = self._manager(request)
        token = await self._find(request, caller)
        if not caller.may_manage(token.scopes):
            raise UnknownToken
        return caller, token

    async def _find(self, request: Request, caller: Caller) -> Token:
        return await asyncio.to_thread(self.tokens.find, caller.workspace_id, request.path_params["token"])


def routes(
    authenticator: Authenticator, snapshots: Snapshots, tokens: TokenRegistry, check_filter: CheckFilter
) -> list[Route]:
    """The Tokens API. `check_filter` raises what a condition on the rows of a data source has against it; it blocks."""
    handlers = _Tokens(authenticator, snapshots, tokens, check_filter)
    return [
        Route("/v0/tokens", handlers.list_all, methods=["GET"]),
        Route("/v0/tokens", handlers.create, methods=["POST"]),
        Route("/v0/tokens/{token}.token", handlers.show_datafile, methods=["GET"]),
        Route("/v0/tokens/{token}/refresh", handlers.renew, methods=["POST"]),
        Route("/v0/tokens/{token}", handlers.show, methods=["GET"]),
        Route("/v0/tokens/{token}", handlers.change, methods=["PUT"]),
        Route("/v0/tokens/{token}", handlers.remove, methods=["DELETE"]),
    ]


def _require_grantable(caller: Caller, scopes: Sequence[Scope]) -> None:
    for scope in scopes:
        if scope.type is ScopeType.USER or not caller.may_manage([scope]):
            raise GrantRefused(
                f"The token may not give away the scope {scope}",
                hint="It may give scopes of single resources, and those on the workspace that it has itself.",
            )


def _json(token: Token) -> dict[str, object]:
    return {
        "id": token.id,
        "token": token.value,
        "name": token.name,
        "description": token.description,
        "scopes": [scope_object(scope) for scope in token.scopes],
        "origin": {"type": "DS" if token.managed else "C"},
        "host": "local",
        "is_internal": False,
    }


def _datafile(token: Token) -> str:
    """The token as a file; like all files of a project it holds no value."""
    description = [f"DESCRIPTION {token.description}"] if token.description else []
    return "".join(f"{line}\n" for line in [*description, *(f"SCOPE {scope}" for scope in token.scopes)])
