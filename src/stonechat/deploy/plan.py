"""A plan is data: one value per step, the same for the one who explains it and the one who runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stonechat.datafile.resources import DataSource, NodeType, Pipe
from stonechat.project.composition import compose_pipe
from stonechat.project.model import Project


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

    `reads` has the data sources and quarantines that its statement reads.
    """

    pipe: Pipe
    target: str
    statement: str
    reads: frozenset[str]


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


def view_of(project: Project, pipe: Pipe) -> CreateView:
    """The view that a materialized pipe stands for."""
    composed = compose_pipe(project, pipe, {})
    return CreateView(pipe, pipe.output.options["datasource"], composed.sql, project.lineage.sources(pipe.name))


def is_view(pipe: Pipe) -> bool:
    """Whether a pipe is a materialized view."""
    return pipe.output.type is NodeType.MATERIALIZED
