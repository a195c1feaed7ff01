"""Running a server in this process. Only `dev` and `serve` import this: the engine takes half a second and 250 MB."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import typer

from stonechat.server.serving import Server, run
from stonechat.settings import Settings

if TYPE_CHECKING:
    from stonechat.cli.rows import FirstRows


def develop(
    settings: Settings, folder: Path, first_rows: FirstRows | None, *, fixtures: bool, allow_destructive: bool
) -> None:
    """Serve a project folder and deploy its changes, until a signal."""
    from stonechat.cli.develop import Development  # noqa: PLC0415 - `serve` needs no watching and no client

    _log_plainly(settings)
    with Server(settings) as server:
        session = Development(server, folder, first_rows, fixtures=fixtures, allow_destructive=allow_destructive)
        run(session.run())
    typer.echo("Stopped.")


def serve(settings: Settings) -> None:
    """Serve what was deployed last, until a signal."""
    _log_plainly(settings)
    with Server(settings) as server:

        async def ready() -> None:
            typer.echo(f"Stonechat answers at {server.settings.base_url}")

        run(server.serve(when_ready=ready))
    typer.echo("Stopped.")


def _log_plainly(settings: Settings) -> None:
    """Log lines on standard error. Tracebacks are plain: with local variables they would show tokens and events."""
    # Each fault of a form is a line for it, as many as a caller likes to send; the caller is told of the first.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
