"""Deleting rows by a condition, as a job."""

from __future__ import annotations

from typing import Any

from stonechat.datafile.resources import DataSource
from stonechat.jobs.contents import Contents, Deletion, rewriting
from stonechat.jobs.kinds import JobKind, Progress
from stonechat.jobs.store import Job, NewJob, Subject
from stonechat.project.live import Snapshot

DELETE = "delete_data"


def deletion_kind(contents: Contents) -> JobKind:
    """The kind of job that deletions are."""

    def run(job: Job, progress: Progress) -> dict[str, Any]:
        assert job.data_source is not None
        counts = [int(job.notes.get("rows", 0))]

        def counted(rows: int) -> None:
            counts.append(rows)
            progress.note(rows=rows)

        deletion = Deletion(job.payload["condition"], job.id, job.payload["lightweight"], job.request_id)
        contents.delete(job.workspace_id, job.data_source.id, deletion, counted)
        return {"delete_id": job.id, "delete_condition": job.payload["shown"], "rows_affected": counts[-1]}

    return JobKind(DELETE, run, cancellable=False)


def deletion_job(
    snapshot: Snapshot, source: DataSource, condition: str, token_id: str, *, shown: str, lightweight: bool
) -> NewJob:
    """The job that deletes the rows for which a checked condition holds; `shown` is how its caller wrote it."""
    subject = Subject(snapshot.identities[source.name].id, source.name)
    payload = {"condition": condition, "shown": shown, "lightweight": lightweight}
    workspace = snapshot.workspace.id
    return NewJob(workspace, DELETE, payload, rewriting(subject.id), data_source=subject, token_id=token_id)
