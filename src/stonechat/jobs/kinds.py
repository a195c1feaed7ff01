"""What a family of work tells the runner of itself, and what the runner gives to its handlers.

How a family of work becomes a kind of job:

1. Write a handler, `(Job, Progress) -> result`. It blocks for as long as the work takes, reads what it needs from
   `job.payload`, calls `progress.report(fraction)` or `progress.check()` where it may be cancelled, and wraps what
   blocks in `progress.ending_by(hook)`. It returns what the API shows of the job beside the usual keys, for example
   `{"statistics": {"row_count": 3}}`; an error of the program's own that it raises is the job's error, and
   `JobFailed` carries a result along.
2. Make it safe to run again. The process may be killed at any point and the handler then begins anew with the same
   job: `job.id` is the token by which the engine knows a block that it has already (or a part of one: `f"{job.id}/3"`),
   and `progress.note(...)` keeps a decision that must not be taken twice. A job that is being cancelled begins anew
   too, so that its handler may complete what it cannot take back: `progress.check()` ends it at the first safe place.
3. Give `JobRunner` a `JobKind` of it where the server is put together, and call `submit` from a thread of your own,
   never from the event loop. Jobs with the same `NewJob.exclusive` run one after the other, in the order they came.
   `submit(..., only=True)` refuses a second one instead. `wait` blocks until a job has ended, for routes that answer
   only then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from stonechat.errors import Kind, StonechatError
from stonechat.jobs.store import Job, JobStore

_SECONDS_BETWEEN_REPORTS = 0.5


class JobCancelled(StonechatError):
    """Somebody asked for the end of the job; a handler lets it pass."""

    code = "SC834"
    kind = Kind.UNAVAILABLE


class JobInterrupted(StonechatError):
    """The server stops; a handler lets it pass, and the job goes on after the next start."""

    code = "SC835"
    kind = Kind.UNAVAILABLE


class JobFailed(StonechatError):
    """The work is over and not done. `result` is shown with the job, as that of a success would be."""

    code = "SC836"
    kind = Kind.INVALID

    def __init__(self, message: str, *, result: Mapping[str, Any] | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.result = dict(result or {})


class ViewsBehindFailed(JobFailed):
    """The rows of a job are in the data source, but a materialized view behind it could not take all of them."""

    code = "SC661"
    kind = Kind.HALF_DONE


class Progress:
    """A handler's line to the runner. Its methods are called in the handler's thread, `stop` in any."""

    def __init__(self, job: Job, store: JobStore, *, cancelled: bool) -> None:
        self._identity = job.id
        self._store = store
        self._lock = threading.Lock()
        self._hooks: list[Callable[[], None]] = []
        self._cancelled = cancelled
        self._interrupted = False
        self._reported = 0.0

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for the end of the job."""
        return self._cancelled

    @property
    def interrupted(self) -> bool:
        """Whether the server stops, and the job goes on after the next start."""
        return self._interrupted and not self._cancelled

    @property
    def ending(self) -> bool:
        """Whether the job is to end before its time: it was cancelled, or the server stops."""
        return self._cancelled or self._interrupted

    def check(self) -> None:
        """Raise `JobCancelled` or `JobInterrupted` when the job should end here. Call it wherever that is harmless."""
        if self._cancelled:
            raise JobCancelled("The job was cancelled")
        if self._interrupted:
            raise JobInterrupted("The server stops")

    def report(self, fraction: float | None = None, **result: Any) -> None:
        """Show how far the work is, and parts of its result; then `check`. Written at most twice a second."""
        self.check()
        if time.monotonic() - self._reported >= _SECONDS_BETWEEN_REPORTS:
            self._reported = time.monotonic()
            self._store.change(self._identity, progress=fraction, result=result)

    def note(self, **notes: Any) -> None:
        """Write something down for good: the attempt after a restart reads it in `job.notes`."""
        self._store.change(self._identity, notes=notes)

    def note_within(self, connection: sa.Connection, **notes: Any) -> None:
        """The same in a transaction with what else is written in it: both are there, or neither."""
        self._store.change_within(connection, self._identity, notes=notes)

    @contextmanager
    def ending_by(self, hook: Callable[[], None]) -> Iterator[None]:
        """While the block runs, `hook` is called, in another thread, once the job should end: it ends what blocks.

        For a statement of the engine: `with progress.ending_by(partial(engine.cancel, query_id))`. Whatever the block
        then raises counts as the job's being cancelled.
        """
        with self._lock:
            self.check()
            self._hooks.append(hook)
        try:
            yield
        finally:
            with self._lock:
                self._hooks.remove(hook)

    def stop(self, *, cancelled: bool) -> None:
        """Ask for the end: for good, or because the server stops."""
        with self._lock:
            self._cancelled = self._cancelled or cancelled
            self._interrupted = self._interrupted or not cancelled
            hooks = list(self._hooks)
        for hook in hooks:
            hook()


Handler = Callable[[Job, Progress], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of work, by the contract's name.

    `handler` does it and returns what the API shows as the result. With `resumes`, a job that the end of the process
    cut short begins again at the next start; without, it is an error then. `retryable`: a failed or cancelled one may
    be run again, as the same job; `cancellable`: one that is under way may be ended.
    """

    name: str
    handler: Handler
    resumes: bool = True
    retryable: bool = True
    cancellable: bool = True
