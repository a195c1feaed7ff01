"""`stonechat job`: what goes on behind requests on a running server."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from stonechat.cli.connection import DEFAULT_URL, AccessToken, Url
from stonechat.cli.console import counted, err, out, share_bar
from stonechat.client import Remote
from stonechat.errors import Kind, StonechatError

app = typer.Typer(help="Look after jobs.", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(help="The job's id, as `stonechat job ls` shows it.")]
_POLL_SECONDS = 0.25
_VIEW_FAILED = "SC661"
_ENDED = {"done", "error", "cancelled"}
_COLOURS = {"done": "green", "error": "red", "cancelled": "yellow"}


class JobNotDone(StonechatError):
    """A job that the command waited for failed, or was cancelled."""

    code = "SC967"
    kind = Kind.CONFLICT

    def __init__(self, job: Mapping[str, Any]) -> None:
        reason = job["error"] or f"it is {job['status']}"
        hint = job.get("hint") or f"Try `stonechat job retry {job['id']}`."
        super().__init__(f"The job {job['id']} is not done: {reason}", hint=hint)
        self.job = job

    @property
    def has_appended(self) -> bool:
        """Whether all rows of a file are there, and only a materialized view behind them failed."""
        return self.job.get("code") == _VIEW_FAILED


@app.command("ls")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="Only jobs of this status.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind, such as copy or import.")] = None,
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """List the jobs of the last two days, the newest first."""
    with Remote(url, token) as remote:
        jobs = remote.jobs(status=status, kind=kind)
    for job in jobs:
        about = job.get("pipe_name") or job.get("datasource", {}).get("name", "")
        colour = _COLOURS.get(job["status"], "cyan")
        status_shown = f"[{colour}]{job['status']:<10}[/{colour}]"
        begun = job["created_at"][:19].replace("T", " ")
        out.print(f"{job['id']}  {begun}  {job['kind']:<12}{status_shown} {about}".rstrip())


@app.command("show")
def show(job: JobId, url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """Print all that is known of a job, as JSON."""
    with Remote(url, token) as remote:
        sys.stdout.write(json.dumps(remote.job(job), indent=2, ensure_ascii=False) + "\n")


@app.command("cancel")
def cancel(job: JobId, url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """End a job: at once if it waits, else as soon as it can be ended."""
    with Remote(url, token) as remote:
        out.print(f"The job is {remote.change_job(job, 'cancel')['status']}.")


@app.command("retry")
def retry(
    job: JobId,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Run a job again that failed or was cancelled."""
    with Remote(url, token) as remote:
        changed = remote.change_job(job, "retry")
        out.print(f"The job is {changed['status']}.")
        if wait:
            show_end(waited_for(remote, changed))


def waited_for(remote: Remote, job: Mapping[str, Any]) -> Mapping[str, Any]:
    """The job as it is when it has ended, with a progress bar until then. Raises `JobNotDone`."""
    with share_bar() as progress:
        task = progress.add_task(f"{job['kind']} {job.get('pipe_name', '')}".rstrip(), total=100)
        while job["status"] not in _ENDED:
            time.sleep(_POLL_SECONDS)
            job = remote.job(job["id"])
            progress.update(task, completed=job["progress_percentage"] or 0)
    if job["status"] != "done":
        raise JobNotDone(job)
    return job


def show_end(job: Mapping[str, Any]) -> None:
    """Say what a job that is done has done."""
    rows = job.get("statistics", {}).get("row_count")
    err.print(f"[green]done[/green] {job['id']}" + ("" if rows is None else f": {counted(rows, 'row')}"))
