"""Rows of a quarantine, tried again: what fits by now goes into the data source, each row once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stonechat.datafile.resources import DataSource
from stonechat.ingest.imports import Tally, append_batches, into_data_source
from stonechat.ingest.ingestion import Ingestion
from stonechat.ingest.retrying import QuarantineReader
from stonechat.jobs.contents import Contents
from stonechat.jobs.import_orders import views_failed
from stonechat.jobs.kinds import JobKind, Progress
from stonechat.jobs.store import Job, NewJob, Subject
from stonechat.project.live import LiveProjects
from stonechat.project.snapshot import Snapshot
from stonechat.telemetry.recorder import Telemetry

RETRY = "quarantine_retry"


class QuarantineRetrier:
    """Tries quarantined rows again, as a kind of job.

    First the quarantine moves into a file of `folder`, all at once. From there its rows go through the write-ahead log
    like all others: into the data source, or back.
    """

    def __init__(
        self, contents: Contents, ingestion: Ingestion, projects: LiveProjects, telemetry: Telemetry, folder: Path
    ) -> None:
        self._contents = contents
        self._ingestion = ingestion
        self._projects = projects
        self._telemetry = telemetry
        self._folder = folder

    @property
    def kind(self) -> JobKind:
        """The kind of job that retries are."""
        return JobKind(RETRY, self._run, cancellable=False)

    def _run(self, job: Job, progress: Progress) -> dict[str, Any]:
        assert job.data_source is not None
        path = self._folder / f"{job.id}.quarantine"
        if result := job.notes.get("result"):
            path.unlink(missing_ok=True)
            return _ended(Tally.of(job.notes["tally"]), result)
        if "tally" not in job.notes:
            self._contents.move_quarantine(
                job.workspace_id,
                job.data_source.id,
                path,
                moved_as=job.notes.get("moved_as", ""),
                moving=lambda identity: progress.note(moved_as=identity),
            )
            progress.note(tally=Tally().noted)
        snapshot = self._projects.of(job.workspace_id).snapshot
        source = snapshot.data_source(job.data_source.id)

        def taken(tally: Tally, position: float) -> None:
            progress.note(tally=tally.noted)
            progress.report(position, **_result(tally))

        with self._telemetry.operation(
            snapshot.workspace,
            "append",
            job.data_source.id,
            source.name,
            job_id=job.id,
            request_id=job.request_id,
        ) as operation:
            tally = append_batches(
                QuarantineReader(source.columns).batches(path),
                into_data_source(self._ingestion, job.data_source.id, source),
                job.id,
                tally=Tally.of(job.notes.get("tally", {})),
                taken=taken,
                waiting=progress.check,  # without an end, for the rows are nowhere else
            )
            operation.rows(tally.successful_rows)
            operation.bytes(tally.bytes)
            # A kill may come before the job's end is written.
            progress.note(tally=tally.noted, result=_result(tally))
            path.unlink(missing_ok=True)
            return _ended(tally, _result(tally))


def retry_job(snapshot: Snapshot, source: DataSource, token_id: str) -> NewJob:
    """The job that tries the rows of a data source's quarantine again."""
    subject = Subject(snapshot.identities[source.name].id, source.name)
    return NewJob(
        snapshot.workspace.id, RETRY, exclusive=f"quarantine {subject.id}", data_source=subject, token_id=token_id
    )


def _ended(tally: Tally, result: dict[str, Any]) -> dict[str, Any]:
    """The result of a retry whose rows are all in the tables. Raises `ViewsBehindFailed`."""
    if tally.views_failed:
        raise views_failed(tally, result)
    return result


def _result(tally: Tally) -> dict[str, Any]:
    return {
        "successful_rows": tally.successful_rows,
        "quarantined_rows": tally.quarantined_rows,
        "statistics": {"row_count": tally.successful_rows, "bytes": tally.bytes},
    }
