"""`stonechat datasource` and `stonechat quarantine`: what data sources hold, changed and looked at."""

from __future__ import annotations

import json
import sys
from itertools import chain
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from stonechat.cli.connection import DEFAULT_URL, AccessToken, Url
from stonechat.cli.console import counted, err, out
from stonechat.cli.imports import import_file, is_url
from stonechat.cli.jobs import waited_for
from stonechat.cli.rows import UnreadableRows
from stonechat.cli.writing import writing
from stonechat.client import Remote
from stonechat.sql.quoting import identifier

app = typer.Typer(help="Look at data sources, and change what they hold.", no_args_is_help=True)
quarantine = typer.Typer(help="Look at rows that did not fit, and try them again.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The data source.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_FORMATS = {"csv": "CSVWithNames", "ndjson": "JSONEachRow", "parquet": "Parquet"}
_ANALYZED_BYTES = 4_000_000
_SHOWN_OF_ROW = 500


@app.command("ls")
def list_data_sources(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """List data sources with their rows, bytes and quarantined rows."""
    with Remote(url, token) as remote:
        found = remote.ask("GET", "/v0/datasources")["datasources"]
    listed = [
        {
            "name": source["name"],
            "rows": source["statistics"]["row_count"],
            "bytes": source["statistics"]["bytes"],
            "quarantined": source["quarantine_rows"],
        }
        for source in found
    ]
    if as_json:
        sys.stdout.write(json.dumps(listed, indent=2) + "\n")
        return
    _show_table(["name", "rows", "bytes", "quarantined"], listed)


@app.command()
def replace(  # noqa: PLR0917 - the parameters are the command's options
    data_source: Name,
    source: Annotated[str, typer.Argument(help="A CSV, NDJSON or Parquet file (.gz and .zst too), or its URL.")],
    condition: Annotated[str, typer.Option(help="Replace only rows for which this holds.")] = "",
    skip_incompatible: Annotated[
        bool, typer.Option("--skip-incompatible", help="Leave targets of views alone that cannot be made anew.")
    ] = False,
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Replace the rows of a data source by those of a file, all at once."""
    parameters = {"replace_condition": condition} if condition else {}
    if skip_incompatible:
        parameters["skip_incompatible_partition_key"] = "true"
    with Remote(url, token) as remote:
        import_file(remote, data_source, source, replace=True, **parameters)


@app.command()
def truncate(
    data_source: Name,
    only_quarantine: Annotated[bool, typer.Option("--quarantine", help="Empty the quarantine instead.")] = False,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Remove all rows of a data source."""
    what = f"the quarantine of {data_source}" if only_quarantine else data_source
    _confirm(f"Remove all rows of {what}?", yes=yes)
    with Remote(url, token) as remote:
        remote.tell("POST", f"{_path(data_source)}/truncate", params={"quarantine": str(only_quarantine).lower()})
    out.print(f"{what} is empty", markup=False)


@app.command()
def delete(  # noqa: PLR0917 - the parameters are the command's options
    data_source: Name,
    condition: Annotated[str, typer.Argument(help="Which rows, for example \"day < '2024-01-01'\".")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many rows it would be.")] = False,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Remove the rows for which a condition holds."""
    form = {"delete_condition": condition}
    with Remote(url, token) as remote:
        path = f"{_path(data_source)}/delete"
        if dry_run or not yes:
            rows = remote.ask("POST", path, data=form | {"dry_run": "true"})["rows_to_be_deleted"]
            out.print(f"The condition holds for {counted(rows, 'row')} of {data_source}")
            if dry_run:
                return
            _confirm("Remove them?", yes=yes)
        job = waited_for(remote, remote.ask("POST", path, data=form))
    out.print(f"{counted(job['rows_affected'], 'row')} removed from {data_source}")


@app.command()
def export(  # noqa: PLR0917 - the parameters are the command's options
    data_source: Name,
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output without it.")] = None,
    form: Annotated[str, typer.Option("--format", help="csv, ndjson or parquet; else as the file is called.")] = "",
    rows: Annotated[int, typer.Option(help="How many at most; 0: all.", min=0)] = 0,
    condition: Annotated[str, typer.Option(help="Only rows for which this holds.")] = "",
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Write the rows of a data source to a file."""
    chosen = form or (file.suffix.removeprefix(".") if file else "") or "csv"
    if chosen not in _FORMATS:
        raise typer.BadParameter(f"'{chosen}' is none of {', '.join(_FORMATS)}")
    where = f" WHERE {condition}" if condition else ""
    limit = f" LIMIT {rows}" if rows else ""
    statement = f"SELECT * FROM {identifier(data_source)}{where}{limit} FORMAT {_FORMATS[chosen]}"
    with Remote(url, token) as remote:
        pieces = remote.stream(statement)
        # What is refused leaves the file as it is.
        answer = chain([next(pieces, b"")], pieces)
        if file is None:
            sys.stdout.buffer.writelines(answer)
            return
        with writing(file), file.open("wb") as target:
            size = sum(target.write(piece) for piece in answer)
    err.print(f"{size:,} bytes written to {file}", markup=False)


@app.command()
def analyze(
    source: Annotated[str, typer.Argument(help="A CSV, NDJSON or Parquet file, or its URL.")],
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Print the SCHEMA of a data source that takes the rows of a file."""
    with Remote(url, token) as remote:
        if is_url(source):
            body = remote.ask("POST", "/v0/analyze", params={"url": source})
        else:
            body = remote.ask("POST", "/v0/analyze", files=_sample(Path(source)))
    lines = [_column(column) for column in body["analysis"]["columns"]]
    out.print("SCHEMA >\n" + ",\n".join(lines), markup=False)


@quarantine.command("ls")
def list_quarantines(url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """List the data sources that have rows in their quarantine."""
    with Remote(url, token) as remote:
        found = remote.ask("GET", "/v0/datasources")["datasources"]
    listed = [{"name": item["name"], "quarantined": item["quarantine_rows"]} for item in found]
    if not any(item["quarantined"] for item in listed):
        out.print("All quarantines are empty.")
        return
    _show_table(["name", "quarantined"], [item for item in listed if item["quarantined"]])


@quarantine.command("show")
def show_quarantine(
    data_source: Name,
    rows: Annotated[int, typer.Option(help="How many of the latest rows.", min=0, max=1000)] = 5,
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Show why rows of a data source did not fit, and the latest of them."""
    with Remote(url, token) as remote:
        body = remote.ask("GET", f"{_path(data_source)}/quarantine", params={"limit": rows})
    if not body["rows"]:
        out.print(f"The quarantine of {data_source} is empty.")
        return
    out.print(f"{counted(body['rows'], 'row')} in the quarantine of {data_source}")
    _show_table(["rows", "error"], body["reasons"])
    for row in body["data"]:
        raw = row["raw"]
        out.print(f"\n{row['insertion_date']}  [yellow]{escape('; '.join(row['errors']))}[/yellow]")
        out.print(raw if len(raw) <= _SHOWN_OF_ROW else f"{raw[:_SHOWN_OF_ROW]}...", markup=False)


@quarantine.command("retry")
def retry_quarantine(data_source: Name, url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """Put into a data source what fits by now, for example after a change of its schema."""
    with Remote(url, token) as remote:
        job = waited_for(remote, remote.ask("POST", f"{_path(data_source)}/quarantine/retry"))
    out.print(f"{counted(job['successful_rows'], 'row')} moved into {data_source}")
    out.print(f"{counted(job['quarantined_rows'], 'row')} still in the quarantine")


def _column(column: dict[str, Any]) -> str:
    path = f" `json:{column['path']}`" if column["path"] else ""
    return f"    {identifier(column['name'])} {column['recommended_type']}{path}"


def _path(data_source: str) -> str:
    return f"/v0/datasources/{quote(data_source, safe='')}"


def _confirm(question: str, *, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True)


def _sample(path: Path) -> dict[str, tuple[str, bytes]]:
    """The beginning of a file, or all of a Parquet file, as the field of a form that says its format."""
    if not path.is_file():
        raise UnreadableRows(f"There is no file {path}")
    suffix = path.suffix.removeprefix(".")
    field = suffix if suffix in {"csv", "parquet"} else "ndjson"
    with path.open("rb") as file:
        content = file.read(-1 if field == "parquet" else _ANALYZED_BYTES)
    whole = path.stat().st_size == len(content)
    return {field: (path.name, content if whole else content[: content.rfind(b"\n") + 1])}


def _show_table(columns: list[str], rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in {"name", "error"} else "right", overflow="fold")
    for row in rows:
        table.add_row(*(f"{row[name]:,}" if isinstance(row[name], int) else escape(str(row[name])) for name in columns))
    out.print(table)
