"""What the command line shows: errors with their excerpts, progress, and how to call what is running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from stonechat.errors import StonechatError

if TYPE_CHECKING:
    from rich.progress import Progress

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def show_error(error: StonechatError) -> None:
    """Print an error to standard error: what, where with an excerpt, and the hint; every problem of a project."""
    for problem in error.problems or [error]:
        where = f"[bold]{escape(str(problem.position))}[/bold] " if problem.position else ""
        err.print(f"[red]error[/red] [dim]{problem.shown_code}[/dim] {where}{escape(problem.message)}")
        if problem.excerpt:
            err.print(escape(problem.excerpt))
        if problem.hint:
            err.print(f"  [cyan]hint:[/cyan] {escape(problem.hint)}")


def progress_bar(unit: str) -> Progress:
    """A progress bar over bytes or rows, on standard error so that output can be piped."""
    from rich import progress  # noqa: PLC0415 - most commands show none

    amount = progress.DownloadColumn() if unit == "bytes" else progress.MofNCompleteColumn()
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), amount, progress.TimeRemainingColumn())
    return progress.Progress(*columns, console=err, transient=False)


def share_bar() -> Progress:
    """A progress bar over a share of 100, on standard error."""
    from rich import progress  # noqa: PLC0415 - most commands show none

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn())
    shares = (progress.TaskProgressColumn(), progress.TimeElapsedColumn())
    return progress.Progress(*columns, *shares, console=err, transient=True)


def counted(number: int, noun: str) -> str:
    """A number of things, in words."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
