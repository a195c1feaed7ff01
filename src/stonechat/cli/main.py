"""The `stonechat` command: its commands, each imported when it is asked for."""

from __future__ import annotations

import sys
from collections import UserDict
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stonechat.errors import StonechatError

_COMMANDS = {
    "init": "initial:init",
    "check": "authoring:check",
    "fmt": "authoring:fmt",
    "render": "authoring:render",
    "deploy": "deployments:deploy",
    "dev": "serving:dev",
    "serve": "serving:serve",
    "append": "appending:append",
    "sql": "statements:sql",
    "deployment": "deployments:app",
    "mock": "mocking:app",
    "test": "testing:app",
    "datasource": "datasources:app",
    "quarantine": "datasources:quarantine",
    "copy": "copies:app",
    "job": "jobs:app",
    "token": "tokens:app",
}
"""Where each is: a module of this package, and in it a function, or a group of commands."""


class _Imported(UserDict[str, Any]):
    """Commands by their names. All modules together take several times as long to import as one command to run."""

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = self.data[name].partition(":")
        found = getattr(import_module(f"stonechat.cli.{module}"), attribute)
        holder = typer.Typer(pretty_exceptions_enable=False)
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=name)
        else:
            holder.command(name)(found)
        return typer.main.get_group(holder).commands[name]


class _Commands(TyperGroup):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.commands = _Imported(_COMMANDS)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - no other command needs it

        typer.echo(f"stonechat {version('stonechat')}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Real-time analytics from plain text files: data sources and pipes become an ingestion API and SQL endpoints."""


def run() -> None:
    """Entry point: errors are shown, not raised; exit code 1 for a refusal, 130 for Ctrl-C."""
    try:
        app()
    except StonechatError as error:
        from stonechat.cli.console import show_error  # noqa: PLC0415 - most commands end well

        show_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, for example `head`
