"""What local clients ask first: is the server there, which tokens has it, what is the workspace."""

from __future__ import annotations

import ipaddress

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import AccessDenied
from stonechat.auth.tokens import TokenRegistry
from stonechat.http.authentication import Authenticator
from stonechat.project.live import LiveProject


def routes(
    authenticator: Authenticator, live: LiveProject, tokens: TokenRegistry, *, local_tokens: bool
) -> list[Route]:
    """Health, local tokens and the workspace."""

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def show_tokens(request: Request) -> Response:
        if not local_tokens or not _is_local(request):
            raise AccessDenied(
                "GET /tokens answers callers on this machine only", hint="Use `stonechat token ls` on the server."
            )
        value = tokens.admin(live.snapshot.workspace.id).value
        return JSONResponse({"user_token": value, "admin_token": value, "workspace_admin_token": value})

    async def show_workspace(request: Request) -> Response:
        workspace = live.snapshot.workspace
        authenticator.caller(request)
        return JSONResponse({"id": workspace.id, "name": workspace.name, "created_at": workspace.created_at})

    return [
        Route("/v0/health", health, methods=["GET"]),
        Route("/tokens", show_tokens, methods=["GET"]),
        Route("/v1/workspace", show_workspace, methods=["GET"]),
    ]


def _is_local(request: Request) -> bool:
    """Whether the caller sits on this machine: a loopback peer that names a loopback host and comes through no proxy.

    No Origin: a web page may not read the token. The Host check stops a page that points its own name at 127.0.0.1.
    """
    foreign = ("origin", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
    if request.client is None or any(name in request.headers for name in foreign):
        return False
    host = request.url.hostname or ""
    return _is_loopback(request.client.host) and (host == "localhost" or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
