"""What clients ask first: is the server there, of which version, where else could one be, and which tokens has it."""

from __future__ import annotations

import asyncio
import ipaddress

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from stonechat.auth.access import AccessDenied
from stonechat.auth.tokens import TokenRegistry
from stonechat.deploy.workspaces import Workspaces


def routes(workspaces: Workspaces, tokens: TokenRegistry, *, local_tokens: bool) -> list[Route]:
    """Health, version, regions and local tokens."""

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def show_version(_request: Request) -> Response:
        from importlib.metadata import version  # noqa: PLC0415 - hardly anybody asks

        return PlainTextResponse(f"stonechat {await asyncio.to_thread(version, 'stonechat')}")

    async def list_regions(request: Request) -> Response:
        # The name that the caller reached this server by is the one it can be reached by.
        region = {"key": "self-hosted", "name": "Self-hosted", "provider": "stonechat"}
        return JSONResponse({"regions": [{**region, "api_host": str(request.base_url).rstrip("/")}]})

    async def show_tokens(request: Request) -> Response:
        if not local_tokens or not _is_local(request):
            raise AccessDenied(
                "GET /tokens answers callers on this machine only", hint="Use `stonechat token ls` on the server."
            )
        first = workspaces.default.snapshot.workspace.id
        owner, admin = await asyncio.to_thread(lambda: (tokens.user(first).value, tokens.admin(first).value))
        return JSONResponse({"user_token": owner, "admin_token": owner, "workspace_admin_token": admin})

    return [
        Route("/v0/health", health, methods=["GET"]),
        Route("/version", show_version, methods=["GET"]),
        Route("/v0/regions", list_regions, methods=["GET"]),
        Route("/tokens", show_tokens, methods=["GET"]),
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
