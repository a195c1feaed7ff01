"""`stonechat copy`: the copy pipes of a running server."""

from __future__ import annotations

from typing import Annotated

import typer

from stonechat.cli.connection import DEFAULT_URL, AccessToken, Url
from stonechat.cli.console import out
from stonechat.cli.jobs import show_end, waited_for
from stonechat.cli.parameters import parameter
from stonechat.client import Remote

app = typer.Typer(help="Run copy pipes, and look after their schedules.", no_args_is_help=True)
PipeName = Annotated[str, typer.Argument(help="The copy pipe.")]


@app.command("run")
def run(  # noqa: PLR0917 - the parameters are the command's options
    pipe: PipeName,
    param: Annotated[list[str] | None, typer.Option("--param", help="NAME=VALUE; may be given several times.")] = None,
    mode: Annotated[str | None, typer.Option(help="append or replace, instead of the pipe's COPY_MODE.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the rows are there.")] = False,
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Run a copy pipe now."""
    parameters = [parameter(text) for text in param or []]
    with Remote(url, token) as remote:
        job = remote.run_copy(pipe, parameters, mode=mode)
        out.print(f"Job {job['id']} copies into {job['datasource']['name']}.", markup=False)
        if wait:
            show_end(waited_for(remote, job))


@app.command("ls")
def list_copies(url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """List the copy pipes with their schedules."""
    with Remote(url, token) as remote:
        pipes = [pipe for pipe in remote.pipes() if pipe["type"] == "copy"]
    for pipe in pipes:
        schedule = pipe.get("schedule")
        when = "on demand"
        if schedule is not None:
            then = "paused" if schedule["status"] == "paused" else f"next at {schedule['next_run_at']} UTC"
            when = f"{schedule['cron']} ({then})"
        out.print(f"{pipe['name']}  {when}", markup=False)


@app.command("pause")
def pause(pipe: PipeName, url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """Let the schedule of a copy pipe rest."""
    with Remote(url, token) as remote:
        remote.pause_copy(pipe, paused=True)
    out.print(f"{pipe} is paused.", markup=False)


@app.command("resume")
def resume(pipe: PipeName, url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """Let the schedule of a copy pipe go on."""
    with Remote(url, token) as remote:
        schedule = remote.pause_copy(pipe, paused=False)["schedule"]
    out.print(f"{pipe} runs next at {schedule['next_run_at']} UTC.", markup=False)
