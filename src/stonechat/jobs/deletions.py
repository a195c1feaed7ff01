"""Deleting rows by a condition, as a job."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.ingest.ingestion import Ingestion
from stonechat.jobs.contents import SETTLING_SECONDS, placed, rewriting
from stonechat.jobs.kinds import JobKind, Progress
from stonechat.jobs.store import Job, NewJob, Subject
from stonechat.project.live import LiveProjects
from stonechat.project.snapshot import Snapshot, Table
from stonechat.project.versions import DataVersions, affected_by_writes
from stonechat.sql.quoting import literal
from stonechat.telemetry.recorder import Telemetry

DELETE = "delete_data"
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5


class RowsNotDeleted(StonechatError):
    """The engine cannot delete the rows that a condition holds for."""

    code = "SC659"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Deletion:
    """Which rows are to go, by a condition as `checked_condition` gives it. `mark` is the id of the job that does it,
    `request_id` that of the request behind it.

    With `lightweight` the rows are only marked as deleted, and go with the next merge.
    """

    condition: str
    mark: str
    lightweight: bool = False
    request_id: str | None = None


class Deleter:
    """Deletes rows, as a kind of job."""

    def __init__(
        self,
        engine: Engine,
        ingestion: Ingestion,
        projects: LiveProjects,
        versions: DataVersions,
        telemetry: Telemetry,
    ) -> None:
        self._engine = engine
        self._ingestion = ingestion
        self._projects = projects
        self._versions = versions
        self._telemetry = telemetry

    @property
    def kind(self) -> JobKind:
        """The kind of job that deletions are."""
        return JobKind(DELETE, self._run, cancellable=False)

    def _run(self, job: Job, progress: Progress) -> dict[str, Any]:
        assert job.data_source is not None
        counts = [int(job.notes.get("rows", 0))]

        def counted(rows: int) -> None:
            counts.append(rows)
            progress.note(rows=rows)

        deletion = Deletion(job.payload["condition"], job.id, job.payload["lightweight"], job.request_id)
        self._delete(job.workspace_id, job.data_source.id, deletion, counted)
        return {"delete_id": job.id, "delete_condition": job.payload["shown"], "rows_affected": counts[-1]}

    def _delete(self, workspace_id: str, identity: str, deletion: Deletion, counted: Callable[[int], None]) -> None:
        """Delete the rows that a condition holds for. Targets of views keep theirs.

        `counted` hears how many they are before any goes. Called again for the same deletion, what was begun is
        completed, and rows that have come since stay. Raises `UnknownDataSource`, `WritingBusy` and `RowsNotDeleted`.
        """
        pause = _FIRST_PAUSE
        while True:
            snapshot = self._projects.of(workspace_id).snapshot
            source = snapshot.data_source(identity)
            table = snapshot.table(source.name)
            state = self._mutation(table, deletion.mark)
            if state is None:
                self._begin_deletion(workspace_id, identity, deletion, counted)
            elif state["failure"]:
                self._engine.command(
                    f"KILL MUTATION WHERE database = {literal(table.database)} AND table = {literal(table.name)} "
                    f"AND mutation_id = {literal(state['mutation_id'])}"
                )
                raise RowsNotDeleted(f"The rows cannot be deleted: {state['failure']}")
            elif state["is_done"]:
                self._versions.raise_for(workspace_id, affected_by_writes(snapshot.project)[source.name])
                return
            else:
                time.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _begin_deletion(
        self, workspace_id: str, identity: str, deletion: Deletion, counted: Callable[[int], None]
    ) -> None:
        with self._ingestion.settled(SETTLING_SECONDS):
            snapshot = self._projects.of(workspace_id).snapshot
            source = snapshot.data_source(identity)
            self._projects.of(workspace_id).require_unstaged([source.name])
            rows = count_rows(self._engine, snapshot, source, deletion.condition)
            counted(rows)
            table = snapshot.table(source.name)
            where = f"WHERE {placed(snapshot, deletion.condition)} AND {literal(deletion.mark)} != ''"
            change = f"DELETE FROM {table}" if deletion.lightweight else f"ALTER TABLE {table} DELETE"
            settings = "SETTINGS mutations_sync = 0, lightweight_deletes_sync = 0"
            options = {"delete_condition": deletion.condition}
            with self._telemetry.operation(
                snapshot.workspace,
                "delete",
                identity,
                source.name,
                job_id=deletion.mark,
                request_id=deletion.request_id,
                options=options,
            ) as operation:
                self._engine.command(f"{change} {where} {settings}", database=snapshot.workspace.database)
                operation.rows(rows)

    def _mutation(self, table: Table, mark: str) -> dict[str, Any] | None:
        rows = self._engine.fetch(
            "SELECT mutation_id, is_done, latest_fail_reason AS failure FROM system.mutations "
            f"WHERE database = {literal(table.database)} AND table = {literal(table.name)} "
            f"AND position(command, {literal(mark)}) > 0 AND NOT is_killed"
        )
        return rows[0] if rows else None


def count_rows(engine: Engine, snapshot: Snapshot, source: DataSource, condition: str) -> int:
    """For how many rows a checked condition holds."""
    # Without an alias, which would take the place of a column of that name in the condition.
    statement = f"SELECT count() FROM {snapshot.table(source.name)} WHERE {placed(snapshot, condition)}"
    return int(str(engine.fetch(statement, database=snapshot.workspace.database)[0]["count()"]))


def deletion_job(
    snapshot: Snapshot, source: DataSource, condition: str, token_id: str, *, shown: str, lightweight: bool
) -> NewJob:
    """The job that deletes the rows for which a checked condition holds; `shown` is how its caller wrote it."""
    subject = Subject(snapshot.identities[source.name].id, source.name)
    payload = {"condition": condition, "shown": shown, "lightweight": lightweight}
    workspace = snapshot.workspace.id
    return NewJob(workspace, DELETE, payload, rewriting(subject.id), data_source=subject, token_id=token_id)
