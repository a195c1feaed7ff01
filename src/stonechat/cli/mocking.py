"""`mock`: sample data."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from stonechat.cli.rows import SAMPLE_SEED
from stonechat.starters.generator import messages

app = typer.Typer(help="Make sample data.", no_args_is_help=True)


@app.command("messages")
def mock_messages(
    rows: Annotated[int, typer.Option(help="How many.", min=0)] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = SAMPLE_SEED,
) -> None:
    """Write sample messages as NDJSON to standard output."""
    for line in messages(rows, seed):
        sys.stdout.buffer.write(line)
