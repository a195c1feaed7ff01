"""What the command line shows: errors with their excerpts, progress, and how to call what is running."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from stonechat.client import RequestRefused
from stonechat.errors import StonechatError
from stonechat.project.model import InvalidProject
from stonechat.testing.cases import InvalidTests

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def show_error(error: StonechatError) -> None:
    """Print an error to standard error: what, where with an excerpt, and the hint; every problem of a project."""
    problems: Sequence[StonechatError] = [error]
    if isinstance(error, InvalidProject | InvalidTests):
        problems = error.problems
    elif isinstance(error, RequestRefused) and error.errors:
        problems = error.errors
    for problem in problems:
        code = problem.server_code if isinstance(problem, RequestRefused) else problem.code
        where = f"[bold]{escape(str(problem.position))}[/bold] " if problem.position else ""
        err.print(f"[red]error[/red] [dim]{code}[/dim] {where}{escape(problem.message)}")
        if problem.excerpt:
            err.print(escape(problem.excerpt))
        if problem.hint:
            err.print(f"  [cyan]hint:[/cyan] {escape(problem.hint)}")


def progress_bar(unit: str) -> Progress:
    """A progress bar over bytes or rows, on standard error so that output can be piped."""
    amount: ProgressColumn = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    return Progress(*columns, console=err, transient=False)


def share_bar() -> Progress:
    """A progress bar over a share of 100, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True)


def counted(number: int, noun: str) -> str:
    """A number of things, in words."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
