"""`append`: rows to a data source of a running server, with a progress bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from rich.markup import escape

from stonechat.cli.connection import DEFAULT_URL, AccessToken, Url
from stonechat.cli.console import counted, err, out, progress_bar
from stonechat.cli.imports import import_file, is_events
from stonechat.cli.rows import RowSource, row_source
from stonechat.client import Remote
from stonechat.errors import StonechatError


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of all rows of a source."""

    successful: int
    quarantined: int


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
            import_file(remote, data_source, source)


def append_rows(remote: Remote, data_source: str, rows: RowSource) -> Totals:
    """Send every batch through the Events API; each is committed before the next is sent."""
    successful = quarantined = 0
    with rows.open() as batches, progress_bar(rows.unit) as progress:
        task = progress.add_task(f"{rows.name} -> {data_source}", total=rows.total)
        try:
            for batch, step in batches:
                appended = remote.append(data_source, batch)
                successful += appended.successful
                quarantined += appended.quarantined
                progress.advance(task, step)
        except StonechatError:
            if done := successful + quarantined:
                err.print(f"[yellow]The first {counted(done, 'row')} of {escape(rows.name)} are there[/yellow]")
            raise
        progress.update(task, completed=rows.total)
    return Totals(successful, quarantined)


def show_totals(data_source: str, totals: Totals) -> None:
    """Say what became of the rows, and where those are that did not fit."""
    out.print(f"{counted(totals.successful, 'row')} appended to {data_source}")
    if totals.quarantined:
        err.print(
            f"[yellow]{counted(totals.quarantined, 'row')} did not fit and went into the quarantine[/yellow]: "
            f"stonechat quarantine show {data_source}"
        )
