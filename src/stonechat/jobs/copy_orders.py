"""Runs of copy pipes as they are asked for: what is copied where, how, and with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from stonechat.datafile.resources import NodeType, Pipe
from stonechat.errors import Kind, StonechatError
from stonechat.jobs.contents import rewriting
from stonechat.jobs.store import NewJob, Subject
from stonechat.project.composition import Values, compose_pipe
from stonechat.project.snapshot import Snapshot

COPY = "copy"
APPEND, REPLACE = "append", "replace"
JOB_TIMESTAMP = "job_timestamp"


class NotACopyPipe(StonechatError):
    """The pipe is there, and its output is not copied anywhere."""

    code = "SC840"
    kind = Kind.CONFLICT


class UnknownCopyMode(StonechatError):
    """A run is asked for in a mode that there is not."""

    code = "SC841"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class CopyOrder:
    """One run: its mode, the parameters of the pipe, and the moment that it is for, `YYYY-MM-DD HH:MM:SS` in UTC."""

    mode: str
    parameters: Values
    job_timestamp: str
    scheduled: bool = False

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """The order of a job."""
        return cls(**payload)

    @classmethod
    def checked(cls, snapshot: Snapshot, pipe: Pipe, parameters: Values, mode: str | None) -> Self:
        """The order of somebody who asks for a run now. Raises `UnknownCopyMode`, or what rendering the pipe does."""
        chosen = mode or pipe.output.options.get("copy_mode", APPEND)
        if chosen not in {APPEND, REPLACE}:
            raise UnknownCopyMode(f"There is no mode '{chosen}'", hint="A copy pipe appends or replaces: use one.")
        order = cls(chosen, dict(parameters), timestamp(datetime.now(UTC)))
        compose_pipe(snapshot.project, pipe, order.values)
        return order

    @property
    def payload(self) -> Mapping[str, Any]:
        """As JSON."""
        return asdict(self)

    @property
    def values(self) -> Values:
        """The parameters of the run; a `job_timestamp` of its caller's own comes before that of the job."""
        return {JOB_TIMESTAMP: self.job_timestamp, **self.parameters}


def timestamp(moment: datetime) -> str:
    """A moment as `job_timestamp` has it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def copy_pipe(snapshot: Snapshot, name: str) -> Pipe:
    """The copy pipe of a name or id. Raises `UnknownPipe` or `NotACopyPipe`."""
    pipe = snapshot.pipe(name)
    if pipe.output.type is not NodeType.COPY:
        raise NotACopyPipe(f"The pipe '{pipe.name}' is not a copy pipe", hint="Its last node needs TYPE copy.")
    return pipe


def target_of_copy(snapshot: Snapshot, pipe: Pipe) -> Subject:
    """The data source that a copy pipe writes."""
    name = pipe.output.options["target_datasource"]
    return Subject(snapshot.identities[name].id, name)


def copy_job(snapshot: Snapshot, pipe: Pipe, order: CopyOrder, token_id: str = "") -> NewJob:
    """The job of a run. Those that write one data source follow each other: no swap comes between two blocks."""
    target = target_of_copy(snapshot, pipe)
    subject = Subject(snapshot.identities[pipe.name].id, pipe.name)
    return NewJob(
        snapshot.workspace.id,
        COPY,
        order.payload,
        exclusive=rewriting(target.id),
        data_source=target,
        pipe=subject,
        token_id=token_id,
    )
