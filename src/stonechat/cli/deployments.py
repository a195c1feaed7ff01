"""`stonechat deploy` and `stonechat deployment`: the deployments of a running server."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from stonechat.cli.connection import DEFAULT_URL, AccessToken, Destructive, Url
from stonechat.cli.console import out
from stonechat.cli.folders import ProjectFolder
from stonechat.client import Remote
from stonechat.errors import Kind, StonechatError
from stonechat.project.loader import load_folder
from stonechat.requesting import RequestRefused
from stonechat.testing.places import add_excerpts

app = typer.Typer(help="Look at deployments, promote, discard and take them back.", no_args_is_help=True)
Staging = Annotated[bool, typer.Option("--staging", help="Leave it beside the live one, to be promoted later.")]
Chosen = Annotated[str | None, typer.Argument(help="The deployment's id. Default: the one that is staged.")]
_POLL_SECONDS = 0.5
_STATES = {
    "creating_schema": "in progress",
    "schema_ready": "in progress",
    "data_ready": "staging",
    "failed": "failed",
    "deleted": "deleted",
}


class DeploymentFailed(StonechatError):
    """The deployment was discarded: it could not be carried out, or somebody ended it."""

    code = "SC982"
    kind = Kind.INVALID


class NothingStaged(StonechatError):
    """There is no deployment beside the live one, or none that was live before it."""

    code = "SC983"
    kind = Kind.MISSING


def deploy(  # noqa: PLR0917 - the parameters are the command's options
    folder: ProjectFolder = Path(),
    check: Annotated[bool, typer.Option("--check", help="Only say what would change.")] = False,
    staging: Staging = False,
    destructive: Destructive = False,
    url: Annotated[
        str, typer.Option("--to", "--url", help="Server to deploy to.", envvar="STONECHAT_URL")
    ] = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Deploy a project folder to a running server: all of it, or nothing."""
    files = load_folder(folder)
    with Remote(url, token) as remote:
        try:
            body = remote.deploy(files, check=check, promote=not staging, allow_destructive=destructive)
        except RequestRefused as error:
            add_excerpts(error, files)
            raise
        if body["result"] == "no_changes":
            out.print("No changes.")
            return
        _explain(body["deployment"])
        if check:
            out.print("Nothing was changed: this was a check.")
            return
        _follow(remote, str(body["deployment"]["id"]), staged=staging)


@app.command("ls")
def list_deployments(url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """List deployments, the newest first."""
    with Remote(url, token) as remote:
        for each in remote.deployments(history=True):
            state = "live" if each["live"] else _STATES[each["status"]]
            out.print(f"{each['id']:>6}  {state:<12} {each['created_at'][:19].replace('T', ' ')}", markup=False)


@app.command()
def promote(deployment: Chosen = None, url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """Make a staged deployment live."""
    with Remote(url, token) as remote:
        identity = deployment or _staged(remote)
        remote.promote(identity)
    out.print(f"Deployment {identity} is live.")


@app.command()
def discard(deployment: Chosen = None, url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """End a deployment that is staged or under way; the live one stays."""
    with Remote(url, token) as remote:
        identity = deployment or _staged(remote)
        remote.discard(identity)
        _wait(remote, identity, lambda each: each["status"] in {"deleted", "failed"})
    out.print(f"Deployment {identity} is discarded.")


@app.command()
def rollback(
    deployment: Annotated[str | None, typer.Argument(help="Its id. Default: the one that was live before.")] = None,
    staging: Staging = False,
    destructive: Destructive = False,
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Deploy the files of an earlier deployment again; data that has come since stays, as far as it fits."""
    with Remote(url, token) as remote:
        identity = deployment or _previous(remote)
        body = remote.roll_back(identity, promote=not staging, allow_destructive=destructive)
        if body["result"] == "no_changes":
            out.print("No changes.")
            return
        _explain(body["deployment"])
        _follow(remote, str(body["deployment"]["id"]), staged=staging)


def _explain(deployment: Mapping[str, Any]) -> None:
    for step in deployment["plan"]:
        out.print(f"  {step}", markup=False)


def _follow(remote: Remote, identity: str, *, staged: bool) -> None:
    """Wait until a deployment is what it shall be. Raises `DeploymentFailed`."""
    ended = _wait(
        remote,
        identity,
        lambda each: (
            each["live"] or (staged and each["status"] == "data_ready") or each["status"] in {"failed", "deleted"}
        ),
    )
    if ended["status"] in {"failed", "deleted"}:
        reasons = "; ".join(str(error["error"]) for error in ended["errors"])
        raise DeploymentFailed(
            f"Deployment {identity} was discarded{': ' * bool(reasons)}{reasons}", hint="What was live is live."
        )
    if staged:
        out.print(f"Deployment {identity} is staged: promote or discard it.")
    else:
        out.print(f"Deployment {identity} is live.")


def _wait(remote: Remote, identity: str, ended: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
    while not ended(deployment := remote.deployment(identity)):
        time.sleep(_POLL_SECONDS)
    return deployment


def _staged(remote: Remote) -> str:
    for each in remote.deployments():
        if not each["live"]:
            return str(each["id"])
    raise NothingStaged("There is no deployment beside the live one")


def _previous(remote: Remote) -> str:
    for each in remote.deployments(history=True):
        if not each["live"] and each["promoted_at"]:
            return str(each["id"])
    raise NothingStaged("No deployment was live before", hint="Deploy the project that you want.")
