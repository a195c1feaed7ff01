"""Runs jobs: takes them, hands them to threads, and brings each to an end that is written down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
import structlog

from stonechat.errors import Kind, StonechatError
from stonechat.jobs.kinds import JobFailed, JobInterrupted, JobKind, Progress
from stonechat.jobs.store import Job, JobStatus, JobStore, NewJob
from stonechat.state import StateStore, now

_log = structlog.get_logger(__name__)

_MOST_ATTEMPTS = 10
"""A job that was cut short so often may be what ends the process, and is not begun again."""
_STOP_SECONDS = 10.0
_PAUSE_SECONDS = 1.0
_UNFORESEEN = "Internal error; the server's log has the details"


class NotCancellable(StonechatError):
    """The job has ended already, or is of a kind that cannot be ended."""

    code = "SC831"
    kind = Kind.CONFLICT


class NotRetryable(StonechatError):
    """The job has not failed, or is of a kind that cannot be run again."""

    code = "SC832"
    kind = Kind.CONFLICT


class JobActive(StonechatError):
    """Another job does the same at this moment, and only one may."""

    code = "SC833"
    kind = Kind.CONFLICT


class JobRunner:
    """The jobs of all workspaces. Every method blocks for a write to the store at most, `wait` and `close` excepted.

    At most `threads` jobs run at once. `changed` hears of each job when it is made and whenever its status changes; it
    must be quick.
    """

    def __init__(
        self, store: StateStore, kinds: Iterable[JobKind], *, threads: int, changed: Callable[[Job], None] | None = None
    ) -> None:
        self._database = store
        self._store = JobStore(store)
        self._kinds = {kind.name: kind for kind in kinds}
        self._changed = changed
        self._condition = threading.Condition()
        self._waiting: dict[str, Job] = {}
        self._running: dict[str, tuple[Job, Progress]] = {}
        self._stopping = False
        self._threads = [threading.Thread(target=self._work, name="job", daemon=True) for _ in range(threads)]

    def start(self) -> None:
        """Take up what the last process left, and begin to run."""
        for job in self._store.unfinished():
            self._restore(job)
        for thread in self._threads:
            thread.start()

    def submit(self, new: NewJob, *, only: bool = False, along: Callable[[sa.Connection], None] | None = None) -> Job:
        """Keep a job and run it as soon as a thread is free.

        With `only`, another one of the same `exclusive` text that has not ended raises `JobActive`. `along` writes
        something of its caller's in the transaction that keeps the job: both are there, or neither.
        """
        with self._condition:
            if only:
                self._require_only(new)
            with self._database.transaction() as connection:
                job = self._store.add(connection, new)
                if along is not None:
                    along(connection)
            self._tell(job)
            self._enqueue(job)
        return job

    def run(self, new: NewJob) -> Job:
        """Keep a job, run it in the caller's thread, and return it as it ended; raises what its handler did.

        It waits for those of the same `exclusive` that run, for no others. After a restart it goes on like any job.
        """
        with self._condition:
            with self._database.transaction() as connection:
                job = self._store.add(connection, new)
            self._tell(job)
            self._condition.wait_for(lambda: self._stopping or self._is_free(job))
            if self._stopping:
                raise JobInterrupted("The server stops")
            started, progress = self._begin(job)
        ended, error = self._run(started, progress)
        if error is not None:
            raise error
        return ended

    def get(self, workspace_id: str, identity: str) -> Job:
        """A job of a workspace. Raises `UnknownJob`."""
        return self._store.get(workspace_id, identity)

    def listed(self, workspace_id: str, *, status: str | None = None, kind: str | None = None) -> Sequence[Job]:
        """The jobs of a workspace as the API lists them; see `JobStore.listed`."""
        return self._store.listed(workspace_id, status=status, kind=kind)

    def active(self, workspace_id: str, *, pipe_id: str) -> Sequence[Job]:
        """The jobs of a pipe that have not ended."""
        with self._condition:
            jobs = self._active()
        return [job for job in jobs if job.workspace_id == workspace_id and job.pipe and job.pipe.id == pipe_id]

    def may_cancel(self, job: Job) -> bool:
        """Whether `cancel` would take this job."""
        kind = self._kinds.get(job.kind)
        return job.status in {JobStatus.WAITING, JobStatus.WORKING} and kind is not None and kind.cancellable

    def cancel(self, workspace_id: str, identity: str) -> Job:
        """End a job: at once when it has not begun, else as soon as its handler can. Raises `NotCancellable`."""
        with self._condition:
            job = self._store.get(workspace_id, identity)
            if job.status is JobStatus.CANCELLING:
                return job
            if not self.may_cancel(job):
                raise NotCancellable(f"The job '{identity}' cannot be cancelled: it is {job.status}")
            # One that has begun before may have something to complete: its handler decides.
            begun = identity in self._running or job.attempts > 0
            if not begun:
                del self._waiting[identity]
            status = JobStatus.CANCELLING if begun else JobStatus.CANCELLED
            job = self._change(job, status=status)
            if identity in self._waiting:
                self._waiting[identity] = job
            _, progress = self._running.get(identity, (job, None))
        if progress is not None:
            progress.stop(cancelled=True)
        return job

    def retry(self, workspace_id: str, identity: str) -> Job:
        """Run a failed or cancelled job again, as the same job. Raises `NotRetryable`, or `JobActive`."""
        with self._condition:
            job = self._store.get(workspace_id, identity)
            kind = self._kinds.get(job.kind)
            if kind is None or not kind.retryable or job.status not in {JobStatus.ERROR, JobStatus.CANCELLED}:
                raise NotRetryable(
                    f"The job '{identity}' cannot be run again: it is {job.status}",
                    hint="Jobs that ended in error or were cancelled can be, if their kind allows it.",
                )
            job = self._change(job, status=JobStatus.WAITING, error=None, progress=None, attempts=0)
            self._enqueue(job)
        return job

    def wait(self, job: Job, *, seconds: float | None = None) -> Job:
        """Block until the job has ended, at most for so long, and return it as it is then."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._stopping or not (job.id in self._waiting or job.id in self._running), seconds
            )
        return self._store.get(job.workspace_id, job.id)

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is begun; `wait` returns at once then."""
        return self._stopping

    def end_all(self, workspace_id: str) -> None:
        """Cancel all that a workspace has, and wait for it."""
        with self._condition:
            mine = [job for job in self._active() if job.workspace_id == workspace_id]
        for job in mine:
            with suppress(NotCancellable):  # it has just ended, or ends by itself
                self.cancel(workspace_id, job.id)
        for job in mine:
            self.wait(job)

    def close(self) -> None:
        """Begin nothing more and interrupt what runs; it goes on after the next start."""
        with self._condition:
            self._stopping = True
            running = [progress for _, progress in self._running.values()]
            self._condition.notify_all()
        for progress in running:
            progress.stop(cancelled=False)
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(deadline - time.monotonic(), 0.0))

    def _active(self) -> list[Job]:
        return [*self._waiting.values(), *(job for job, _ in self._running.values())]

    def _require_only(self, new: NewJob) -> None:
        for job in self._active():
            if (job.workspace_id, job.exclusive) == (new.workspace_id, new.exclusive):
                subject = new.pipe or new.data_source
                about = f" for '{subject.name}'" if subject else ""
                raise JobActive(
                    f"Another {job.kind} job{about} has not ended: {job.id}", hint="Wait for it, or cancel it."
                )

    def _restore(self, job: Job) -> None:
        kind = self._kinds.get(job.kind)
        begun = job.status is not JobStatus.WAITING
        if kind is None:
            self._change(job, status=JobStatus.ERROR, error=f"This version has no jobs of the kind '{job.kind}'")
        elif begun and (not kind.resumes or job.attempts >= _MOST_ATTEMPTS):
            self._change(job, status=JobStatus.ERROR, error="The server stopped while the job was working")
        else:
            self._waiting[job.id] = job

    def _enqueue(self, job: Job) -> None:
        self._waiting[job.id] = job
        self._condition.notify_all()

    def _change(self, job: Job, **values: Any) -> Job:
        changed = self._store.change(job.id, **values) or job
        self._tell(changed)
        return changed

    def _tell(self, job: Job) -> None:
        if self._changed is not None:
            self._changed(job)

    def _work(self) -> None:
        while True:
            try:
                taken = self._take()
                if taken is None:
                    return
                self._run(*taken)
            except Exception:
                # The store could not be written, or a listener failed: the thread must live on for the next job.
                _log.exception("a job's state could not be written")
                time.sleep(_PAUSE_SECONDS)

    def _take(self) -> tuple[Job, Progress] | None:
        """The next job that may run; None when the runner stops."""
        with self._condition:
            while not self._stopping:
                job = self._next()
                if job is not None:
                    begun = self._begin(job)
                    del self._waiting[job.id]
                    return begun
                self._condition.wait()
        return None

    def _begin(self, job: Job) -> tuple[Job, Progress]:
        cancelled = job.status is JobStatus.CANCELLING
        status = JobStatus.CANCELLING if cancelled else JobStatus.WORKING
        started = self._change(job, status=status, started_at=now(), attempts=job.attempts + 1)
        progress = Progress(started, self._store, cancelled=cancelled)
        self._running[job.id] = (started, progress)
        return started, progress

    def _next(self) -> Job | None:
        return next(filter(self._is_free, self._waiting.values()), None)

    def _is_free(self, job: Job) -> bool:
        running = {(other.workspace_id, other.exclusive) for other, _ in self._running.values() if other.exclusive}
        return (job.workspace_id, job.exclusive) not in running

    def _run(self, job: Job, progress: Progress) -> tuple[Job, Exception | None]:
        """The job as it ended, and what its handler raised."""
        ending, raised = self._ending(job, progress)
        with self._condition:
            try:
                ended = self._change(job, **ending)
            except Exception:
                self._waiting[job.id] = job
                raise
            finally:
                del self._running[job.id]
                self._condition.notify_all()
        _log.info("job ended", job=job.id, kind=job.kind, status=str(ended.status), error=ended.error)
        return ended, raised

    def _ending(self, job: Job, progress: Progress) -> tuple[Mapping[str, Any], Exception | None]:
        """Run the handler; the columns that say how it ended, and what it raised."""
        try:
            result = self._kinds[job.kind].handler(job, progress)
        except Exception as error:
            if progress.cancelled:
                return {"status": JobStatus.CANCELLED}, error
            if isinstance(error, JobInterrupted) or self._stopping:
                return {"status": JobStatus.WORKING}, error
            known = isinstance(error, StonechatError)
            if not known:
                _log.exception("a job failed in a way that nobody foresaw", job=job.id, kind=job.kind)
            shown = error.result if isinstance(error, JobFailed) else {}
            return {"status": JobStatus.ERROR, "error": str(error) if known else _UNFORESEEN, "result": shown}, error
        return {"status": JobStatus.DONE, "error": None, "progress": 1.0, "result": dict(result)}, None
