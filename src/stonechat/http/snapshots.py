"""The one place that decides which project a request is for."""

from __future__ import annotations

from starlette.requests import Request

from stonechat.auth.access import Caller
from stonechat.datafile.resources import DataSource
from stonechat.errors import Kind, StonechatError
from stonechat.project.live import LiveProjects
from stonechat.project.snapshot import Snapshot

_PARAMETER = b"__tb__deployment"
# What the store of deployments can count to has 19 digits, and what Python reads as a number 4,300.
_DIGITS = 18
_NO_DEPLOYMENT = 10**_DIGITS


class NoSuchDeployment(StonechatError):
    """The request is for a deployment that is neither live nor ready beside the live one."""

    code = "SC981"
    kind = Kind.MISSING


def deployment_number(text: str) -> int | None:
    """The deployment that a text of digits names; None for any other text. Beyond `_NO_DEPLOYMENT` all are alike."""
    if not (text.isascii() and text.isdecimal()):
        return None
    return int(text) if len(text) <= _DIGITS else _NO_DEPLOYMENT


class Snapshots:
    """Finds the snapshot of a request: that of its caller's workspace, live or staged."""

    def __init__(self, projects: LiveProjects) -> None:
        self._projects = projects

    def of(self, request: Request, caller: Caller) -> Snapshot:
        """What the request is for: what is live, unless it asks for the deployment beside it.

        Take it once, and keep it to the end of the request. Raises `NoSuchDeployment`.
        """
        live, candidate = self._projects.of(caller.workspace_id).served
        if _PARAMETER not in request.scope["query_string"]:
            return live
        wanted = request.query_params.get("__tb__deployment", "")
        if wanted != "staging" and deployment_number(wanted) in {None, live.deployment_id}:
            return live
        if candidate is not None and candidate.ready and wanted in {"staging", str(candidate.snapshot.deployment_id)}:
            return candidate.snapshot
        raise NoSuchDeployment(
            "There is no staging deployment" if wanted == "staging" else f"The deployment '{wanted}' serves nothing",
            hint="Deploy without promoting, and wait until it is ready.",
        )

    def is_live(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot is that of what is live, and not that of a deployment beside it."""
        return self._projects.of(snapshot.workspace.id).snapshot.deployment_id == snapshot.deployment_id

    def beside(self, snapshot: Snapshot, name: str) -> DataSource | None:
        """A data source as the deployment beside the snapshot has it, which gets the same events; None without one."""
        live, candidate = self._projects.of(snapshot.workspace.id).served
        if candidate is None or snapshot.deployment_id != live.deployment_id:
            return None
        return candidate.snapshot.project.data_sources.get(name)
