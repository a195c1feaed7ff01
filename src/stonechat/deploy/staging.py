"""Making the tables of a candidate beside those of the live project, while both are read and written.

Tables come in waves. A wave begins while no block is in flight: tables are created or cloned, views are attached, the
boundaries of the rows that the clones have are kept, and from then on blocks go to both projects' tables. A table whose
rows take time to make (altered, rewritten, found by views) is filled from frozen clones of what it comes from, beside
the writing; what arrives meanwhile is gathered in a table of its own, whose parts are put behind the others when the
next wave begins. Views that read a table are attached after that: they see each row once, and none of a backfill.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from typing import Any, Protocol

from stonechat.deploy.ddl import (
    attach_rows,
    create_table,
    create_view,
    drop_table,
    move_table,
)
from stonechat.deploy.filling import JOINING, Filler, Filling
from stonechat.deploy.history import Status, record_populations, record_progress, record_status
from stonechat.deploy.making import Making
from stonechat.deploy.plan import (
    Backfill,
    CloneDataSource,
    CreateView,
    Plan,
    RewriteDataSource,
    Table,
    pipe_of_view,
)
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.project.live import Candidate, LiveProject
from stonechat.project.places import Boundary, Place, database_of, keep_places
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.sql.quoting import literal
from stonechat.state import StateStore, now
from stonechat.telemetry.recorder import Telemetry

_QUIET_SECONDS = 60.0
_PAUSE_BETWEEN = 0.05


class RowsDelayed(StonechatError):
    """The engine could not take rows for a long time, and a table cannot be cloned half-way between two blocks."""

    code = "SC705"
    kind = Kind.UNAVAILABLE


class Writing(Protocol):
    """What must hold still, or come to its end, while tables come and go."""

    def paused(self) -> AbstractContextManager[None]:
        """Within it no block is in flight."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """The same, and no replay brings a block again that is in its table. Raises `LogWriteFailed`."""
        ...

    def boundary(self, data_source_id: str) -> Boundary | None:
        """Where the rows of a data source begin that are not committed; None while it has a block half-way."""
        ...

    def flush(self, timeout: float | None = None) -> bool:
        """Commit everything accepted so far; False if it took longer than `timeout` seconds."""
        ...


class Staging:
    """The tables of one candidate. `going_on` is called between steps, and raises to end the work there.

    What it does is kept as it goes, so that another one of the same deployment goes on after a restart.
    """

    def __init__(
        self,
        store: StateStore,
        engine: Engine,
        writing: Writing,
        live: LiveProject,
        plan: Plan,
        *,
        progress: Mapping[str, Any],
        populations: Sequence[Mapping[str, Any]],
        telemetry: Telemetry,
        going_on: Callable[[], None],
    ) -> None:
        candidate = live.candidate
        assert candidate is not None
        self._store = store
        self._engine = engine
        self._writing = writing
        self._live = live
        self._plan = plan
        self._tables = plan.tables
        self._telemetry = telemetry
        self._going_on = going_on
        self._snapshot = candidate.snapshot
        self._base = self._snapshot.workspace.database
        self._own = database_of(self._snapshot.workspace, self._snapshot.deployment_id)
        self._making = Making(engine, self._base)
        self._filling = {item["name"]: Filling(**item) for item in progress.get("filling", [])}
        self._filled: set[str] = set()
        self._populations = {each["view"]: dict(each) for each in populations}

    @property
    def query_id(self) -> str:
        """Names the statement that takes time, to cancel it."""
        return f"deployment-{self._snapshot.deployment_id}"

    def run(self) -> None:
        """Make all tables. Raises `FillingFailed`, `RowsDelayed` or `EngineFailure`."""
        while self._filling or self._to_come():
            self._fill()
            self._wave()

    def _fill(self) -> None:
        for name, filling in self._filling.items():
            self._going_on()
            filler = Filler(self._engine, self._snapshot, filling, noted=self._noted, query_id=self.query_id)
            identity, workspace = self._snapshot.identities[name].id, self._snapshot.workspace
            self._note_populations(name)
            with self._telemetry.operation(workspace, "deployment_backfill", identity, name) as operation:
                filler.fill(self._tables[name], self._plan.backfills(name))
                rows = self._making.rows(name, filling.database)
                operation.rows(rows)
            self._note_populations(name, ended=now(), rows=rows)
            self._filled.add(name)

    def _note_populations(self, name: str, **outcome: Any) -> None:
        """Keep that a data source is being filled by views, or what came of it."""
        for step in self._plan.backfills(name):
            view = step.view.name
            pipe = pipe_of_view(view)
            noted = {
                "view": view,
                "pipe": [self._snapshot.identities[pipe].id, pipe],
                "data_source": [self._snapshot.identities[name].id, name],
                "began": now(),
            }
            self._populations[view] = {**self._populations.get(view, noted), **outcome}
        with self._store.transaction() as connection:
            record_populations(connection, self._snapshot.deployment_id, list(self._populations.values()))

    def _noted(self) -> None:
        with self._store.transaction() as connection:
            self._keep_progress(connection)
        self._going_on()

    def _wave(self) -> None:
        self._going_on()
        with self._quiet():
            if self._filled:
                with self._store.transaction() as connection:
                    record_progress(connection, self._snapshot.deployment_id, {JOINING: True})
            for name in sorted(self._filled):
                self._join(self._filling.pop(name))
            self._filled.clear()
            taken = self._making.taken_names()
            while ready := sorted(name for name in self._to_come() if self._may_be_made(name)):
                for name in ready:
                    self._begin(self._tables[name], taken)
            with self._store.transaction() as connection:
                keep_places(
                    connection, self._snapshot.workspace.id, self._snapshot.deployment_id, self._snapshot.places
                )
                self._keep_progress(connection)
                record_status(connection, self._snapshot.deployment_id, Status.SCHEMA_READY)
            self._live.stage(Candidate(self._snapshot))

    def _begin(self, step: Table, taken: AbstractSet[str]) -> None:
        """Make a table whole, or begin to fill it."""
        name = step.source.name
        database = self._place_for(name, taken)
        backfills = self._plan.backfills(name)
        altered = isinstance(step, CloneDataSource) and step.alterations
        if altered or backfills or isinstance(step, RewriteDataSource):
            number = sorted(self._tables).index(name)
            filling = Filling(name, database, f"{self._own}_f{number}", f"{self._own}_s")
            self._prepare(filling, step, backfills)
            database = filling.gathered
            self._filling[name] = filling
        else:
            self._making.whole(step, self._live.snapshot, database)
        self._making.quarantine(step, self._live.snapshot, database)
        self._put(name, Place(database, self._boundary(name)))
        for view in self._plan.views_into(name):
            self._attach(view, taken)
        if name in self._filling:
            self._filling[name].sources.update(self._making.triggers(backfills, self._filling[name].gathered))

    def _prepare(self, filling: Filling, step: Table, backfills: Sequence[Backfill]) -> None:
        """The frozen tables that the rows come from, and the one where rows gather meanwhile."""
        self._making.database(filling.frozen)
        self._making.database(filling.gathered)
        if isinstance(step, CloneDataSource | RewriteDataSource):
            self._making.freeze(filling.name, self._live.snapshot.table(filling.name).database, filling.frozen)
        for each in backfills:
            for name in sorted(each.view.reads):
                self._making.freeze(name, self._snapshot.table(name).database, filling.frozen)
        self._making.command(create_table(step.source, filling.gathered))

    def _join(self, filling: Filling) -> None:
        """Put the rows that have gathered behind those that were filled in; the table is whole then."""
        name, quarantine = filling.name, filling.name + QUARANTINE_SUFFIX
        for view in self._plan.views_into(name):
            self._making.command(drop_table(view.name, filling.gathered))
        if self._making.has_parts(name, filling.gathered):
            self._making.command(attach_rows(name, filling.gathered, filling.database))
        self._making.command(move_table(quarantine, filling.gathered, filling.database))
        self._put(name, Place(filling.database, self._boundary(name)))
        taken = self._making.taken_names()
        for view in self._plan.views_into(name):
            self._attach(view, taken)

    def _attach(self, view: CreateView, taken: AbstractSet[str]) -> None:
        """Let a view into a table see the rows that its source gets from now on."""
        name = view.name
        target = self._snapshot.table(view.target).database
        filling = self._filling.get(view.target)
        database = filling.gathered if filling else self._place_for(name, taken)
        self._making.command(create_view(name, view.target, self._snapshot.placed(view.statement), database, target))
        self._put(name, Place(database))

    def _to_come(self) -> Sequence[str]:
        made = self._made()
        return [name for name in self._tables if name not in made]

    def _made(self) -> AbstractSet[str]:
        """The data sources whose tables are there, whole or not."""
        candidate = Candidate(self._snapshot)
        return {name for name in self._tables if candidate.has_its_own(name, self._live.snapshot)}

    def _may_be_made(self, name: str) -> bool:
        """Whether all that the views into a data source read is whole."""
        sources = {
            source.removesuffix(QUARANTINE_SUFFIX) if source not in self._snapshot.project.data_sources else source
            for view in self._plan.views_into(name)
            for source in view.reads
        }
        return not sources & (set(self._to_come()) | self._filling.keys())

    def _put(self, name: str, place: Place) -> None:
        self._snapshot = replace(self._snapshot, places={**self._snapshot.places, name: place})

    def _place_for(self, name: str, taken: AbstractSet[str]) -> str:
        """The workspace's database for what is not there in any version; else one of the deployment's own."""
        if name not in taken:
            return self._base
        self._making.database(self._own)
        return self._own

    def _boundary(self, name: str) -> Boundary | None:
        return self._writing.boundary(self._snapshot.identities[name].id)

    def _keep_progress(self, connection: Any) -> None:
        progress = {"filling": [asdict(filling) for filling in self._filling.values()]}
        record_progress(connection, self._snapshot.deployment_id, progress)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Within it no block is in flight, nor is one half-way into its tables, nor will one be replayed.

        A table ignores a block that it has. A view that is new to the table would take it for one, beside the backfill.
        """
        deadline = time.monotonic() + _QUIET_SECONDS
        identities = [
            snapshot.identities[name].id
            for snapshot in (self._live.snapshot, self._snapshot)
            for name in snapshot.project.data_sources
        ]
        while time.monotonic() < deadline:
            with self._writing.alone():
                if all(map(self._writing.boundary, identities)) and not self._is_changing():
                    yield
                    return
            self._going_on()
            time.sleep(_PAUSE_BETWEEN)
        raise RowsDelayed(
            "Rows are half-way into their tables for too long", hint="See the server's log for the reason."
        )

    def _is_changing(self) -> bool:
        """Whether rows are being deleted from the live tables: a clone would keep what is left of them for good."""
        databases = ", ".join(map(literal, self._live.snapshot.databases))
        mutations = f"SELECT 1 FROM system.mutations WHERE database IN ({databases}) AND NOT is_done AND NOT is_killed"
        return bool(self._engine.fetch(f"{mutations} LIMIT 1"))
