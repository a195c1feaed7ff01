"""Workspaces as the local clients manage them: `/v1/user/workspaces`, `/v1/workspaces`, `/v1/workspace`.

`/v1/environments` are their branches, of which there are none.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import ScopeType
from stonechat.auth.known_tokens import USER_TOKEN_NAME
from stonechat.auth.tokens import TokenRegistry
from stonechat.deploy.workspaces import Workspaces
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.bodies import read_body
from stonechat.project.workspaces import Workspace

_MAX_FORM_BYTES = 100_000
_ORGANIZATION = str(uuid.uuid5(uuid.NAMESPACE_DNS, "stonechat"))
"""Clients want an organization to make workspaces in. A server is one."""
_OWNER = str(uuid.uuid5(uuid.NAMESPACE_DNS, "owner.stonechat"))


class NotConfirmed(StonechatError):
    """A workspace is deleted only by a request that says so twice."""

    code = "SC951"
    kind = Kind.INVALID


class NoBranches(StonechatError):
    """A branch of a workspace is made or named, and this version has none."""

    code = "SC942"
    kind = Kind.CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "Workspaces have no branches in this version",
            hint="Try a change in a workspace of its own, or with stonechat deploy --staging.",
        )


@dataclass(frozen=True)
class _Handlers:
    """The handlers, and what they need."""

    authenticator: Authenticator
    workspaces: Workspaces
    tokens: TokenRegistry

    async def show(self, request: Request) -> Response:
        caller = self.authenticator.caller(request)
        return JSONResponse(_public(self.workspaces.live(caller.workspace_id).snapshot.workspace))

    async def list_all(self, request: Request) -> Response:
        caller = self.authenticator.caller(request)
        caller.require(ScopeType.ADMIN)
        listed = self.workspaces.all()
        if not caller.may(ScopeType.USER):
            listed = [workspace for workspace in listed if workspace.id == caller.workspace_id]
        found = [await asyncio.to_thread(self._json, workspace) for workspace in listed]
        owner = {"id": _OWNER, "email": USER_TOKEN_NAME.removeprefix("admin ")}
        organization = {"organization_id": _ORGANIZATION, "organization_name": "stonechat"}
        return JSONResponse(owner | organization | {"workspaces": found})

    async def create(self, request: Request) -> Response:
        self.authenticator.caller(request).require(ScopeType.USER)
        name = request.query_params.get("name") or (await _form(request)).get("name", "")
        workspace = await asyncio.to_thread(self.workspaces.create, name)
        return JSONResponse(await asyncio.to_thread(self._json, workspace))

    async def delete(self, request: Request) -> Response:
        self.authenticator.caller(request).require(ScopeType.USER)
        identity = request.path_params["id"]
        workspace = self.workspaces.live(identity).snapshot.workspace
        if request.query_params.get("hard_delete_confirmation") not in {"yes", workspace.name}:
            raise NotConfirmed(
                f"The workspace '{workspace.name}' would be deleted with its data",
                hint="Confirm it with hard_delete_confirmation=yes.",
            )
        await asyncio.to_thread(self.workspaces.delete, identity)
        return JSONResponse({"ok": True})

    async def list_branches(self, request: Request) -> Response:
        self.authenticator.caller(request).require(ScopeType.ADMIN)
        return JSONResponse({"environments": []})

    async def refuse_branch(self, request: Request) -> Response:
        self.authenticator.caller(request).require(ScopeType.ADMIN)
        raise NoBranches

    def _json(self, workspace: Workspace) -> dict[str, object]:
        return _public(workspace) | {"token": self.tokens.admin(workspace.id).value, "role": "admin"}


def routes(authenticator: Authenticator, workspaces: Workspaces, tokens: TokenRegistry) -> list[Route]:
    """The Workspaces API."""
    handlers = _Handlers(authenticator, workspaces, tokens)
    return [
        Route("/v1/workspace", handlers.show, methods=["GET"]),
        Route("/v0/workspace", handlers.show, methods=["GET"]),
        Route("/v1/user/workspaces", handlers.list_all, methods=["GET"]),
        Route("/v1/workspaces", handlers.create, methods=["POST"]),
        Route("/v1/workspaces/{id}", handlers.delete, methods=["DELETE"]),
        Route("/v1/environments", handlers.list_branches, methods=["GET"]),
        Route("/v1/environments", handlers.refuse_branch, methods=["POST"]),
        Route("/v0/environments/{name}", handlers.refuse_branch, methods=["GET", "DELETE"]),
    ]


def _public(workspace: Workspace) -> dict[str, object]:
    """A workspace without its token. Clients print the keys that a hosted service would fill."""
    return {
        "id": workspace.id,
        "name": workspace.name,
        "created_at": workspace.created_at,
        "main": None,
        "is_branch": False,
        "plan": "self-hosted",
        "owner": _OWNER,
        "members": [],
    }


async def _form(request: Request) -> dict[str, str]:
    body = await read_body(request, _MAX_FORM_BYTES)
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
