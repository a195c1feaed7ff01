"""A plan is data: one value per step, the same for the one who explains it and the one who runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stonechat.datafile.resources import DataSource, NodeType, Pipe
from stonechat.errors import StonechatError
from stonechat.project.composition import compose_pipe
from stonechat.project.model import Project
from stonechat.sql.leftmost import fed_by_table, leftmost

_OF_TABLE = ":"
"""Stands between the name of a pipe and that of a table in the name of a view: no resource can have it in its own."""


@dataclass(frozen=True, slots=True)
class CreateDataSource:
    """Make a data source's table and its quarantine."""

    source: DataSource


@dataclass(frozen=True, slots=True)
class CloneDataSource:
    """Give a data source a new version that begins with all rows of the live one, quarantine included.

    Each of the two tables is made by `ddl.clone_table` and altered by its commands in their order (`alterations`,
    `quarantine`; none where only another version is needed), before a row is written to it.
    """

    source: DataSource
    alterations: tuple[str, ...] = ()
    quarantine: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RewriteDataSource:
    """Give a data source a new version, made empty, that gets the rows of the live one as `expressions` give them.

    `select` is a SELECT without its FROM over the live version, whose columns are those that it fills; the others get
    their defaults. It makes each row of one row, so that the rows may come in parts; see `ddl.rows_of`. They come never
    through views, and before any row that is written later: engines that keep the last of some rows tell by that. The
    quarantine is cloned as for `CloneDataSource`.
    """

    source: DataSource
    select: str
    quarantine: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RenewDataSource:
    """Give a data source a new version, made empty; its rows come from the backfills of the views into it, if any.

    The quarantine is cloned as for `CloneDataSource`.
    """

    source: DataSource
    quarantine: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateView:
    """Make the view of a materialized pipe; rows that arrive from now on flow through it.

    `reads` has the data sources and quarantines that its pipe reads, `name` is that of the view in the engine, and
    `table` that whose rows it follows, as far as the statement tells.
    """

    pipe: Pipe
    target: str
    statement: str
    reads: frozenset[str]
    name: str
    table: str | None


@dataclass(frozen=True, slots=True)
class Backfill:
    """Give a view's target the rows that its query finds in what is there already.

    Backfills run in the order of the plan and give rows to the target alone, not to views that read it: where those
    have to see them, the plan has a backfill of their own.
    """

    view: CreateView


@dataclass(frozen=True, slots=True)
class DropView:
    """Remove the view of a materialized pipe; its target keeps its rows."""

    name: str


@dataclass(frozen=True, slots=True)
class DropDataSource:
    """Remove a data source with its rows and its quarantine."""

    name: str


Table = CreateDataSource | CloneDataSource | RewriteDataSource | RenewDataSource
Step = Table | CreateView | Backfill | DropView | DropDataSource


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps before the moment the new project goes live, which can be undone, and steps after it, which cannot."""

    before: tuple[Step, ...]
    after: tuple[Step, ...]

    @property
    def steps(self) -> Sequence[Step]:
        """Every step in the order it runs."""
        return (*self.before, *self.after)

    @property
    def tables(self) -> Mapping[str, Table]:
        """The steps that make tables, by their data sources."""
        kinds = CreateDataSource | CloneDataSource | RewriteDataSource | RenewDataSource
        return {step.source.name: step for step in self.before if isinstance(step, kinds)}

    def views_into(self, name: str) -> Sequence[CreateView]:
        """The views that are made and write a data source."""
        return [step for step in self.before if isinstance(step, CreateView) and step.target == name]

    def backfills(self, name: str) -> Sequence[Backfill]:
        """What a data source is filled by."""
        return [step for step in self.before if isinstance(step, Backfill) and step.view.target == name]


def views_of(project: Project, pipe: Pipe) -> tuple[CreateView, ...]:
    """The views that a materialized pipe stands for: one, or one for each table that a UNION brings together.

    The engine runs a view on the rows of the leftmost table of its query, so each has only what begins with its own.
    The first has the name of the pipe, the others that of their table behind it.
    """
    statement, target = compose_pipe(project, pipe, {}).sql, pipe.output.options["datasource"]
    reads = project.lineage.sources(pipe.name)
    tables = leftmost(statement).united_tables
    first = CreateView(pipe, target, statement, reads, pipe.name, next(iter(tables), None))
    if len(tables) < 2:
        return (first,)
    names = [pipe.name, *(f"{pipe.name}{_OF_TABLE}{table}" for table in tables[1:])]
    return tuple(
        replace(first, statement=fed_by_table(statement, table), name=name, table=table)
        for table, name in zip(tables, names, strict=True)
    )


def view_names(project: Project, pipe: Pipe) -> Sequence[str]:
    """The names of a materialized pipe's views, of one too that was deployed and cannot be composed any more."""
    try:
        return [view.name for view in views_of(project, pipe)]
    except StonechatError:
        return [pipe.name]


def pipe_of_view(name: str) -> str:
    """The name of the pipe that a view of that name is of."""
    return name.partition(_OF_TABLE)[0]


def is_view(pipe: Pipe) -> bool:
    """Whether a pipe is a materialized view."""
    return pipe.output.type is NodeType.MATERIALIZED
