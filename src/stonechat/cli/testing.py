"""`stonechat test`: the tests of a project folder, run against a server that is thrown away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from stonechat.cli.console import counted, err, out
from stonechat.cli.differences import coloured, unified
from stonechat.cli.folders import ProjectOption
from stonechat.cli.writing import writing
from stonechat.client import Remote
from stonechat.project.loader import load_folder
from stonechat.testing.cases import CaseFile, project_tests
from stonechat.testing.places import build, load_fixtures, throwaway_place
from stonechat.testing.running import Result, Verdict, run_cases
from stonechat.testing.updating import Answered, updated

app = typer.Typer(help="Run the tests of a project folder.", no_args_is_help=True)
Names = Annotated[
    list[str] | None, typer.Argument(help="PIPE, a file of tests, or PIPE::TEST. Default: every test there is.")
]
Url = Annotated[
    str | None, typer.Option(help="Server to make a workspace on for the run; without, a server is started for it.")
]
UserToken = Annotated[
    str | None,
    typer.Option("--token", help="User token of that server; one on this machine is asked.", envvar="STONECHAT_TOKEN"),
]
_MOST_LINES = 60
_MARKS = {Verdict.PASSED: "[green]✓[/green]", Verdict.FAILED: "[red]✗[/red]", Verdict.SKIPPED: "[yellow]-[/yellow]"}


@app.command()
def run(names: Names = None, project: ProjectOption = Path(), url: Url = None, token: UserToken = None) -> None:
    """Call each pipe as its tests in `tests/` say, over the project's fixtures, and compare the answers."""
    counts: Counter[Verdict] = Counter()
    with _prepared(project, names or [], url, token) as (remote, files):
        for file in files:
            out.print(f"[bold]{escape(file.path)}[/bold]")
            for result in run_cases(remote, file):
                counts[result.verdict] += 1
                _show(file, result)
    out.print(_summary(counts, files))
    if counts[Verdict.FAILED]:
        raise typer.Exit(1)


@app.command()
def update(names: Names = None, project: ProjectOption = Path(), url: Url = None, token: UserToken = None) -> None:
    """Write what the pipes answer now into the tests as what is expected. Whatever else the files say stays."""
    changed = broken = 0
    with _prepared(project, names or [], url, token) as (remote, files):
        for file in files:
            results = [result for result in run_cases(remote, file) if result.verdict is Verdict.FAILED]
            kept = {result.case.name: _answered(result) for result in results if result.status < 500}
            for result in results:
                if result.case.name in kept:
                    out.print(f"  {escape(file.path)}: {escape(result.case.name)}")
                else:
                    err.print(f"[red]✗[/red] {escape(file.path)}: {escape(result.case.name)}: {escape(result.text)}")
            if kept:
                with writing(project / file.path):
                    (project / file.path).write_bytes(updated(file, kept).encode())
            changed += len(kept)
            broken += len(results) - len(kept)
    out.print(
        f"{counted(changed, 'test')} updated. Read what changed before you commit it." if changed else "No changes."
    )
    if broken:
        raise typer.Exit(1)


@contextmanager
def _prepared(
    folder: Path, names: Sequence[str], url: str | None, token: str | None
) -> Iterator[tuple[Remote, list[CaseFile]]]:
    """The tests that are asked for, and a place where the project is live over its fixtures."""
    tests = project_tests(folder, names)
    files = load_folder(folder)
    for file in tests:
        for notice in file.notices:
            err.print(f"note {notice.position} {notice.message}", markup=False)
    with throwaway_place(url, token) as remote:
        build(remote, folder, files)
        for loaded in load_fixtures(remote, folder, files):
            if loaded.note is not None:
                err.print(f"note {loaded.note}", markup=False)
        yield remote, tests


def _answered(result: Result) -> Answered:
    return Answered(result.text, result.status if result.is_error else None)


def _show(file: CaseFile, result: Result) -> None:
    case = result.case
    place = f"  [dim]{escape(str(case.position))}[/dim]" if result.verdict is Verdict.FAILED else ""
    out.print(f"  {_MARKS[result.verdict]} {escape(case.name)}{place}")
    if result.verdict is Verdict.SKIPPED:
        out.print(f"    There is no pipe '{escape(file.pipe)}'")
        return
    if result.has_other_status:
        out.print(f"    The call answers with the status {result.status}, not {case.status or 200}")
    if result.verdict is Verdict.FAILED:
        for line in _difference(result):
            out.print(f"    {line}")


def _difference(result: Result) -> Iterable[str]:
    case = result.case
    if case.expected is None:
        yield "The test has no expected_result yet: `stonechat test update` writes it"
    elif case.expected != result.text:
        if sorted(case.expected.splitlines()) == sorted(result.text.splitlines()):
            yield "The rows are the same, in another order"
        lines = iter(unified(case.expected, result.text, ("expected", "answered")))
        yield from coloured(islice(lines, _MOST_LINES))
        if more := sum(1 for _ in lines):
            yield f"[dim]and {more:,} more lines[/dim]"


def _summary(counts: Counter[Verdict], files: Sequence[CaseFile]) -> str:
    if not files:
        return "There are no tests: write tests/PIPE.yaml."
    parts = [f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict]]
    colour = "red" if counts[Verdict.FAILED] else "green"
    return f"[{colour}]{', '.join(parts) or '0 passed'}[/{colour}] in {counted(len(files), 'file')}"
