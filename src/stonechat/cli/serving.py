"""`dev` and `serve`: the options of a server, before the server itself is imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from stonechat.cli.connection import Destructive
from stonechat.cli.console import err
from stonechat.cli.folders import ProjectFolder
from stonechat.errors import Kind, StonechatError
from stonechat.importing import quick_imports
from stonechat.settings import Settings, load_settings, unknown_variables

if TYPE_CHECKING:
    from stonechat.cli.rows import FirstRows

Home = Annotated[
    Path | None, typer.Option("--home", help="Folder that holds the server's data.", envvar="STONECHAT_HOME")
]
Host = Annotated[str | None, typer.Option(help="Address to listen on.", envvar="STONECHAT_HOST")]
Port = Annotated[
    int | None, typer.Option(help="Port to listen on; 0: any free one.", envvar="STONECHAT_PORT", min=0, max=65535)
]
Config = Annotated[Path | None, typer.Option(help="Settings file (TOML).", envvar="STONECHAT_CONFIG")]


class InvalidOption(StonechatError):
    """An option's value does not have the form that its help gives."""

    code = "SC964"
    kind = Kind.INVALID


def dev(  # noqa: PLR0917 - the parameters are the command's options
    folder: ProjectFolder = Path(),
    load: Annotated[
        str | None,
        typer.Option(help="DATA_SOURCE=FILE or DATA_SOURCE=sample[:ROWS]: load it while the data source is empty."),
    ] = None,
    fixtures: Annotated[
        bool, typer.Option("--fixtures/--no-fixtures", help="Load `fixtures/` into data sources that are empty.")
    ] = True,
    home: Home = None,
    host: Host = None,
    port: Port = None,
    config: Config = None,
    destructive: Destructive = False,
) -> None:
    """Serve a project folder, and deploy it again whenever a file changes."""
    with quick_imports():
        from stonechat.cli import running  # noqa: PLC0415 - see there

    settings = _settings(home, host, port, config)
    running.develop(settings, folder, _first_rows(load), fixtures=fixtures, allow_destructive=destructive)


def serve(home: Home = None, host: Host = None, port: Port = None, config: Config = None) -> None:
    """Serve what was deployed last, as in production."""
    with quick_imports():
        from stonechat.cli import running  # noqa: PLC0415 - see there

    running.serve(_settings(home, host, port, config))


def _settings(home: Path | None, host: str | None, port: int | None, config: Path | None) -> Settings:
    for name, meant in unknown_variables().items():
        hint = f"; do you mean {meant}?" if meant else ""
        err.print(f"[yellow]warning[/yellow] the variable {escape(name)} is no setting and has no effect{hint}")
    overrides: dict[str, Any] = {"home": home, "host": host, "port": port}
    return load_settings(file=config, overrides=overrides)


def _first_rows(text: str | None) -> FirstRows | None:
    if text is None:
        return None
    from stonechat.cli.rows import FirstRows, row_source  # noqa: PLC0415 - only rows to load need a client

    name, equals, source = text.partition("=")
    if not (name and equals and source):
        raise InvalidOption(f"--load {text} is not DATA_SOURCE=FILE", hint="For example --load messages=sample.")
    row_source(source)
    return FirstRows(name, source)
