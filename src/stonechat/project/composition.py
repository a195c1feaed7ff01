"""From a node to one statement: nodes and pipes that a statement names stand in front of it as CTEs.

Rendering starts at the node that was asked for and goes on to what it names, so that its `error()` wins over a missing
parameter of a node behind it. Every pipe keeps its nodes in a WITH of its own, so equal node names never meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stonechat.datafile.resources import Node, Pipe
from stonechat.errors import Kind, StonechatError
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.service_data_sources import service_data_sources_in
from stonechat.sql.statements import with_clause, without_format_clause
from stonechat.sql.tables import table_mentions, table_names
from stonechat.template.render import Rendered, Template

Values = Mapping[str, str | Sequence[str]]

_MOST_RENDERINGS = 1000
_MOST_READS = 1000


class CompositionTooLarge(StonechatError):
    """More nodes stand behind a statement than one statement should hold."""

    code = "SC303"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Composed:
    """One statement with what it needs to run.

    `reads` names the data sources (quarantines and service data sources too) that it may read; `bound` holds
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
        self._renderings: list[Rendered] = []
        self._reads: set[str] = set()

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
        for rendered in self._renderings:
            bound |= rendered.bound
            settings |= rendered.settings
        lifetimes = [lifetime or None, *(rendered.cache_ttl for rendered in self._renderings)]
        cache_ttl = min((each for each in lifetimes if each is not None), default=None)
        used = frozenset[str]().union(*(rendered.used for rendered in self._renderings))
        aborted = any(rendered.aborted for rendered in self._renderings)
        return Composed(sql, frozenset(self._reads), bound, settings, cache_ttl, used, aborted)

    def _node(self, pipe: Pipe, node: Node, path: tuple[str, ...]) -> _Part:
        """A node's rendered statement with everything that it names in front of it."""
        rendered = self._render(pipe, node)
        found: dict[str, _Part] = {}
        reads = self._collect(rendered, pipe, node, (*path, f"{pipe.name}.{node.name}"), found)
        return _Part(with_clause([(name, part.sql) for name, part in found.items()], rendered), reads)

    def _collect(self, statement: str, pipe: Pipe, node: Node, path: tuple[str, ...], found: dict[str, _Part]) -> int:
        """Add the CTEs that a node's statement needs, each after those that it needs itself.

        Returns how many reads of tables the engine makes of it: it reads a CTE anew wherever that is named.
        """
        names = table_names(statement)
        self._note_reads(statement)
        for other in pipe.nodes:
            step = f"{pipe.name}.{other.name}"
            # A name on the path is a column or an alias: a node cannot read itself, not even through others.
            if other.name in names and other.name not in found and step not in path:
                rendered = self._render(pipe, other)
                reads = self._collect(rendered, pipe, other, (*path, step), found)
                found[other.name] = _Part(without_format_clause(rendered), reads)
        for name in sorted(names & self._project.pipes.keys() - found.keys()):
            inner = self._project.pipes[name]
            if not any(step.startswith(f"{name}.") for step in path):
                part = self._node(inner, inner.output, path)
                found[name] = _Part(without_format_clause(part.sql), part.reads)
        mentions = table_mentions(statement).items()
        reads = max(1, sum(times * (found[name].reads if name in found else 1) for name, times in mentions))
        if reads > _MOST_READS:
            raise CompositionTooLarge(
                f"More than {_MOST_READS} reads of tables stand behind '{node.name}' of '{pipe.name}'",
                hint="A node is read anew wherever it is named: keep rows that are needed often in a data source.",
            )
        return reads

    def _note_reads(self, statement: str) -> None:
        """A name anywhere in the text may be a table; one too many only makes a kept answer end early."""
        for name in self._project.data_sources:
            if name in statement:
                self._reads.add(name)
                if name + QUARANTINE_SUFFIX in statement:
                    self._reads.add(name + QUARANTINE_SUFFIX)
        self._reads.update(service_data_sources_in(statement))

    def _render(self, pipe: Pipe, node: Node) -> str:
        if len(self._renderings) >= _MOST_RENDERINGS:
            raise CompositionTooLarge(
                f"More than {_MOST_RENDERINGS} nodes stand behind one statement; one is '{node.name}' of '{pipe.name}'"
            )
        rendered = self._renderer(self._project.template(pipe, node), pipe)
        self._renderings.append(rendered)
        return rendered.sql
