"""What a data source holds, changed as a whole: emptied, or made anew.

Each of these methods is all or nothing, whatever is killed meanwhile. They alone exchange the tables of what is live.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
import structlog

from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import Engine, EngineFailure
from stonechat.errors import Kind, StonechatError
from stonechat.ingest.destinations import is_transient, is_view_failure, view_of
from stonechat.ingest.ingestion import Ingestion
from stonechat.ingest.segments import sync_path
from stonechat.jobs.renewal import Renewal
from stonechat.jobs.swaps import RENEWAL_PREFIX, complete_swaps, drop_staging, has_open_swaps, swap, uuid_of
from stonechat.project.live import LiveProjects
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.snapshot import Snapshot, Table, UnknownDataSource
from stonechat.project.versions import DataVersions, affected_by_writes
from stonechat.sql.qualifying import Placing
from stonechat.sql.quoting import identifier, literal
from stonechat.state import StateStore
from stonechat.telemetry.recorder import Telemetry

_log = structlog.get_logger(__name__)

SETTLING_SECONDS = 30.0
"""How long a change waits for the rows that are on their way."""
_ATTEMPTS = 3


class DeployedMeanwhile(StonechatError):
    """Deployments came in between again and again while a data source's new content was written."""

    code = "SC658"
    kind = Kind.CONFLICT


class RowsNotReplaced(StonechatError):
    """A materialized view behind a data source cannot take the rows that are to be there. Nothing was changed."""

    code = "SC662"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Replacement:
    """What is to be replaced: all, or what `condition` holds for, as `checked_condition` gives it.

    With `skip_incompatible` the targets of views that cannot be made anew are left as they are.
    """

    condition: str | None = None
    skip_incompatible: bool = False


@dataclass(frozen=True, slots=True)
class Replaced:
    """How many rows went, and how many of the new ones were left out because the condition does not hold for them."""

    rows: int
    left_out: int


class Contents:
    """Changes what the data sources of all workspaces hold. Every method blocks and may be called from any thread."""

    def __init__(
        self,
        engine: Engine,
        store: StateStore,
        ingestion: Ingestion,
        projects: LiveProjects,
        versions: DataVersions,
        *,
        telemetry: Telemetry,
    ) -> None:
        self._engine = engine
        self._store = store
        self._ingestion = ingestion
        self._projects = projects
        self._versions = versions
        self._telemetry = telemetry

    def truncate(self, workspace_id: str, identity: str, *, quarantine: bool = False, request_id: str = "") -> None:
        """Empty a data source, or its quarantine, for a request; targets of views keep their rows.

        Raises `UnknownDataSource`, `WritingBusy` and `LogWriteFailed`; then nothing has changed.
        """
        with self._ingestion.settled(SETTLING_SECONDS):
            snapshot = self._projects.of(workspace_id).snapshot
            source = snapshot.data_source(identity)
            self._projects.of(workspace_id).require_unstaged([source.name])
            table = snapshot.table(source.name + QUARANTINE_SUFFIX if quarantine else source.name)
            with self._telemetry.operation(snapshot.workspace, "truncate", identity, table.name, request_id=request_id):
                staging = self.empty_twin(table)
                swap(self._store, self._engine, staging, [table])
                self._changed(snapshot, source)
        self._forget(staging)

    def replace(
        self,
        workspace_id: str,
        identity: str,
        replacement: Replacement,
        write: Callable[[Renewal, DataSource], None],
        decided: Callable[[sa.Connection, Replaced | None], None],
    ) -> Replaced:
        """Give a data source the rows that `write` writes, and the targets of its views what comes of them.

        Readers see the old rows until they see the new ones. Rows that others append meanwhile are among the old ones.
        `decided` is called in the transaction from which on this will happen: who finds after a kill what it has
        written there calls `complete`; to begin anew would remove what has come since. It is called with None where the
        engine fails, and nothing has changed after all.
        Raises what `write` does, `UnknownDataSource`, `ViewsIncompatible`, `WritingBusy`, `EngineFailure` and
        `DeployedMeanwhile`; then nothing has changed. `write` is called again where a deployment came in between.
        """
        for _ in range(_ATTEMPTS):
            replaced = self._replaced(workspace_id, identity, replacement, write, decided)
            if replaced is not None:
                return replaced
        raise DeployedMeanwhile("Deployments came in between while the rows were written", hint="Try again.")

    def _replaced(
        self,
        workspace_id: str,
        identity: str,
        replacement: Replacement,
        write: Callable[[Renewal, DataSource], None],
        decided: Callable[[sa.Connection, Replaced | None], None],
    ) -> Replaced | None:
        """As `replace` does, once; None where a deployment came in between."""
        snapshot = self._projects.of(workspace_id).snapshot
        source = snapshot.data_source(identity)
        staging = Renewal(
            self._engine,
            snapshot,
            source,
            str(uuid.uuid4()),
            condition=replacement.condition and placed(snapshot, replacement.condition),
            skip_incompatible=replacement.skip_incompatible,
        )
        is_decided = False

        def note(connection: sa.Connection, decision: bool) -> None:
            nonlocal is_decided
            is_decided = decision
            decided(connection, replaced if decision else None)

        try:
            with _views_named(staging):
                write(staging, source)
            with self._ingestion.settled(SETTLING_SECONDS):
                if not staging.fits(self._projects.of(workspace_id).snapshot):
                    return None
                self._projects.of(workspace_id).require_unstaged(self._affected(workspace_id, source))
                with _views_named(staging):
                    replaced = Replaced(staging.complete(), staging.outside_condition())
                try:
                    staging.swap(self._store, note)
                finally:
                    self._changed(snapshot, source)
        finally:
            if not is_decided:
                staging.drop()
        self._forget(staging.database)
        return replaced

    def complete(self, workspace_id: str, identity: str) -> None:
        """Complete a replacement that is decided, if no start has done so.

        Raises `WritingBusy`, `LogWriteFailed` and `EngineFailure`.
        """
        if not has_open_swaps(self._store):
            return
        with self._ingestion.settled(SETTLING_SECONDS):
            complete_swaps(self._store, self._engine)
            snapshot = self._projects.of(workspace_id).snapshot
            with suppress(UnknownDataSource):
                self._changed(snapshot, snapshot.data_source(identity))

    def move_quarantine(
        self, workspace_id: str, identity: str, file: Path, *, moved_as: str, moving: Callable[[str], None]
    ) -> None:
        """Write the rows of a quarantine to a file, each as a line of JSON, and empty it.

        `moving` hears, before it happens, what this move is known by. Called again with that as `moved_as`, a move that
        has happened is not repeated. Raises `UnknownDataSource`, `WritingBusy` and `LogWriteFailed`.
        """
        with self._ingestion.settled(SETTLING_SECONDS):
            snapshot = self._projects.of(workspace_id).snapshot
            source = snapshot.data_source(identity)
            self._projects.of(workspace_id).require_unstaged([source.name])
            table = snapshot.table(source.name + QUARANTINE_SUFFIX)
            if moved_as and moved_as == uuid_of(self._engine, table) and file.exists():
                return
            file.unlink(missing_ok=True)
            self._engine.command(f"SELECT * FROM {table} INTO OUTFILE {literal(str(file))} FORMAT JSONEachRow")
            for path in (file, file.parent):
                sync_path(path)
            staging = self.empty_twin(table)
            moving(uuid_of(self._engine, Table(staging, table.name)))
            swap(self._store, self._engine, staging, [table])
            self._changed(snapshot, source)
        self._forget(staging)

    def empty_twin(self, table: Table) -> str:
        """The name of a new staging database with an empty table like this one."""
        staging = RENEWAL_PREFIX + uuid.uuid4().hex
        self._engine.command(f"CREATE DATABASE {identifier(staging)}")
        self._engine.command(f"CREATE TABLE {Table(staging, table.name)} AS {table}")
        return staging

    def _forget(self, staging: str) -> None:
        """Remove the old tables. What is done is done: where that fails, the next start does it."""
        try:
            drop_staging(self._engine, staging)
        except EngineFailure as failure:
            _log.warning("tables that were replaced cannot be removed yet", database=staging, reason=failure.message)

    def _affected(self, workspace_id: str, source: DataSource) -> set[str]:
        """What rows of a data source come into, in what is live and in what is staged beside it."""
        live, candidate = self._projects.of(workspace_id).served
        snapshots = [live, *([candidate.snapshot] if candidate else [])]
        return {name for each in snapshots for name in affected_by_writes(each.project).get(source.name, ())}

    def _changed(self, snapshot: Snapshot, source: DataSource) -> None:
        self._versions.raise_for(snapshot.workspace.id, affected_by_writes(snapshot.project)[source.name])


@contextmanager
def _views_named(staging: Renewal) -> Iterator[None]:
    """Say which view cannot take rows, without the engine's words, which quote rows that the caller may not see."""
    try:
        yield
    except EngineFailure as failure:
        if not is_view_failure(failure) or is_transient(failure):
            raise
        _log.warning("rows cannot be replaced", database=staging.database, reason=failure.message)
        raise RowsNotReplaced(
            f"The materialized view '{view_of(failure)}' cannot take the rows ({failure.name})",
            hint="Nothing was changed. The server's log has the reason.",
        ) from failure


def rewriting(data_source_id: str) -> str:
    """What jobs exclude each other by that replace or delete rows of a data source."""
    return f"rewriting {data_source_id}"


def placed(snapshot: Snapshot, condition: str) -> str:
    """A checked condition with the databases of the tables that it names, wherever it is to run."""
    project = snapshot.project
    names = [name + suffix for name in project.data_sources for suffix in ("", QUARANTINE_SUFFIX)]
    columns = {column.name for source in project.data_sources.values() for column in source.columns}
    databases = {name: snapshot.table(name).database for name in names}
    return Placing(databases, columns & databases.keys()).apply(condition)
