"""From a node to one statement: nodes and pipes that a statement names stand in front of it as CTEs.

Rendering starts at the node that was asked for and goes on to what it names, so that its `error()` wins over a missing
parameter of a node behind it. Every pipe keeps its nodes in a WITH of its own, so equal node names never meet.

The engine looks the names in a CTE up where that is used. So what a statement names itself, by a WITH or an alias,
would take the place of a table in the nodes that it reads: such a node comes to it whole, and behind a fence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stonechat.datafile.resources import Node, Pipe
from stonechat.errors import Kind, StonechatError
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.service_data_sources import service_data_sources_in
from stonechat.sql.statements import without_end, without_format_clause
from stonechat.sql.tables import Mentions, mentions
from stonechat.sql.with_clauses import apart, with_clause
from stonechat.template.render import Rendered, Template

Values = Mapping[str, str | Sequence[str]]
_Key = tuple[str, str]
"""A pipe and a node of it, by name."""
_Path = tuple[_Key, ...]

_MOST_PARTS = 1000
_MOST_READS = 1000
_MANY = 2000


def are_many(values: Values) -> bool:
    """Whether values are so many, or so long, that composing for them takes milliseconds."""
    return len(values) + sum([_size(value) for value in values.values()]) > _MANY


def _size(value: str | Sequence[str]) -> int:
    return len(value) if isinstance(value, str) else len(value) + sum(map(len, value))


class CompositionTooLarge(StonechatError):
    """More nodes stand behind a statement than one statement should hold."""

    code = "SC303"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Composed:
    """One statement with what it needs to run.

    `reads` names the data sources (quarantines, service and shared data sources too) that it may read; `bound` holds
    server-side parameters in clear; `settings` engine settings that templates chose; `used` the
    request parameters that shaped the text; `aborted` is that of `Rendered`.
    """

    sql: str
    reads: frozenset[str]
    bound: Mapping[str, str]
    settings: Mapping[str, str]
    cache_ttl: float | None
    used: frozenset[str]
    aborted: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """A statement, and how many reads of tables the engine makes of it."""

    sql: str
    reads: int


@dataclass(frozen=True, slots=True)
class _OpenNames:
    """Names that a statement around may give another meaning: those of tables, and `listed` are those behind IN."""

    tables: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()

    def are_taken_by(self, around: Mentions) -> bool:
        """Whether it does. Behind IN an alias comes before a table, and before a CTE that is nearer."""
        return not (self.tables.isdisjoint(around.defined) and self.listed.isdisjoint(around.aliases))


class _Behind(NamedTuple):
    """A node that a statement names; or a whole pipe, with the node whose rows it is."""

    name: str
    owner: Pipe
    node: Node
    whole: bool

    def is_on(self, path: _Path) -> bool:
        """Whether a path leads through it."""
        if self.whole:
            return any(pipe == self.name for pipe, _ in path)
        return (self.owner.name, self.name) in path


def compose_pipe(
    project: Project, pipe: Pipe, values: Values, *, node: Node | None = None, fixed: Mapping[str, Values] | None = None
) -> Composed:
    """The statement of a pipe's output node, or of another of its nodes.

    `fixed` has values by pipe that the caller may not choose: those of `pipe` hold in all that is behind it, those of
    another pipe wherever that is read.
    """
    outermost = {**values, **fixed[pipe.name]} if fixed and pipe.name in fixed else values

    def render(template: Template, owner: Pipe) -> Rendered:
        own = {**outermost, **fixed[owner.name]} if fixed and owner.name in fixed else outermost
        return template.render(own, secrets=project.secrets)

    return Composer(project, render).pipe(pipe, node)


def compose_placeholder(project: Project, pipe: Pipe, node: Node) -> Composed:
    """A node's statement with dummies for missing values, as it is checked before a deployment."""
    return Composer(project, lambda template, _: template.placeholder()).pipe(pipe, node)


class Composer:
    """One composition: it renders each node that is reached, and gathers what the renderings ask for."""

    def __init__(self, project: Project, render: Callable[[Template, Pipe], Rendered]) -> None:
        self._project = project
        self._renderer = render
        self._renderings: dict[_Key, Rendered] = {}
        self._looks: dict[_Key, tuple[Mentions, Sequence[_Behind]]] = {}
        self._open: dict[_Key, _OpenNames] = {}
        self._reads: set[str] = set()
        self._parts = 0

    def pipe(self, pipe: Pipe, node: Node | None = None) -> Composed:
        """The statement of a pipe's output node, or of another of its nodes."""
        lifetime = pipe.cache_seconds if node is None or node is pipe.output else None
        return self.finish(self._node(pipe, node or pipe.output, ()).sql, lifetime)

    def finish(self, sql: str, lifetime: float | None = None) -> Composed:
        """A statement that was put together here, with what it needs to run.

        Its answer is kept for the shortest time that is asked for: by `lifetime`, in seconds, or by a rendering.
        """
        bound: dict[str, str] = {}
        settings: dict[str, str] = {}
        for rendered in self._renderings.values():
            bound |= rendered.bound
            settings |= rendered.settings
        lifetimes = [lifetime or None, *(rendered.cache_ttl for rendered in self._renderings.values())]
        cache_ttl = min((each for each in lifetimes if each is not None), default=None)
        used = frozenset[str]().union(*(rendered.used for rendered in self._renderings.values()))
        aborted = any(rendered.aborted for rendered in self._renderings.values())
        return Composed(sql, frozenset(self._reads), bound, settings, cache_ttl, used, aborted)

    def _node(self, pipe: Pipe, node: Node, path: _Path) -> _Part:
        """A node's rendered statement with everything that it names in front of it."""
        found: dict[str, _Part] = {}
        part = self._statement(pipe, node, path, found)
        return _Part(_with(found, part.sql), part.reads)

    def _statement(self, pipe: Pipe, node: Node, path: _Path, found: dict[str, _Part]) -> _Part:
        """A node's statement, and how many reads of tables the engine makes of it: it reads a CTE wherever it is named.

        The CTEs that it needs are added to `found`, each after those that it needs itself. If it would give names in
        them another meaning, it has them itself, each with all that is behind it.
        """
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise CompositionTooLarge(
                f"More than {_MOST_PARTS} nodes stand behind one statement; one is '{node.name}' of '{pipe.name}'"
            )
        statement = self._render(pipe, node)
        self._note_reads(statement)
        path = (*path, (pipe.name, node.name))
        named, nodes = self._named(pipe, node, path)
        takes_names = self._takes_names(named, nodes, pipe)
        own = {} if takes_names else found
        for name, owner, behind, _ in nodes:
            if name not in own:
                whole = takes_names or owner is not pipe
                part = self._node(owner, behind, path) if whole else self._statement(owner, behind, path, own)
                sql = without_format_clause(part.sql)
                if takes_names and self._open_outside(owner, behind).are_taken_by(named):
                    begin = apart(f"{owner.name}.{behind.name}")
                    sql = f"SELECT * FROM view({begin} SELECT * FROM (\n{without_end(sql)}\n))"
                own[name] = _Part(sql, part.reads)
        reads = max(1, sum(times * (own[name].reads if name in own else 1) for name, times in named.times.items()))
        if reads > _MOST_READS:
            raise CompositionTooLarge(
                f"More than {_MOST_READS} reads of tables stand behind '{node.name}' of '{pipe.name}'",
                hint="A node is read anew wherever it is named: keep rows that are needed often in a data source.",
            )
        return _Part(_with(own, statement) if takes_names else statement, reads)

    def _named(self, pipe: Pipe, node: Node, path: _Path) -> tuple[Mentions, Sequence[_Behind]]:
        """What a node's statement names, and the nodes behind that.

        A name on the path is a column or an alias: a node cannot read itself, not even through others.
        """
        key = pipe.name, node.name
        if key not in self._looks:
            named = mentions(self._render(pipe, node))
            pipes = [self._project.pipes[name] for name in sorted(named.times.keys() & self._project.pipes.keys())]
            own = [_Behind(each.name, pipe, each, False) for each in pipe.nodes if each.name in named.times]
            self._looks[key] = named, [*own, *(_Behind(each.name, each, each.output, True) for each in pipes)]
        named, nodes = self._looks[key]
        return named, [each for each in nodes if not each.is_on(path)] if nodes else nodes

    def _takes_names(self, named: Mentions, nodes: Sequence[_Behind], pipe: Pipe) -> bool:
        """Whether names that a statement gives itself stand for something else in what it reads."""
        if not named.defined and not named.aliases:
            return False
        for _, owner, behind, _ in nodes:
            names = self._open_names(owner, behind) if owner is pipe else self._open_outside(owner, behind)
            if names.are_taken_by(named):
                return True
        return False

    def _open_names(self, pipe: Pipe, node: Node) -> _OpenNames:
        """The names in a node's statement, and in those behind it, where these stand beside it."""
        key = pipe.name, node.name
        if key not in self._open:
            self._open[key] = _OpenNames()
            named, nodes = self._named(pipe, node, (key,))
            tables, listed = frozenset(named.times), named.listed
            for _, owner, behind, _ in nodes:
                names = self._open_names(owner, behind) if owner is pipe else self._open_outside(owner, behind)
                tables, listed = tables | names.tables, listed | names.listed
            self._open[key] = _OpenNames(tables, listed)
        return self._open[key]

    def _open_outside(self, pipe: Pipe, node: Node) -> _OpenNames:
        """The same of a node that has all that is behind it in a WITH of its own."""
        names = self._open_names(pipe, node)
        own = {other.name for other in pipe.nodes} | self._project.pipes.keys()
        return _OpenNames(names.tables - own, names.listed)

    def _note_reads(self, statement: str) -> None:
        """A name anywhere in the text may be a table; one too many only makes a kept answer end early."""
        for name in self._project.data_sources:
            if name in statement:
                self._reads.add(name)
                if name + QUARANTINE_SUFFIX in statement:
                    self._reads.add(name + QUARANTINE_SUFFIX)
        for name, shared in self._project.shared.items():
            if shared.workspace.name in statement and shared.source.name in statement:
                self._reads.add(name)
        self._reads.update(service_data_sources_in(statement))

    def _render(self, pipe: Pipe, node: Node) -> str:
        key = pipe.name, node.name
        if key not in self._renderings:
            self._renderings[key] = self._renderer(self._project.template(pipe, node), pipe)
        return self._renderings[key].sql


def _with(found: Mapping[str, _Part], statement: str) -> str:
    return with_clause([(name, part.sql) for name, part in found.items()], statement)
