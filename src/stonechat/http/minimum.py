"""Requests that are for a deployment or a later one: they wait for it to be live."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator, token_of
from stonechat.http.problems import on_stonechat_error
from stonechat.http.snapshots import deployment_number
from stonechat.project.live import LiveProjects

_PARAMETER = "__tb__min_deployment"
_IN_QUERY = _PARAMETER.encode()
_PATIENCE = 20.0
_POLL_SECONDS = 0.05


class DeploymentNotLive(StonechatError):
    """The request is for a deployment or a later one, and neither is live."""

    code = "SC984"
    kind = Kind.UNAVAILABLE


@dataclass(frozen=True)
class MinimumDeployment:
    """Holds back the requests that have the parameter `__tb__min_deployment`."""

    authenticator: Authenticator
    projects: LiveProjects

    async def refusal(self, scope: Scope) -> Response | None:
        """None as soon as the deployment is live; a refusal where none is on its way, or it takes too long."""
        if _IN_QUERY not in scope["query_string"]:
            return None
        request = Request(scope)
        wanted = deployment_number(request.query_params.get(_PARAMETER, ""))
        if wanted is None:
            return None
        try:
            await self._reached(self.authenticator.identified(token_of(request)).workspace_id, wanted)
        except DeploymentNotLive as error:
            return await on_stonechat_error(request, error)
        except StonechatError:
            return None  # the route says what is wrong with the token
        return None

    async def _reached(self, workspace_id: str, wanted: int) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            live, candidate = self.projects.of(workspace_id).served
            if live.deployment_id >= wanted:
                return
            if candidate is None or candidate.snapshot.deployment_id < wanted or time.monotonic() > end:
                raise DeploymentNotLive(f"The deployment '{wanted}' is not live yet", hint="Try again when it is.")
            await asyncio.sleep(_POLL_SECONDS)
