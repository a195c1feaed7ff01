"""Jobs as they are kept. Owns the table `jobs`.

A job is one piece of work: its kind, what it works on, where it stands and what came of it. Times are text as `now()`
writes it. Jobs are listed in the order in which they were added, whatever the clock did meanwhile.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from stonechat.errors import Kind, StonechatError
from stonechat.state import StateStore, add_columns, create_tables, now

Json = Mapping[str, Any]

_metadata = sa.MetaData()
_jobs = sa.Table(
    "jobs",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("workspace_id", sa.String(36), nullable=False, index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("status", sa.String(12), nullable=False, index=True),
    sa.Column("exclusive", sa.String(200), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("progress", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("data_source_id", sa.String(34)),
    sa.Column("data_source_name", sa.String(200)),
    sa.Column("pipe_id", sa.String(34)),
    sa.Column("pipe_name", sa.String(200)),
    sa.Column("deployment_id", sa.Integer),
    sa.Column("token_id", sa.String(36), nullable=False),
    sa.Column("created_at", sa.String(26), nullable=False),
    sa.Column("started_at", sa.String(26)),
    sa.Column("updated_at", sa.String(26), nullable=False),
    sa.Column("request_id", sa.String(100)),
)
MIGRATIONS = (create_tables("jobs-1", _metadata), add_columns("jobs-2", _jobs.c.request_id))

LISTED_HOURS = 48
LISTED_JOBS = 100
_KEPT_DAYS = 7
"""Ended jobs are listed for two days, found by their id for a week, and then forgotten."""


class JobStatus(StrEnum):
    """Where a job stands, in the contract's words."""

    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    ERROR = "error"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to the job unless somebody retries it."""
        return self in {JobStatus.DONE, JobStatus.ERROR, JobStatus.CANCELLED}


UNFINISHED = (JobStatus.WAITING, JobStatus.WORKING, JobStatus.CANCELLING)


class UnknownJob(StonechatError):
    """The workspace has no job of that id."""

    code = "SC830"
    kind = Kind.MISSING


@dataclass(frozen=True, slots=True)
class Subject:
    """The data source or pipe that a job is about, as it was called when the job was made."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a job is made of.

    `payload` is all that its handler needs, as JSON. Of jobs of one workspace with the same `exclusive` text only one
    runs at a time, the others wait for it; an empty text excludes nothing. `token_id` is the token that asked for it,
    in the request `request_id`; None where nobody did.
    """

    workspace_id: str
    kind: str
    payload: Json = field(default_factory=dict)
    exclusive: str = ""
    data_source: Subject | None = None
    pipe: Subject | None = None
    deployment_id: int | None = None
    token_id: str = ""
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job at one moment.

    `notes` is what its handler wrote down to find it again after a restart; `result` what the API shows of it, under
    keys of the contract such as `statistics`; `progress` a fraction of 1. `attempts` counts how often it began.
    """

    id: str
    workspace_id: str
    kind: str
    status: JobStatus
    exclusive: str
    payload: Json
    notes: Json
    result: Json
    error: str | None
    progress: float | None
    attempts: int
    data_source: Subject | None
    pipe: Subject | None
    deployment_id: int | None
    token_id: str
    created_at: str
    started_at: str | None
    updated_at: str
    request_id: str | None = None


class JobStore:
    """Reads and writes jobs. Each method is a transaction of its own, but for those that take part in one."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def add(self, connection: sa.Connection, new: NewJob) -> Job:
        """Keep a new job, waiting, within a transaction; ended jobs that are old are forgotten with it."""
        moment = now()
        values = {
            "id": str(uuid.uuid4()),
            "workspace_id": new.workspace_id,
            "kind": new.kind,
            "status": JobStatus.WAITING,
            "exclusive": new.exclusive,
            "payload": json.dumps(dict(new.payload)),
            "notes": "{}",
            "result": "{}",
            "attempts": 0,
            "deployment_id": new.deployment_id,
            "token_id": new.token_id,
            "request_id": new.request_id,
            "created_at": moment,
            "updated_at": moment,
            **_subject_values("data_source", new.data_source),
            **_subject_values("pipe", new.pipe),
        }
        connection.execute(_jobs.delete().where(_jobs.c.updated_at < _ago(days=_KEPT_DAYS), ~_unfinished()))
        row = connection.execute(_jobs.insert().values(**values).returning(_jobs)).one()
        return _job(row)

    def get(self, workspace_id: str, identity: str) -> Job:
        """A job of a workspace. Raises `UnknownJob`."""
        query = sa.select(_jobs).where(_jobs.c.workspace_id == workspace_id, _jobs.c.id == identity)
        with self._store.transaction() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise UnknownJob(f"The job '{identity}' does not exist")
        return _job(row)

    def listed(self, workspace_id: str, *, status: str | None = None, kind: str | None = None) -> Sequence[Job]:
        """The jobs of the last 48 hours and those that have not ended, the newest first, at most 100."""
        query = sa.select(_jobs).where(
            _jobs.c.workspace_id == workspace_id,
            sa.or_(_jobs.c.created_at >= _ago(hours=LISTED_HOURS), _unfinished()),
        )
        if status is not None:
            query = query.where(_jobs.c.status == status)
        if kind is not None:
            query = query.where(_jobs.c.kind == kind)
        with self._store.transaction() as connection:
            return [_job(row) for row in connection.execute(query.order_by(_jobs.c.number.desc()).limit(LISTED_JOBS))]

    def unfinished(self) -> Sequence[Job]:
        """The jobs of all workspaces that have not ended, in the order in which they were added."""
        with self._store.transaction() as connection:
            return [_job(row) for row in connection.execute(sa.select(_jobs).where(_unfinished()).order_by("number"))]

    def begun_and_failed(self) -> Sequence[Job]:
        """Jobs that ended in error or were cancelled after they had noted something, and may be run again."""
        query = sa.select(_jobs).where(
            _jobs.c.status.in_((JobStatus.ERROR, JobStatus.CANCELLED)), _jobs.c.notes != "{}"
        )
        with self._store.transaction() as connection:
            return [_job(row) for row in connection.execute(query)]

    def change(self, identity: str, **values: Any) -> Job | None:
        """Write columns of a job; `result` and `notes` are added to what is there. None when the job is gone."""
        with self._store.transaction() as connection:
            return self.change_within(connection, identity, **values)

    def change_within(self, connection: sa.Connection, identity: str, **values: Any) -> Job | None:
        """The same within a transaction."""
        mine = _jobs.c.id == identity
        before = connection.execute(sa.select(_jobs).where(mine)).one_or_none()
        if before is None:
            return None
        for column in ("result", "notes"):
            if column in values:
                values[column] = json.dumps({**json.loads(getattr(before, column)), **values[column]})
        changed = _jobs.update().where(mine).values(updated_at=now(), **values).returning(_jobs)
        return _job(connection.execute(changed).one())


def forget_jobs(connection: sa.Connection, workspace_id: str) -> None:
    """Forget the jobs of a workspace, inside the transaction that deletes it."""
    connection.execute(_jobs.delete().where(_jobs.c.workspace_id == workspace_id))


def _unfinished() -> sa.ColumnElement[bool]:
    return _jobs.c.status.in_(UNFINISHED)


def _ago(**span: int) -> str:
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%d %H:%M:%S.%f")


def _subject_values(prefix: str, subject: Subject | None) -> dict[str, str]:
    return {f"{prefix}_id": subject.id, f"{prefix}_name": subject.name} if subject else {}


def _job(row: Any) -> Job:
    return Job(
        id=row.id,
        workspace_id=row.workspace_id,
        kind=row.kind,
        status=JobStatus(row.status),
        exclusive=row.exclusive,
        payload=json.loads(row.payload),
        notes=json.loads(row.notes),
        result=json.loads(row.result),
        error=row.error,
        progress=row.progress,
        attempts=row.attempts,
        data_source=Subject(row.data_source_id, row.data_source_name) if row.data_source_id else None,
        pipe=Subject(row.pipe_id, row.pipe_name) if row.pipe_id else None,
        deployment_id=row.deployment_id,
        token_id=row.token_id,
        created_at=row.created_at,
        started_at=row.started_at,
        updated_at=row.updated_at,
        request_id=row.request_id,
    )
