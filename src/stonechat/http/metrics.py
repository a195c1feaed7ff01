"""`/metrics`: the counters of the server, for Prometheus and what reads its formats."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stonechat.auth.access import AccessDenied, ScopeType
from stonechat.http.authentication import Authenticator
from stonechat.telemetry.metrics import Metrics


def routes(
    authenticator: Authenticator, metrics: Metrics, first_workspace: Callable[[], str], *, open_to_all: bool
) -> list[Route]:
    """The metrics. They are about all workspaces, so the admin tokens of others than the first do not open them."""

    def require(request: Request) -> None:
        caller = authenticator.caller(request)
        if caller.may(ScopeType.USER) or (caller.is_admin and caller.workspace_id == first_workspace()):
            return
        raise AccessDenied(
            "The metrics are for the server's owner",
            hint="Use the admin token of the first workspace, or serve with open_metrics = true.",
        )

    async def show(request: Request) -> Response:
        if not open_to_all:
            require(request)
        text, media_type = metrics.exposition(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": media_type})

    return [Route("/metrics", show, methods=["GET"])]
