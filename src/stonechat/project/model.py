"""What the files of a project mean together: resources by name, compiled templates, and checks across files."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stonechat.datafile.problems import InvalidDatafile
from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import Connection, DataSource, Node, NodeType, Pipe
from stonechat.errors import Kind, Position, StonechatError
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.template.render import Template


class ProjectProblem(StonechatError):
    """One thing that is wrong between files: a double or unknown name, a cycle, a misplaced node."""

    code = "SC301"
    kind = Kind.INVALID


class InvalidTemplate(StonechatError):
    """A node's SQL is no valid template."""

    code = "SC306"
    kind = Kind.INVALID


class InvalidProject(StonechatError):
    """A project that cannot be deployed; `problems` holds every reason that was found, each with its position."""

    code = "SC302"
    kind = Kind.INVALID

    def __init__(self, problems: Sequence[StonechatError]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.position is None, problem.position)))
        count = len(self.problems)
        first = self.problems[0]
        text = str(first) if count == 1 else f"{first} (and {count - 1} more problem{'s' if count > 2 else ''})"
        super().__init__(text, hint=first.hint)


@dataclass(frozen=True)
class Project:
    """A valid project. `files` is what it was made of: path -> text; `templates` is keyed by (pipe name, node name)."""

    files: Mapping[str, str]
    data_sources: Mapping[str, DataSource]
    pipes: Mapping[str, Pipe]
    connections: Mapping[str, Connection]
    templates: Mapping[tuple[str, str], Template]

    @classmethod
    def empty(cls) -> Project:
        """The project of a workspace that has had no deployment."""
        return cls({}, {}, {}, {}, {})

    @classmethod
    def from_files(cls, files: Mapping[str, str]) -> Project:
        """Read and check every file. Raises `InvalidProject` with all problems of all files at once."""
        problems: list[StonechatError] = []
        resources = list(_read_all(files, problems))
        problems.extend(_double_names(resources))
        data_sources = {item.name: item for item in resources if isinstance(item, DataSource)}
        pipes = {item.name: item for item in resources if isinstance(item, Pipe)}
        connections = {item.name: item for item in resources if isinstance(item, Connection)}
        templates = dict(_compile_all(pipes.values(), problems))
        for pipe in pipes.values():
            problems.extend(_pipe_problems(pipe, data_sources, pipes))
        if problems:
            raise InvalidProject(problems)
        return cls(dict(files), data_sources, pipes, connections, templates)

    def template(self, pipe: Pipe, node: Node) -> Template:
        """The compiled SQL of a node."""
        return self.templates[pipe.name, node.name]

    def pipes_of_type(self, kind: NodeType) -> Iterator[Pipe]:
        """The pipes whose output node is of a type."""
        return (pipe for pipe in self.pipes.values() if pipe.output.type is kind)


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """A hint that names the closest known name, if one is close."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean '{close[0]}'?" if close else None


def _read_all(files: Mapping[str, str], problems: list[StonechatError]) -> Iterator[DataSource | Pipe | Connection]:
    for path, text in files.items():
        try:
            yield read_datafile(path, text)
        except InvalidDatafile as error:
            problems.extend(error.problems)


def _double_names(resources: Sequence[DataSource | Pipe | Connection]) -> Iterator[ProjectProblem]:
    first: dict[str, Position] = {}
    for resource in resources:
        if resource.name in first:
            yield ProjectProblem(
                f"The name '{resource.name}' is taken: {first[resource.name].file} has it too",
                position=resource.position,
                hint="Data sources, pipes and connections share one set of names.",
            )
        first.setdefault(resource.name, resource.position)
    for resource in resources:
        base = resource.name.removesuffix(QUARANTINE_SUFFIX)
        if base != resource.name and base in first:
            yield ProjectProblem(
                f"The name '{resource.name}' belongs to the quarantine of '{base}'", position=resource.position
            )


def _compile_all(pipes: Iterable[Pipe], problems: list[StonechatError]) -> Iterator[tuple[tuple[str, str], Template]]:
    for pipe in pipes:
        for node in pipe.nodes:
            try:
                template = Template.compile(node.sql, name=node.name)
                template.check()
            except StonechatError as error:
                problems.append(_at_node(error, node))
            else:
                yield (pipe.name, node.name), template


def _at_node(error: StonechatError, node: Node) -> InvalidTemplate:
    line = max(getattr(error, "line", 1), 1)
    start = node.sql_position
    column = start.column if line == 1 else node.sql_indent + 1
    position = Position(start.file, start.line + line - 1, column)
    return InvalidTemplate(f"Node '{node.name}': {error.message}", hint=error.hint, position=position)


def _pipe_problems(
    pipe: Pipe, data_sources: Mapping[str, DataSource], pipes: Mapping[str, Pipe]
) -> Iterator[ProjectProblem]:
    seen: set[str] = set()
    for node in pipe.nodes:
        if node.name in seen:
            yield ProjectProblem(f"Pipe '{pipe.name}' has two nodes '{node.name}'", position=node.position)
        seen.add(node.name)
        if node.name in data_sources or node.name in pipes:
            yield ProjectProblem(
                f"Node '{node.name}' has the name of a resource",
                position=node.position,
                hint="Give the node a name of its own; a statement could not tell the two apart.",
            )
    target = pipe.output.options.get("datasource")
    if pipe.output.type is NodeType.MATERIALIZED and target not in data_sources:
        yield ProjectProblem(
            f"Materialized pipe '{pipe.name}' writes to the data source '{target}', which does not exist",
            position=pipe.output.position,
            hint=suggestion(target or "", data_sources),
        )
