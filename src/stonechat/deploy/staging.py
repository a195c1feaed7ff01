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
from functools import cached_property
from typing import Any, Protocol

from stonechat.deploy.ddl import (
    alter_table,
    attach_rows,
    clone_table,
    create_quarantine,
    create_table,
    create_view,
    drop_table,
    freeze_table,
    move_table,
    table,
)
from stonechat.deploy.filling import JOINING, Filler, Filling
from stonechat.deploy.history import Status, record_populations, record_progress, record_status
from stonechat.deploy.plan import (
    Backfill,
    CloneDataSource,
    CreateDataSource,
    CreateView,
    Plan,
    RenewDataSource,
    RewriteDataSource,
    Table,
    pipe_of_view,
)
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.project.live import Candidate, LiveProject, Snapshot
from stonechat.project.places import Boundary, Place, database_of, keep_places
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.sql.quoting import identifier, literal
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
        self._telemetry = telemetry
        self._going_on = going_on
        self._snapshot = candidate.snapshot
        self._base = self._snapshot.workspace.database
        self._own = database_of(self._snapshot.workspace, self._snapshot.deployment_id)
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
                filler.fill(self._tables[name], self._backfills(name))
                rows = self._rows(name, filling.database)
                operation.rows(rows)
            self._note_populations(name, ended=now(), rows=rows)
            self._filled.add(name)

    def _note_populations(self, name: str, **outcome: Any) -> None:
        """Keep that a data source is being filled by views, or what came of it."""
        for step in self._backfills(name):
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

    def _rows(self, name: str, database: str) -> int:
        places = f"database = {literal(database)} AND name = {literal(name)}"
        (found,) = self._engine.fetch(f"SELECT coalesce(total_rows, 0) AS rows FROM system.tables WHERE {places}")
        return int(str(found["rows"]))

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
            taken = self._taken_names()
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
        backfills = self._backfills(name)
        altered = isinstance(step, CloneDataSource) and step.alterations
        if altered or backfills or isinstance(step, RewriteDataSource):
            number = sorted(self._tables).index(name)
            filling = Filling(name, database, f"{self._own}_f{number}", f"{self._own}_s")
            self._prepare(filling, step, backfills)
            database = filling.gathered
            self._filling[name] = filling
        else:
            self._make_whole(step, database)
        self._make_quarantine(step, database)
        self._put(name, Place(database, self._boundary(name)))
        for view in self._views_into(name):
            self._attach(view, taken)
        if name in self._filling:
            self._find_sources(self._filling[name], backfills)

    def _prepare(self, filling: Filling, step: Table, backfills: Sequence[Backfill]) -> None:
        """The frozen tables that the rows come from, and the one where rows gather meanwhile."""
        self._make_database(filling.frozen)
        self._make_database(filling.gathered)
        if isinstance(step, CloneDataSource | RewriteDataSource):
            self._freeze(filling.name, self._live.snapshot, filling.frozen)
        for each in backfills:
            for name in sorted(each.view.reads):
                self._freeze(name, self._snapshot, filling.frozen)
        self._command(create_table(step.source, filling.gathered))

    def _freeze(self, name: str, snapshot: Snapshot, database: str) -> None:
        there = snapshot.table(name)
        if self._engine.fetch(
            f"SELECT 1 FROM system.tables WHERE database = {literal(database)} AND name = {literal(name)}"
        ):
            return
        self._command(self._clone(name, there.database, database))
        if self._has_parts(name, database):
            for statement in freeze_table(name, database):
                self._command(statement)

    def _make_whole(self, step: Table, database: str) -> None:
        match step:
            case CloneDataSource(source):
                self._command(self._clone(source.name, self._live.snapshot.table(source.name).database, database))
            case CreateDataSource(source) | RenewDataSource(source) | RewriteDataSource(source):
                self._command(create_table(source, database))

    def _make_quarantine(self, step: Table, database: str) -> None:
        if isinstance(step, CreateDataSource):
            self._command(create_quarantine(step.source, database))
            return
        name = step.source.name + QUARANTINE_SUFFIX
        self._command(clone_table(name, self._live.snapshot.table(name).database, database))
        for alteration in step.quarantine:
            self._command(alter_table(name, alteration, database, wait=False))

    def _join(self, filling: Filling) -> None:
        """Put the rows that have gathered behind those that were filled in; the table is whole then."""
        name, quarantine = filling.name, filling.name + QUARANTINE_SUFFIX
        for view in self._views_into(name):
            self._command(drop_table(view.name, filling.gathered))
        if self._has_parts(name, filling.gathered):
            self._command(attach_rows(name, filling.gathered, filling.database))
        self._command(move_table(quarantine, filling.gathered, filling.database))
        self._put(name, Place(filling.database, self._boundary(name)))
        taken = self._taken_names()
        for view in self._views_into(name):
            self._attach(view, taken)

    def _attach(self, view: CreateView, taken: AbstractSet[str]) -> None:
        """Let a view into a table see the rows that its source gets from now on."""
        name = view.name
        target = self._snapshot.table(view.target).database
        filling = self._filling.get(view.target)
        database = filling.gathered if filling else self._place_for(name, taken)
        self._command(create_view(name, view.target, self._snapshot.placed(view.statement), database, target))
        self._put(name, Place(database))

    def _find_sources(self, filling: Filling, backfills: Sequence[Backfill]) -> None:
        """Ask the engine whose rows set each view off: it may read other tables beside."""
        for each in backfills:
            name = each.view.name
            rows = self._engine.fetch(
                "SELECT name FROM system.tables WHERE has(arrayZip(dependencies_database, dependencies_table), "
                f"({literal(filling.gathered)}, {literal(name)})) "
                f"AND name IN ({', '.join(map(literal, sorted(each.view.reads)))})"
            )
            if rows:
                filling.sources[name] = str(rows[0]["name"])

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
            for view in self._views_into(name)
            for source in view.reads
        }
        return not sources & (set(self._to_come()) | self._filling.keys())

    def _put(self, name: str, place: Place) -> None:
        self._snapshot = replace(self._snapshot, places={**self._snapshot.places, name: place})

    def _place_for(self, name: str, taken: AbstractSet[str]) -> str:
        """The workspace's database for what is not there in any version; else one of the deployment's own."""
        if name not in taken:
            return self._base
        self._make_database(self._own)
        return self._own

    def _boundary(self, name: str) -> Boundary | None:
        return self._writing.boundary(self._snapshot.identities[name].id)

    def _taken_names(self) -> AbstractSet[str]:
        rows = self._engine.fetch(f"SELECT name FROM system.tables WHERE database = {literal(self._base)}")
        names = {str(row["name"]) for row in rows}
        # A quarantine stands for its data source, but the view of one has such a name of its own.
        return names | {name.removesuffix(QUARANTINE_SUFFIX) for name in names}

    def _clone(self, name: str, source: str, database: str) -> str:
        if self._has_parts(name, source):
            return clone_table(name, source, database)
        return f"CREATE TABLE {table(database, name)} AS {table(source, name)}"

    def _has_parts(self, name: str, database: str) -> bool:
        found = self._engine.fetch(
            f"SELECT 1 FROM system.tables WHERE database = {literal(database)} AND name = {literal(name)} "
            "AND endsWith(engine, 'MergeTree')"
        )
        return bool(found)

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

    @cached_property
    def _tables(self) -> Mapping[str, Table]:
        kinds = CreateDataSource | CloneDataSource | RewriteDataSource | RenewDataSource
        return {step.source.name: step for step in self._plan.before if isinstance(step, kinds)}

    def _views_into(self, name: str) -> Sequence[CreateView]:
        return [step for step in self._plan.before if isinstance(step, CreateView) and step.target == name]

    def _backfills(self, name: str) -> Sequence[Backfill]:
        return [step for step in self._plan.before if isinstance(step, Backfill) and step.view.target == name]

    def _make_database(self, name: str) -> None:
        self._engine.command(f"CREATE DATABASE IF NOT EXISTS {identifier(name)}")

    def _command(self, statement: str) -> None:
        self._engine.command(statement, database=self._base)
