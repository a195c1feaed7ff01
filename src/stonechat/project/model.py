"""What the files of a project mean together: resources by name, compiled templates, lineage, and all that is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from types import MappingProxyType

from stonechat.datafile.problems import DatafileProblem, Findings, InvalidDatafile
from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import Connection, DataSource, Node, NodeType, Notice, Pipe
from stonechat.datafile.scanner import source_lines
from stonechat.datafile.spans import place_in
from stonechat.errors import Kind, StonechatError
from stonechat.project.checks import (
    cycles,
    double_names,
    fed_targets,
    misread_services,
    name_position,
    node_names,
    secrets_in_views,
    united_views,
    unknown_tables,
    unknown_targets,
    views_of_shared,
)
from stonechat.project.connection_checks import shared_groups, wrong_connections
from stonechat.project.doubling import doubling, doubling_by_view
from stonechat.project.lineage import Lineage, NodeKey, lineage_of
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.secrets import Resource, Secrets, filled, secret_problems
from stonechat.project.sharing import SharedSource
from stonechat.template.render import Template, place_of_line

_NO_SECRETS: Secrets = MappingProxyType({})
_NOTHING_SHARED: Mapping[str, SharedSource] = MappingProxyType({})


class InvalidTemplate(DatafileProblem):
    """A node's SQL is no valid template."""

    code = "SC306"


class InvalidProject(StonechatError):
    """A project that cannot be deployed.

    `problems` holds every reason that was found, in the order of the files; those with a place in one of `files`
    (path -> text) get an excerpt of it.
    """

    code = "SC302"
    kind = Kind.INVALID

    def __init__(self, problems: Sequence[StonechatError], files: Mapping[str, str] = MappingProxyType({})) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.position is None, problem.position)))
        for problem in self.problems:
            if isinstance(problem, DatafileProblem) and not problem.excerpt and problem.place.file in files:
                Findings(source_lines(files[problem.place.file])).report(problem)
        count = len(self.problems)
        first = self.problems[0]
        text = str(first) if count == 1 else f"{first} (and {count - 1} more problem{'s' if count > 2 else ''})"
        super().__init__(text, hint=first.hint)


@dataclass(frozen=True)
class Project:
    """A valid project.

    `files` is what it was made of: path -> text; `templates` is keyed by (pipe name, node name). `secrets` are the
    workspace's for `tb_secret` in the SQL of pipes: a view of their present values. `shared` has what other workspaces
    let this one read, by the names that it has here.
    """

    files: Mapping[str, str]
    data_sources: Mapping[str, DataSource]
    pipes: Mapping[str, Pipe]
    connections: Mapping[str, Connection]
    templates: Mapping[NodeKey, Template]
    secrets: Secrets = field(default_factory=dict, repr=False, compare=False)
    shared: Mapping[str, SharedSource] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Project:
        """The project of a workspace that has had no deployment."""
        return cls({}, {}, {}, {}, {})

    @classmethod
    def from_files(
        cls,
        files: Mapping[str, str],
        secrets: Secrets = _NO_SECRETS,
        *,
        secrets_required: bool = False,
        was_deployed: bool = False,
        shared: Mapping[str, SharedSource] = _NOTHING_SHARED,
    ) -> Project:
        """Read and check every file, `tb_secret` in data sources, connections and sinks filled in.

        A secret that is not known and has no default stays as it is written, unless all are required. Raises
        `InvalidProject` with all problems of all files at once; what is wrong between the files of a project that an
        earlier version deployed is left to `problems_between`.
        """
        problems: list[StonechatError] = []
        resources = list(_read_all(files, problems))
        if secrets_required:
            for resource in resources:
                problems.extend(secret_problems(resource, files[resource.position.file], secrets))
        resources = list(_fill_all(resources, secrets, problems))
        data_sources = {item.name: item for item in resources if isinstance(item, DataSource)}
        pipes = {item.name: item for item in resources if isinstance(item, Pipe)}
        connections = {item.name: item for item in resources if isinstance(item, Connection)}
        templates = dict(_compile_all(pipes.values(), problems))
        project = cls(dict(files), data_sources, pipes, connections, templates, secrets, shared)
        problems.extend(double_names(resources))
        problems.extend(problems_between(project) if not was_deployed else ())
        # Cycles last: what lies on one is often there for another reason.
        if problems or (problems := list(cycles(pipes, project.lineage))):
            raise InvalidProject(problems, files)
        return project

    def template(self, pipe: Pipe, node: Node) -> Template:
        """The compiled SQL of a node."""
        return self.templates[pipe.name, node.name]

    def pipes_of_type(self, kind: NodeType) -> Iterator[Pipe]:
        """The pipes whose output node is of a type."""
        return (pipe for pipe in self.pipes.values() if pipe.output.type is kind)

    def notices(self) -> Iterator[Notice]:
        """What is worth telling about the files, and no reason to refuse them."""
        resources: list[Resource] = [*self.data_sources.values(), *self.pipes.values(), *self.connections.values()]
        for resource in resources:
            yield from resource.notices
        for source in self.data_sources.values():
            yield from doubling(source)
        for pipe in self.pipes_of_type(NodeType.MATERIALIZED):
            yield from doubling_by_view(pipe, self.data_sources)
        for pipe in self.pipes.values():
            for node in pipe.nodes:
                for name in self.template(pipe, node).service_names:
                    message = f"The parameter '{name}' also means something to the server: give it another name"
                    yield Notice(message, name_position(node, name))

    @cached_property
    def lineage(self) -> Lineage:
        """Who reads whom."""
        return lineage_of(self.data_sources, self.pipes, self.templates, self.shared)


def _read_all(files: Mapping[str, str], problems: list[StonechatError]) -> Iterator[Resource]:
    for path, text in files.items():
        try:
            yield read_datafile(path, text)
        except InvalidDatafile as error:
            problems.extend(error.problems)
            for node in error.pipe.nodes if error.pipe else ():
                _compiled(node, problems)


def _fill_all(resources: Iterable[Resource], secrets: Secrets, problems: list[StonechatError]) -> Iterator[Resource]:
    for resource in resources:
        try:
            yield filled(resource, secrets)
        except DatafileProblem as problem:
            problems.append(problem)


def problems_between(project: Project) -> Iterator[StonechatError]:
    """What is wrong between the files of a project.

    A file that cannot be read has a name all the same: nobody needs to hear that it does not exist.
    """
    sources, connections, pipes = (_names(project.files, kind) for kind in (".datasource", ".connection", ".pipe"))
    tables = sources | pipes | {name + QUARANTINE_SUFFIX for name in sources}
    found = project.pipes.values()
    yield from node_names(found, sources | pipes)
    yield from unknown_targets(found, sources, project.files)
    yield from fed_targets(found, project.data_sources, project.files)
    yield from wrong_connections(project.data_sources.values(), found, project.connections, connections, project.files)
    yield from shared_groups(project.data_sources.values(), project.files)
    yield from unknown_tables(found, project.templates, tables)
    yield from misread_services(found, project.templates)
    yield from views_of_shared(found, project.lineage, project.shared)
    yield from secrets_in_views(found, project.templates, project.lineage)
    yield from united_views(project.pipes, project.templates, project.lineage)


def _names(files: Mapping[str, str], suffix: str) -> AbstractSet[str]:
    return {PurePosixPath(path).stem for path in files if path.endswith(suffix)}


def _compile_all(pipes: Iterable[Pipe], problems: list[StonechatError]) -> Iterator[tuple[NodeKey, Template]]:
    for pipe in pipes:
        for node in pipe.nodes:
            template = _compiled(node, problems)
            if template is not None:
                yield (pipe.name, node.name), template


def _compiled(node: Node, problems: list[StonechatError]) -> Template | None:
    """The template of a node, unless something is wrong with it; or with its lines, which then are none."""
    try:
        template = Template.compile(node.sql, name=node.name) if node.sql else None
        if template is not None:
            template.check()
    except StonechatError as error:
        problems.append(_at_node(error, node))
        return None
    return template


def _at_node(error: StonechatError, node: Node) -> InvalidTemplate:
    place = place_of_line(node.sql, getattr(error, "line", 0) or 1)
    position = place_in(node.sql, place, node.sql_position, node.sql_indent)
    return InvalidTemplate(f"Node '{node.name}': {error.message}", position, hint=error.hint)
