"""Commands for whoever writes a project, none of which needs a server: `check`, `fmt` and `render`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from stonechat.cli.console import counted, err, out, show_error
from stonechat.cli.differences import unified
from stonechat.cli.folders import ProjectFolder, ProjectOption
from stonechat.cli.parameters import parameter
from stonechat.cli.writing import writing
from stonechat.datafile.formatting import formatted
from stonechat.datafile.problems import InvalidDatafile
from stonechat.datafile.resources import Notice, Pipe
from stonechat.errors import Kind, StonechatError, suggestion
from stonechat.project.composition import Composed, Values, compose_pipe
from stonechat.project.loader import UnreadableProject, load_folder, read_folder, read_text
from stonechat.project.model import InvalidProject, Project
from stonechat.project.secrets import local_secrets
from stonechat.sql.tables import table_names


class UnknownName(StonechatError):
    """The project has no pipe, or the pipe no node, of a name on the command line."""

    code = "SC965"
    kind = Kind.MISSING

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no {kind} '{name}'", hint=suggestion(name, known))


def check(
    folder: ProjectFolder = Path(),
    engine: Annotated[
        bool, typer.Option(help="Try every table, view and query out on an engine of its own, gone afterwards.")
    ] = True,
) -> None:
    """Find everything that is wrong with a project folder, without a server."""
    try:
        project = _checked(folder, engine=engine)
    except InvalidProject as error:
        show_error(error)
        # What has no place is about one file as a whole.
        at_fault = {problem.position.file if problem.position else problem.message for problem in error.problems}
        err.print(f"{counted(len(error.problems), 'problem')} in {counted(len(at_fault), 'file')}")
        raise typer.Exit(1) from None
    resources = (
        counted(len(project.data_sources), "data source"),
        counted(len(project.pipes), "pipe"),
        counted(len(project.connections), "connection"),
    )
    out.print(f"No problems in {', '.join(resources)}.")


def fmt(
    paths: Annotated[list[Path] | None, typer.Argument(help="Datafiles, and folders of them.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail if a file would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Change nothing; show what would change.")] = False,
) -> None:
    """Bring datafiles into their one layout. Comments stay, and so does what the files say."""
    done, failed, total = 0, False, 0
    for path, text in _texts(paths or [Path()]):
        total += 1
        if isinstance(text, UnreadableProject):
            show_error(text)
            failed = True
            continue
        try:
            result = formatted(str(path), text)
        except InvalidDatafile as error:
            show_error(InvalidProject(error.problems))
            failed = True
            continue
        if result != text:
            done += 1
            if diff:
                sys.stdout.writelines(unified(text, result, (str(path), f"{path} (formatted)")))
            elif check:
                out.print(f"{path} would be formatted", markup=False)
            else:
                with writing(path):
                    path.write_bytes(result.encode())
    would = "would be " if check or diff else ""
    err.print(f"{counted(done, 'file')} {would}formatted, {total - done} left as they are")
    if failed or (check and done):
        raise typer.Exit(1)


def render(
    pipe: Annotated[str, typer.Argument(help="The pipe.")],
    param: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE: a request parameter; repeat it for more, or for an array.")
    ] = None,
    node: Annotated[str | None, typer.Option(help="Another node of the pipe than its output.")] = None,
    project: ProjectOption = Path(),
) -> None:
    """Print the SQL that an endpoint runs for its parameters: of each node, and of all of them composed."""
    found = Project.from_files(load_folder(project), local_secrets(project))
    if pipe not in found.pipes:
        raise UnknownName("pipe", pipe, found.pipes)
    sys.stdout.write("\n".join(_sections(found, found.pipes[pipe], node, _values(param or []))))


def _checked(folder: Path, *, engine: bool) -> Project:
    project = _read(folder)
    _show(project.notices())
    if engine:
        # The engine takes a quarter of a second to import, which no other command of these needs.
        from stonechat.deploy.rehearsal import rehearse  # noqa: PLC0415
        from stonechat.server.trial import throwaway_engine  # noqa: PLC0415

        with throwaway_engine() as trial:
            rehearsed = rehearse(project, trial)
        _show(rehearsed.notices)
        if rehearsed.problems:
            raise InvalidProject(rehearsed.problems, project.files)
    return project


def _show(notices: Iterable[Notice]) -> None:
    for notice in notices:
        err.print(f"note {notice.position} {notice.message}", markup=False)


def _read(folder: Path) -> Project:
    """The project of a folder. A file that cannot be read has a name all the same, and hides no problem of others."""
    found = read_folder(folder)
    try:
        return Project.from_files({**found.texts, **dict.fromkeys(found.unreadable, "")}, local_secrets(folder))
    except InvalidProject as error:
        others = [item for item in error.problems if not item.position or item.position.file not in found.unreadable]
        raise InvalidProject([*found.unreadable.values(), *others], found.texts) from error


def _sections(project: Project, pipe: Pipe, name: str | None, values: Values) -> Iterator[str]:
    nodes = {node.name: node for node in pipe.nodes}
    if name is not None and name not in nodes:
        raise UnknownName("node", name, nodes)
    output = nodes[name] if name else pipe.output
    # First, so that an error is the one that a request would get.
    composed = compose_pipe(project, pipe, values, node=output)
    rendered: dict[str, str] = {}
    waiting = {output.name}
    while waiting:
        current = nodes[waiting.pop()]
        sql = project.template(pipe, current).render(values, secrets=project.secrets).sql.strip()
        rendered[current.name] = sql
        waiting |= (table_names(sql) & nodes.keys()) - rendered.keys()
    yield from (f"-- node {node.name}\n{rendered[node.name]}\n" for node in pipe.nodes if node.name in rendered)
    yield "\n".join([f"-- composed: node {output.name} of {pipe.name}", *_beside(composed), composed.sql, ""])


def _beside(composed: Composed) -> Iterator[str]:
    """What goes to the engine beside the statement. Of secrets only the names."""
    if composed.bound:
        yield f"-- bound: {', '.join(composed.bound)}"
    if composed.settings:
        yield f"-- settings: {', '.join(f'{key} = {value}' for key, value in composed.settings.items())}"


def _values(parameters: Sequence[str]) -> Values:
    values: dict[str, list[str]] = {}
    for text in parameters:
        name, value = parameter(text)
        values.setdefault(name, []).append(value)
    return {name: given if len(given) > 1 else given[0] for name, given in values.items()}


def _texts(paths: Iterable[Path]) -> Iterator[tuple[Path, str | UnreadableProject]]:
    for path in paths:
        if path.is_dir():
            found = read_folder(path)
            texts: dict[str, str | UnreadableProject] = {**found.texts, **found.unreadable}
            yield from ((path / name, texts[name]) for name in sorted(texts))
        else:
            yield path, _text(path)


def _text(path: Path) -> str | UnreadableProject:
    try:
        return read_text(path)
    except UnreadableProject as error:
        return error
