"""When copy pipes run by themselves, and which of them are paused. Owns the table `copy_schedules`.

Each schedule has a moment up to which everything is decided. A run that is due is submitted in the transaction that
moves it on, so none is submitted twice. After a time without a server, the last run that was missed is made up for,
once; while a schedule is paused, or its last run has not ended, what falls due is left out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import sqlalchemy as sa
import structlog
from cronsim import CronSim

from stonechat.datafile.resources import NodeType, Pipe
from stonechat.errors import Kind, StonechatError
from stonechat.jobs.copy_orders import APPEND, CopyOrder, copy_job, timestamp
from stonechat.jobs.runner import JobRunner
from stonechat.project.live import LiveProjects
from stonechat.project.snapshot import Snapshot
from stonechat.state import StateStore, create_tables

_log = structlog.get_logger(__name__)

_metadata = sa.MetaData()
_schedules = sa.Table(
    "copy_schedules",
    _metadata,
    sa.Column("workspace_id", sa.String(36), primary_key=True),
    sa.Column("pipe", sa.String(200), primary_key=True),
    sa.Column("cron", sa.String(200), nullable=False),
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("since", sa.String(32), nullable=False),
)
MIGRATIONS = (create_tables("copy-schedules-1", _metadata),)
_TICK_SECONDS = 1.0
_ON_DEMAND = "@on-demand"
_Key = tuple[str, str]


class NotScheduled(StonechatError):
    """The copy pipe has no schedule that could be paused."""

    code = "SC846"
    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression, whether it is paused, and the moment up to which is decided what runs."""

    cron: str
    paused: bool
    since: datetime

    @property
    def following(self) -> datetime:
        """When it is due next, whether it is paused or not."""
        return next(CronSim(self.cron, self.since))

    def due(self, now: datetime) -> datetime | None:
        """The last moment that fell due since, up to now."""
        if self.following > now:
            return None
        end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        return next(CronSim(self.cron, end, reverse=True))


class CopySchedules:
    """The schedules of all workspaces, and the thread that submits what is due."""

    def __init__(
        self,
        store: StateStore,
        projects: LiveProjects,
        jobs: JobRunner,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._projects = projects
        self._jobs = jobs
        self._clock = clock
        self._lock = threading.RLock()
        self._known: dict[_Key, Schedule] = dict(_read(store))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedule", daemon=True)

    def start(self) -> None:
        """Begin to submit what is due."""
        self._thread.start()

    def close(self) -> None:
        """Submit nothing more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def of(self, snapshot: Snapshot, pipe: Pipe) -> Schedule | None:
        """The schedule of a pipe of what is live; None for one without."""
        cron = _cron(pipe)
        if cron is None:
            return None
        known = self._known.get((snapshot.workspace.id, pipe.name))
        if known is None or known.cron != cron:
            return Schedule(cron, known is not None and known.paused, self._clock())
        return known

    def pause(self, snapshot: Snapshot, pipe: Pipe, *, paused: bool) -> Schedule:
        """Let a schedule rest, or go on from now. Raises `NotScheduled`."""
        with self._lock:
            schedule = self.of(snapshot, pipe)
            if schedule is None:
                raise NotScheduled(
                    f"The copy pipe '{pipe.name}' has no schedule", hint="Give it a COPY_SCHEDULE, and deploy it."
                )
            changed = replace(schedule, paused=paused)
            if schedule.paused and not paused:
                changed = replace(changed, since=self._clock())
            self._write((snapshot.workspace.id, pipe.name), changed)
        return changed

    def tick(self) -> None:
        """Submit what is due now, and forget the schedules of pipes that are gone."""
        now = self._clock()
        found: set[_Key] = set()
        for live in self._projects.all():
            snapshot = live.snapshot
            for pipe in snapshot.project.pipes_of_type(NodeType.COPY):
                if _cron(pipe) is not None:
                    found.add((snapshot.workspace.id, pipe.name))
                    with self._lock:
                        self._decide(snapshot, pipe, now)
        with self._lock:
            for key in self._known.keys() - found:
                self._write(key, None)

    def _decide(self, snapshot: Snapshot, pipe: Pipe, now: datetime) -> None:
        key = (snapshot.workspace.id, pipe.name)
        schedule = self.of(snapshot, pipe)
        assert schedule is not None
        if schedule is not self._known.get(key):
            self._write(key, schedule)
        moment = schedule.due(now)
        if moment is None:
            return
        decided = replace(schedule, since=moment)
        if schedule.paused:
            self._write(key, decided)
        elif self._jobs.active(snapshot.workspace.id, pipe_id=snapshot.identities[pipe.name].id):
            _log.warning("left out a copy that is due: its last run has not ended", pipe=pipe.name, due=str(moment))
            self._write(key, decided)
        else:
            mode = pipe.output.options.get("copy_mode", APPEND)
            order = CopyOrder(mode, {}, timestamp(moment), scheduled=True)
            self._jobs.submit(copy_job(snapshot, pipe, order), along=partial(_keep, key, decided))
            self._known[key] = decided

    def _write(self, key: _Key, schedule: Schedule | None) -> None:
        with self._store.transaction() as connection:
            _keep(key, schedule, connection)
        if schedule is None:
            self._known.pop(key, None)
        else:
            self._known[key] = schedule

    def _run(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            try:
                self.tick()
            except Exception:
                # The store could not be written, or a project is being replaced: the next tick decides again.
                _log.exception("schedules could not be looked through")


def forget_schedules(connection: sa.Connection, workspace_id: str) -> None:
    """Forget the schedules of a workspace, inside the transaction that deletes it."""
    connection.execute(_schedules.delete().where(_schedules.c.workspace_id == workspace_id))


def schedule_json(schedule: Schedule) -> Mapping[str, object]:
    """A schedule as the API shows it."""
    return {
        "cron": schedule.cron,
        "timezone": "UTC",
        "status": "paused" if schedule.paused else "running",
        "next_run_at": None if schedule.paused else timestamp(schedule.following),
    }


def _cron(pipe: Pipe) -> str | None:
    text = pipe.output.options.get("copy_schedule", _ON_DEMAND)
    return None if text == _ON_DEMAND else text


def _keep(key: _Key, schedule: Schedule | None, connection: sa.Connection) -> None:
    workspace_id, pipe = key
    connection.execute(_schedules.delete().where(_schedules.c.workspace_id == workspace_id, _schedules.c.pipe == pipe))
    if schedule is not None:
        values = {"cron": schedule.cron, "paused": schedule.paused, "since": schedule.since.isoformat()}
        connection.execute(_schedules.insert().values(workspace_id=workspace_id, pipe=pipe, **values))


def _read(store: StateStore) -> Iterator[tuple[_Key, Schedule]]:
    with store.transaction() as connection:
        for row in connection.execute(sa.select(_schedules)):
            since = datetime.fromisoformat(row.since)
            yield (row.workspace_id, row.pipe), Schedule(row.cron, row.paused, since)
