"""Which data sources and views need tables of their own in a deployment, and where the rows of these come from.

Tables are never altered while something reads or writes them: a deployment makes another version of every table that it
changes, and of every table into which a view would otherwise write for two deployments at once. All of this follows
from two projects alone; whether the engine takes what it plans is for the rehearsal to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from graphlib import TopologicalSorter

from stonechat.datafile.resources import DataSource
from stonechat.deploy.diff import Difference
from stonechat.deploy.evolution import evolve, normal
from stonechat.deploy.plan import (
    Backfill,
    CloneDataSource,
    CreateDataSource,
    CreateView,
    DropDataSource,
    DropView,
    Plan,
    RenewDataSource,
    RewriteDataSource,
    Table,
    is_view,
    views_of,
)
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.sql.quoting import identifier


def rewritten(
    live: DataSource, wanted: DataSource, quarantine: tuple[str, ...], reasons: tuple[str, ...]
) -> RewriteDataSource | RenewDataSource:
    """The step that writes the rows of a data source anew, each value as it is: none where no column stays."""
    kept = {column.name for column in live.columns}
    names = ", ".join(identifier(column.name) for column in wanted.columns if column.name in kept)
    return (
        RewriteDataSource(wanted, f"SELECT {names}", quarantine, reasons)
        if names
        else RenewDataSource(wanted, quarantine)
    )


class Versions:
    """What has to be made anew between two projects, by name.

    `made` are the data sources that get a table, `recomputed` those of them whose rows are given up because the views
    into them find them again, and `views` the views that are made.
    """

    def __init__(self, live: Project, wanted: Project) -> None:
        self.live = live
        self.wanted = wanted
        both = live.data_sources.keys() & wanted.data_sources.keys()
        self.evolutions = {name: evolve(live.data_sources[name], wanted.data_sources[name]) for name in sorted(both)}
        self._live_views = _views(live)
        self._wanted_views = _views(wanted)
        self.made = set(wanted.data_sources.keys() - both) | {name for name in both if self.evolutions[name]}
        self.recomputed: set[str] = set()
        self.views: set[str] = set()
        size = -1
        while size != (size := len(self.made) + len(self.recomputed) + len(self.views)):
            self._close()

    def plan(self, difference: Difference) -> Plan:
        """The steps from the live project to the wanted one: tables, then backfills, then views, then what goes."""
        gone = tuple(DropView(name) for name in sorted(self._live_views.keys() - self._wanted_views.keys()))
        dropped = tuple(DropDataSource(name) for name in difference.data_sources.deleted)
        return Plan((*self.tables(), *self.backfills(), *self.view_steps()), (*gone, *dropped))

    def tables(self) -> Iterator[Table]:
        """A step for each data source that gets a table."""
        return (self._table(self.wanted.data_sources[name]) for name in sorted(self.made))

    def view_steps(self) -> Iterator[CreateView]:
        """A step for each view that is made, be it because a table that it reads or writes is another one now."""
        return (self._wanted_views[name] for name in sorted(self.views))

    def backfills(self) -> Iterator[Backfill]:
        """A step for each view whose target lacks what it finds, those first whose targets others read."""
        wanting = sorted(name for name in self.views if self._is_backfilled(self._wanted_views[name]))
        behind = {
            name: [other for other in wanting if self._wanted_views[other].target in self._read(name)]
            for name in wanting
        }
        with_rows = set(self.live.data_sources)
        for name in TopologicalSorter(behind).static_order():
            if self._read(name) & with_rows:
                with_rows.add(self._wanted_views[name].target)
                yield Backfill(self._wanted_views[name])

    def forward_query(self, name: str) -> str | None:
        """The FORWARD_QUERY that makes a data source's rows: one that is new, or is needed whether it is or not."""
        wanted, live = self.wanted.data_sources[name].forward_query, self.live.data_sources[name].forward_query
        needed = wanted != live or bool(self.evolutions[name].incompatible)
        return wanted if needed else None

    def _close(self) -> None:
        for name, view in self._wanted_views.items():
            if self._is_changed(view) or view.target in self.made or self._read(name) & self.made:
                self.views.add(name)
                self.made.add(view.target)
        for name in self.made & self.evolutions.keys():
            if self._is_recomputed(name):
                self.recomputed.add(name)

    def _is_recomputed(self, name: str) -> bool:
        into = [view for view in self._wanted_views.values() if view.target == name]
        if not into or self.wanted.data_sources[name].backfill == "skip" or self.forward_query(name) is not None:
            return False
        return bool(self.evolutions[name].incompatible) or any(
            (self._has_other_query(view) and self._can_be_computed(view))
            or any(map(self._gets_other_rows, self.sources(view.pipe.name)))
            for view in into
        )

    def _can_be_computed(self, view: CreateView) -> bool:
        """Whether anything that a view reads keeps its rows."""
        return any(self.wanted.data_sources[name].engine.name != "Null" for name in self.sources(view.pipe.name))

    def _gets_other_rows(self, name: str) -> bool:
        """Whether rows of a data source appear or change that its readers should have seen."""
        backfilled = (view for view in self._wanted_views.values() if view.target == name and self._is_backfilled(view))
        return name in self.recomputed or (name in self.evolutions and any(backfilled))

    def _is_changed(self, view: CreateView) -> bool:
        live = self._earlier[view.name]
        return live is None or live.name != view.name or not _say_the_same(live, view)

    def _is_new(self, view: CreateView) -> bool:
        return self._earlier[view.name] is None

    def _has_other_query(self, view: CreateView) -> bool:
        in_place = view.pipe.output.options.get("deployment_method") == "alter"
        live = self._earlier[view.name]
        return live is not None and not _say_the_same(live, view) and not in_place

    @cached_property
    def _earlier(self) -> Mapping[str, CreateView | None]:
        """For each wanted view the live one whose rows its target has already; names alone do not tell.

        That is the one of the same pipe and table, one that goes and says the same, or one of the pipe that goes.
        """
        live = {_followed(view): view for view in self._live_views.values()}
        going = [live[key] for key in live.keys() - set(map(_followed, self._wanted_views.values()))]
        going.sort(key=lambda view: view.name)

        def earlier(view: CreateView) -> CreateView | None:
            into = [each for each in going if each.target == view.target]
            alike = [each for each in into if _say_the_same(each, view)]
            others = [each for each in into if each.pipe.name == view.pipe.name]
            return live.get(_followed(view)) or next(iter([*alike, *others]), None)

        return {view.name: earlier(view) for view in self._wanted_views.values()}

    def _is_backfilled(self, view: CreateView) -> bool:
        target = self.wanted.data_sources[view.target]
        without_rows = target.name not in self.evolutions or target.name in self.recomputed
        return target.backfill != "skip" and (without_rows or self._is_new(view))

    def _read(self, view: str) -> AbstractSet[str]:
        return self.sources(self._wanted_views[view].pipe.name)

    def sources(self, pipe: str) -> AbstractSet[str]:
        """The data sources that a materialized pipe reads; reading a quarantine is reading its data source."""
        names = self.wanted.lineage.sources(pipe)
        return {name if name in self.wanted.data_sources else name.removesuffix(QUARANTINE_SUFFIX) for name in names}

    def _table(self, source: DataSource) -> Table:
        if source.name not in self.evolutions:
            return CreateDataSource(source)
        live, evolution = self.live.data_sources[source.name], self.evolutions[source.name]
        if "Null" in {live.engine.name, source.engine.name} or source.name in self.recomputed:
            return RenewDataSource(source, evolution.quarantine)
        if (query := self.forward_query(source.name)) is not None:
            select = query if normal(query).upper().startswith(("SELECT ", "WITH ")) else f"SELECT\n{query}"
            return RewriteDataSource(source, select, evolution.quarantine, ("FORWARD_QUERY says what becomes of them",))
        if evolution.rewrites:
            return rewritten(live, source, evolution.quarantine, evolution.rewrites)
        return CloneDataSource(source, evolution.alterations, evolution.quarantine)


def _followed(view: CreateView) -> tuple[str, str, str | None]:
    """What no other view of a project has: who follows which table into which target."""
    return view.pipe.name, view.target, view.table


def _say_the_same(one: CreateView, other: CreateView) -> bool:
    return normal(one.statement) == normal(other.statement)


def _views(project: Project) -> Mapping[str, CreateView]:
    return {view.name: view for pipe in project.pipes.values() if is_view(pipe) for view in views_of(project, pipe)}
