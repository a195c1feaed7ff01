"""Jobs run, end, are cancelled and survive the end of a process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stonechat.errors import StonechatError
from stonechat.jobs.kinds import Handler, JobFailed, JobKind, Progress
from stonechat.jobs.runner import JobActive, JobRunner, NotCancellable, NotRetryable
from stonechat.jobs.store import MIGRATIONS, Job, JobStatus, JobStore, NewJob, Subject, UnknownJob, forget_jobs
from stonechat.state import StateStore, create_tables

_SECONDS = 60.0
Start = Callable[..., JobRunner]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    store = StateStore(f"sqlite:///{tmp_path / 'state.sqlite'}", MIGRATIONS)
    yield store
    store.close()


@pytest.fixture
def start(store: StateStore) -> Iterator[Start]:
    """Start a runner of one kind, `work`, on the store of the test."""
    runners: list[JobRunner] = []

    def run(handler: Handler, *, threads: int = 2, started: bool = True, **kind: Any) -> JobRunner:
        runner = JobRunner(store, [JobKind("work", handler, **kind)], threads=threads)
        runners.append(runner)
        if started:
            runner.start()
        return runner

    yield run
    for runner in runners:
        runner.close()


def _new(**payload: Any) -> NewJob:
    return NewJob("w", "work", payload)


def _nothing(_job: Job, _progress: Progress) -> Mapping[str, Any]:
    return {}


class _Gate:
    """A handler that tells when it has begun, and goes on when it may."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.seen: list[Job] = []

    def __call__(self, job: Job, progress: Progress) -> Mapping[str, Any]:
        self.seen.append(job)
        self.began.release()
        with progress.ending_by(self.go_on.set):
            assert self.go_on.wait(_SECONDS)
            progress.check()
        return {"statistics": {"row_count": len(self.seen)}}

    def wait(self) -> None:
        assert self.began.acquire(timeout=_SECONDS)


def test_a_job_runs_and_keeps_its_result(start: Start) -> None:
    runner = start(lambda job, _progress: {"statistics": {"row_count": job.payload["rows"]}})
    waiting = runner.submit(
        replace(_new(rows=3), data_source=Subject("t_1", "visits"), pipe=Subject("t_2", "copy"), deployment_id=4)
    )
    assert (waiting.status, waiting.started_at, waiting.attempts) == (JobStatus.WAITING, None, 0)
    done = runner.wait(waiting, seconds=_SECONDS)
    assert (done.status, done.error, done.progress, done.attempts) == (JobStatus.DONE, None, 1.0, 1)
    assert done.result == {"statistics": {"row_count": 3}}
    assert (done.data_source, done.pipe, done.deployment_id) == (Subject("t_1", "visits"), Subject("t_2", "copy"), 4)
    assert done.started_at is not None
    assert done.created_at <= done.started_at <= done.updated_at


def test_a_job_belongs_to_its_workspace(start: Start) -> None:
    runner = start(_nothing)
    job = runner.submit(_new())
    with pytest.raises(UnknownJob, match=job.id):
        runner.get("another", job.id)
    with pytest.raises(UnknownJob):
        runner.cancel("another", job.id)
    assert runner.listed("another") == []


def test_an_error_of_the_program_is_the_jobs_error(start: Start) -> None:
    def fail(job: Job, _progress: Progress) -> Mapping[str, Any]:
        if job.payload["known"]:
            raise JobFailed("Row 3 is too long", result={"invalid_lines": 1})
        raise ZeroDivisionError

    runner = start(fail)
    known, unforeseen = (runner.wait(runner.submit(_new(known=item)), seconds=_SECONDS) for item in (True, False))
    assert (known.status, known.error, known.result) == (JobStatus.ERROR, "Row 3 is too long", {"invalid_lines": 1})
    assert unforeseen.status is JobStatus.ERROR
    assert unforeseen.error == "Internal error; the server's log has the details"


def test_a_waiting_job_is_cancelled_at_once_and_never_begins(start: Start) -> None:
    gate = _Gate()
    runner = start(gate, threads=1)
    first, second = runner.submit(_new()), runner.submit(_new())
    gate.wait()
    assert runner.cancel("w", second.id).status is JobStatus.CANCELLED
    gate.go_on.set()
    assert runner.wait(first, seconds=_SECONDS).status is JobStatus.DONE
    assert runner.wait(second, seconds=_SECONDS).status is JobStatus.CANCELLED
    assert [job.id for job in gate.seen] == [first.id]


def test_a_working_job_is_cancelled_through_what_ends_its_statement(start: Start) -> None:
    gate = _Gate()
    runner = start(gate)
    job = runner.submit(_new())
    gate.wait()
    assert runner.cancel("w", job.id).status is JobStatus.CANCELLING
    assert runner.wait(job, seconds=_SECONDS).status is JobStatus.CANCELLED
    with pytest.raises(NotCancellable, match="it is cancelled"):
        runner.cancel("w", job.id)


def test_a_job_that_cannot_be_taken_back_any_more_ends_as_done(start: Start) -> None:
    gate = _Gate()

    def finish(job: Job, progress: Progress) -> Mapping[str, Any]:
        try:
            gate(job, progress)
        except StonechatError:
            assert progress.cancelled
        return {}

    runner = start(finish)
    job = runner.submit(_new())
    gate.wait()
    runner.cancel("w", job.id)
    assert runner.wait(job, seconds=_SECONDS).status is JobStatus.DONE


def test_a_kind_may_refuse_to_be_cancelled_or_retried(start: Start) -> None:
    gate = _Gate()
    runner = start(gate, cancellable=False, retryable=False)
    job = runner.submit(_new())
    gate.wait()
    assert not runner.may_cancel(runner.get("w", job.id))
    with pytest.raises(NotCancellable, match="it is working"):
        runner.cancel("w", job.id)
    gate.go_on.set()
    runner.wait(job, seconds=_SECONDS)
    with pytest.raises(NotRetryable, match="it is done"):
        runner.retry("w", job.id)


def test_a_failed_job_is_run_again_as_the_same_job(start: Start) -> None:
    fails = iter([True, False])

    def sometimes(_job: Job, _progress: Progress) -> Mapping[str, Any]:
        if next(fails):
            raise JobFailed("not yet")
        return {"rows": 1}

    runner = start(sometimes)
    job = runner.wait(runner.submit(_new()), seconds=_SECONDS)
    assert job.status is JobStatus.ERROR
    again = runner.wait(runner.retry("w", job.id), seconds=_SECONDS)
    assert (again.id, again.status, again.error, again.result) == (job.id, JobStatus.DONE, None, {"rows": 1})
    with pytest.raises(NotRetryable):
        runner.retry("w", job.id)


def test_jobs_that_exclude_each_other_run_one_after_the_other(start: Start) -> None:
    gate = _Gate()
    runner = start(gate, threads=3)
    first, second = (runner.submit(replace(_new(), exclusive="target")) for _ in range(2))
    other = runner.submit(replace(_new(), exclusive="other"))
    gate.wait()
    gate.wait()
    assert {job.id for job in gate.seen} == {first.id, other.id}
    assert runner.get("w", second.id).status is JobStatus.WAITING
    gate.go_on.set()
    assert runner.wait(second, seconds=_SECONDS).status is JobStatus.DONE


def test_a_second_job_is_refused_where_only_one_may_be(start: Start) -> None:
    gate = _Gate()
    runner = start(gate)
    new = replace(_new(), exclusive="target", pipe=Subject("t_1", "copy"))
    first = runner.submit(new, only=True)
    with pytest.raises(JobActive, match=f"Another work job for 'copy' has not ended: {first.id}"):
        runner.submit(new, only=True)
    runner.submit(replace(new, workspace_id="another"), only=True)
    gate.go_on.set()
    runner.wait(first, seconds=_SECONDS)
    runner.submit(new, only=True)


def test_what_is_written_along_with_a_job_is_there_with_it_or_not_at_all(start: Start, store: StateStore) -> None:
    def fail(_connection: object) -> None:
        raise RuntimeError

    runner = start(_nothing)
    with pytest.raises(RuntimeError):
        runner.submit(_new(), along=fail)
    assert runner.listed("w") == []
    assert JobStore(store).unfinished() == []


def test_a_waiting_job_runs_after_a_restart(start: Start) -> None:
    before = start(_nothing, started=False)
    jobs = [before.submit(_new(number=number)) for number in range(3)]
    gate = _Gate()
    gate.go_on.set()
    after = start(gate, threads=1)
    for job in jobs:
        assert after.wait(job, seconds=_SECONDS).status is JobStatus.DONE
    assert [job.payload["number"] for job in gate.seen] == [0, 1, 2]


def test_a_job_that_was_cut_short_begins_again_with_its_notes(start: Start) -> None:
    gate = _Gate()

    def noting(job: Job, progress: Progress) -> Mapping[str, Any]:
        progress.note(stage="decided", attempt=job.attempts)
        return gate(job, progress)

    before = start(noting)
    job = before.submit(_new())
    gate.wait()
    before.close()
    kept = before.get("w", job.id)
    assert (kept.status, kept.notes) == (JobStatus.WORKING, {"stage": "decided", "attempt": 1})
    after = start(lambda job, _progress: {"notes": dict(job.notes), "attempts": job.attempts})
    done = after.wait(job, seconds=_SECONDS)
    assert done.status is JobStatus.DONE
    assert done.result == {"notes": {"stage": "decided", "attempt": 1}, "attempts": 2}


def test_a_kind_may_fail_what_was_cut_short(start: Start) -> None:
    gate = _Gate()
    before = start(gate)
    job = before.submit(_new())
    gate.wait()
    before.close()
    after = start(_nothing, resumes=False)
    assert after.get("w", job.id).error == "The server stopped while the job was working"
    assert after.wait(after.retry("w", job.id), seconds=_SECONDS).status is JobStatus.DONE


def test_a_job_that_is_cut_short_again_and_again_is_given_up(start: Start, store: StateStore) -> None:
    job = start(_nothing, started=False).submit(_new())
    JobStore(store).change(job.id, status=JobStatus.WORKING, attempts=10)
    assert start(_nothing).get("w", job.id).status is JobStatus.ERROR


def test_a_job_that_was_being_cancelled_when_it_was_cut_short_may_complete(start: Start, store: StateStore) -> None:
    first, second = (start(_nothing, started=False).submit(_new(late=late)) for late in (False, True))
    for job in (first, second):
        JobStore(store).change(job.id, status=JobStatus.CANCELLING, attempts=1)

    def complete(job: Job, progress: Progress) -> Mapping[str, Any]:
        if not job.payload["late"]:
            progress.check()
        return {}

    runner = start(complete)
    assert runner.wait(first, seconds=_SECONDS).status is JobStatus.CANCELLED
    assert runner.wait(second, seconds=_SECONDS).status is JobStatus.DONE


def test_a_kind_that_this_version_does_not_know_is_an_error(start: Start) -> None:
    job = start(_nothing, started=False).submit(replace(_new(), kind="sorcery"))
    error = start(_nothing).get("w", job.id).error
    assert error == "This version has no jobs of the kind 'sorcery'"


def test_the_list_is_filtered_bounded_and_the_newest_first(start: Start, store: StateStore) -> None:
    runner = start(_nothing, threads=1)
    jobs = [runner.submit(_new()) for _ in range(103)]
    runner.wait(jobs[-1], seconds=_SECONDS)
    assert [job.id for job in runner.listed("w")] == [job.id for job in reversed(jobs[3:])]
    assert runner.listed("w", status="waiting") == []
    assert runner.listed("w", kind="other") == []
    assert len(runner.listed("w", status="done", kind="work")) == 100
    for job in jobs[:-1]:
        JobStore(store).change(job.id, created_at="2020-01-01 00:00:00.000000")
    assert [job.id for job in runner.listed("w")] == [jobs[-1].id]
    assert runner.get("w", jobs[0].id).status is JobStatus.DONE


def test_jobs_of_a_workspace_end_and_go_with_it(start: Start, store: StateStore) -> None:
    gate = _Gate()
    runner = start(gate, threads=1)
    jobs = [runner.submit(_new()) for _ in range(2)]
    other = runner.submit(replace(_new(), workspace_id="other"))
    gate.wait()
    runner.end_all("w")
    assert {runner.get("w", job.id).status for job in jobs} == {JobStatus.CANCELLED}
    with store.transaction() as connection:
        forget_jobs(connection, "w")
    runner.get("other", other.id)
    for job in jobs:
        with pytest.raises(UnknownJob):
            runner.get("w", job.id)


def test_the_progress_of_a_job_is_seen_while_it_works(start: Start) -> None:
    gate = _Gate()

    def reporting(job: Job, progress: Progress) -> Mapping[str, Any]:
        progress.report(0.25, statistics={"row_count": 5})
        return gate(job, progress)

    runner = start(reporting)
    job = runner.submit(_new())
    gate.wait()
    seen = runner.get("w", job.id)
    assert (seen.status, seen.progress, seen.result) == (JobStatus.WORKING, 0.25, {"statistics": {"row_count": 5}})
    gate.go_on.set()


def test_every_status_is_told(store: StateStore) -> None:
    told: list[str] = []
    runner = JobRunner(store, [JobKind("work", _nothing)], threads=1, changed=lambda job: told.append(str(job.status)))
    runner.start()
    runner.wait(runner.submit(_new()), seconds=_SECONDS)
    runner.close()
    assert told == ["waiting", "working", "done"]


def test_the_table_of_jobs_is_made_in_a_store_of_an_older_version(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    old = create_tables("old-1", sa.MetaData())
    StateStore(url, [old]).close()
    store = StateStore(url, [old, *MIGRATIONS])
    assert JobStore(store).unfinished() == []
    store.close()
