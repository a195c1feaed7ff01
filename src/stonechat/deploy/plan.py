"""A plan is data: one value per step, the same for the one who explains it and the one who runs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from stonechat.datafile.resources import DataSource, NodeType, Pipe
from stonechat.deploy.diff import Difference
from stonechat.project.composition import compose_pipe
from stonechat.project.model import Project


@dataclass(frozen=True, slots=True)
class CreateDataSource:
    """Make a data source's table and its quarantine."""

    source: DataSource


@dataclass(frozen=True, slots=True)
class CreateView:
    """Make the view of a materialized pipe; rows that arrive from now on flow through it."""

    pipe: Pipe
    target: str
    statement: str
    reads: frozenset[str]


@dataclass(frozen=True, slots=True)
class Backfill:
    """Give a new view's target the rows that its source has already. Writing rests meanwhile, so none counts twice."""

    view: CreateView


@dataclass(frozen=True, slots=True)
class DropView:
    """Remove the view of a materialized pipe; its target keeps its rows."""

    name: str


@dataclass(frozen=True, slots=True)
class DropDataSource:
    """Remove a data source with its rows and its quarantine."""

    name: str


Step = CreateDataSource | CreateView | Backfill | DropView | DropDataSource


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps before the moment the new project goes live, which can be undone, and steps after it, which cannot."""

    before: tuple[Step, ...]
    after: tuple[Step, ...]

    @property
    def steps(self) -> Sequence[Step]:
        """Every step in the order it runs."""
        return (*self.before, *self.after)


def make_plan(live: Project, wanted: Project, difference: Difference) -> Plan:
    """The steps from the live project to the wanted one. Views come after all tables, backfills after all views."""
    tables = tuple(CreateDataSource(wanted.data_sources[name]) for name in difference.data_sources.new)
    views = tuple(view_of(wanted, wanted.pipes[name]) for name in difference.pipes.new if _is_view(wanted.pipes[name]))
    backfills = tuple(Backfill(view) for view in views if _finds_rows(live, wanted, view))
    gone = tuple(DropView(name) for name in difference.pipes.deleted if _is_view(live.pipes[name]))
    dropped = tuple(DropDataSource(name) for name in difference.data_sources.deleted)
    return Plan((*tables, *views, *backfills), (*gone, *dropped))


def view_of(project: Project, pipe: Pipe) -> CreateView:
    """The view that a materialized pipe stands for."""
    composed = compose_pipe(project, pipe, {})
    return CreateView(pipe, pipe.output.options["datasource"], composed.sql, composed.reads)


def explain(plan: Plan) -> Iterator[str]:
    """The plan in words, a line a step."""
    for step in plan.steps:
        match step:
            case CreateDataSource(source):
                yield f"create the data source '{source.name}' with {len(source.columns)} columns"
            case CreateView(pipe, target):
                yield f"create the materialized view '{pipe.name}' into '{target}'"
            case Backfill(view):
                yield f"fill '{view.target}' with the rows that '{view.pipe.name}' finds already there"
            case DropView(name):
                yield f"drop the materialized view '{name}'; its target keeps its rows"
            case DropDataSource(name):
                yield f"drop the data source '{name}' with all its rows"
            case _:
                assert_never(step)


def _finds_rows(live: Project, wanted: Project, view: CreateView) -> bool:
    """Whether a view may have rows to catch up on; what a new data source gets flows through the view by itself."""
    return wanted.data_sources[view.target].backfill != "skip" and bool(view.reads & live.data_sources.keys())


def _is_view(pipe: Pipe) -> bool:
    return pipe.output.type is NodeType.MATERIALIZED
