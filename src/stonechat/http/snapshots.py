"""The one place that decides which project a request is for."""

from __future__ import annotations

from starlette.requests import Request

from stonechat.auth.access import Caller
from stonechat.project.live import LiveProjects, Snapshot


class Snapshots:
    """Finds the snapshot of a request: that of its caller's workspace."""

    def __init__(self, projects: LiveProjects) -> None:
        self._projects = projects

    def of(self, _request: Request, caller: Caller) -> Snapshot:
        """What is live in the caller's workspace. Take it once, and keep it to the end of the request."""
        return self._projects.of(caller.workspace_id).snapshot
