"""The `stonechat` command."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from stonechat.cli import authoring, copies, datasources, deployments, initial, jobs, testing, tokens
from stonechat.cli.appending import append_rows, show_totals
from stonechat.cli.connection import DEFAULT_URL, AccessToken, Url
from stonechat.cli.console import show_error
from stonechat.cli.deployments import Destructive
from stonechat.cli.folders import ProjectFolder
from stonechat.cli.imports import import_file, is_events, show_import
from stonechat.cli.rows import SAMPLE_SEED, FirstRows, row_source
from stonechat.client import Remote
from stonechat.errors import Kind, StonechatError
from stonechat.settings import Settings, load_settings
from stonechat.sql.statements import with_clause, words_of
from stonechat.starters.generator import messages

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
mock = typer.Typer(help="Make sample data.", no_args_is_help=True)
app.command()(initial.init)
app.command()(authoring.check)
app.command()(authoring.fmt)
app.command()(authoring.render)
app.command()(deployments.deploy)
app.add_typer(deployments.app, name="deployment")
app.add_typer(mock, name="mock")
app.add_typer(testing.app, name="test")
app.add_typer(datasources.app, name="datasource")
app.add_typer(datasources.quarantine, name="quarantine")
app.add_typer(copies.app, name="copy")
app.add_typer(jobs.app, name="job")
app.add_typer(tokens.app, name="token")

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


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stonechat {version('stonechat')}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Real-time analytics from plain text files: data sources and pipes become an ingestion API and SQL endpoints."""


@app.command()
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
    from stonechat.cli import serving  # noqa: PLC0415 - see there

    settings = _settings(home, host, port, config)
    serving.develop(settings, folder, _first_rows(load), fixtures=fixtures, allow_destructive=destructive)


@app.command()
def serve(home: Home = None, host: Host = None, port: Port = None, config: Config = None) -> None:
    """Serve what was deployed last, as in production."""
    from stonechat.cli import serving  # noqa: PLC0415 - see there

    serving.serve(_settings(home, host, port, config))


@app.command()
def append(
    data_source: Annotated[str, typer.Argument(help="The data source.")],
    source: Annotated[
        str, typer.Argument(help="An NDJSON, CSV or Parquet file (.gz and .zst too), its URL, or sample[:ROWS].")
    ],
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Append the rows of a file or URL to a data source of a running server."""
    with Remote(url, token) as remote:
        if is_events(source):
            show_totals(data_source, append_rows(remote, data_source, row_source(source)))
        else:
            show_import(data_source, import_file(remote, data_source, source))


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="A SELECT; name a FORMAT in it for another than PrettyCompact.")],
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Run a statement on a running server."""
    if not any(word.upper() == "FORMAT" for word in words_of(statement)):
        statement = f"{with_clause([], statement)}\nFORMAT PrettyCompact"
    with Remote(url, token) as remote:
        response = remote.sql(statement)
    sys.stdout.buffer.write(response.content)


@mock.command("messages")
def mock_messages(
    rows: Annotated[int, typer.Option(help="How many.", min=0)] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = SAMPLE_SEED,
) -> None:
    """Write sample messages as NDJSON to standard output."""
    for line in messages(rows, seed):
        sys.stdout.buffer.write(line)


def run() -> None:
    """Entry point: errors are shown, not raised; exit code 1 for a refusal, 130 for Ctrl-C."""
    try:
        app()
    except StonechatError as error:
        show_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, for example `head`


def _settings(home: Path | None, host: str | None, port: int | None, config: Path | None) -> Settings:
    overrides: dict[str, Any] = {"home": home, "host": host, "port": port}
    return load_settings(file=config, overrides=overrides)


def _first_rows(text: str | None) -> FirstRows | None:
    if text is None:
        return None
    name, equals, source = text.partition("=")
    if not (name and equals and source):
        raise InvalidOption(f"--load {text} is not DATA_SOURCE=FILE", hint="For example --load messages=sample.")
    row_source(source)
    return FirstRows(name, source)
