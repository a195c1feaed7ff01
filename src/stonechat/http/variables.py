"""`/v0/variables`: the secrets of the workspace, for its admins. No answer ever holds a value."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import Caller, ScopeType
from stonechat.auth.variables import InvalidVariable, Variable, Variables
from stonechat.http.authentication import Authenticator
from stonechat.http.bodies import read_body

_FORM = "application/x-www-form-urlencoded"
_MAX_FORM_BYTES = 1_000_000


@dataclass(frozen=True)
class _Handlers:
    """The handlers, and what they need."""

    authenticator: Authenticator
    variables: Variables

    async def list_all(self, request: Request) -> Response:
        caller = self._admin(request)
        found = await asyncio.to_thread(self.variables.all, caller.workspace_id)
        return JSONResponse({"variables": [_json(variable) for variable in found]})

    async def create(self, request: Request) -> Response:
        caller = self._admin(request)
        form = await _form(request)
        if form.get("type", "secret") != "secret":
            raise InvalidVariable("The only type of variables is 'secret'")
        name, value = _required(form, "name"), _required(form, "value")
        return await self._put(caller, name, value, new=True)

    async def show(self, request: Request) -> Response:
        caller = self._admin(request)
        name = request.path_params["name"]
        return JSONResponse(_json(await asyncio.to_thread(self.variables.get, caller.workspace_id, name)))

    async def change(self, request: Request) -> Response:
        caller = self._admin(request)
        value = _required(await _form(request), "value")
        return await self._put(caller, request.path_params["name"], value, new=False)

    async def remove(self, request: Request) -> Response:
        caller = self._admin(request)
        await asyncio.to_thread(self.variables.remove, caller.workspace_id, request.path_params["name"])
        return JSONResponse({"ok": True})

    async def _put(self, caller: Caller, name: str, value: str, *, new: bool) -> Response:
        put = self.variables.create if new else self.variables.change
        variable = await asyncio.to_thread(put, caller.workspace_id, name, value, edited_by=caller.token_name)
        return JSONResponse(_json(variable))

    def _admin(self, request: Request) -> Caller:
        caller = self.authenticator.caller(request)
        caller.require(ScopeType.ADMIN)
        return caller


def routes(authenticator: Authenticator, variables: Variables) -> list[Route]:
    """The Variables API."""
    handlers = _Handlers(authenticator, variables)
    return [
        Route("/v0/variables", handlers.list_all, methods=["GET"]),
        Route("/v0/variables", handlers.create, methods=["POST"]),
        Route("/v0/variables/{name}", handlers.show, methods=["GET"]),
        Route("/v0/variables/{name}", handlers.change, methods=["PUT"]),
        Route("/v0/variables/{name}", handlers.remove, methods=["DELETE"]),
    ]


async def _form(request: Request) -> dict[str, str]:
    """The fields of the body. Values do not come in the URL, which proxies and browsers write down."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await read_body(request, _MAX_FORM_BYTES)
    if body and kind != _FORM:
        raise InvalidVariable(f"A variable is sent as {_FORM}")
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise InvalidVariable("The request body is not UTF-8") from None


def _required(form: dict[str, str], field: str) -> str:
    if field not in form:
        raise InvalidVariable(f"The field '{field}' is missing", hint="Send the fields name and value as a form")
    return form[field]


def _json(variable: Variable) -> dict[str, str]:
    return {
        "name": variable.name,
        "type": "secret",
        "created_at": _seconds(variable.created_at),
        "updated_at": _seconds(variable.updated_at),
        "edited_by": variable.edited_by,
    }


def _seconds(moment: str) -> str:
    """ISO 8601 without a zone: `2024-06-21T10:27:57`."""
    return moment.partition(".")[0].replace(" ", "T")
