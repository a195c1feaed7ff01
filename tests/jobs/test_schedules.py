"""Copy pipes run when they are due: once for each moment, not while they are paused, and not after they are gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stonechat.errors import StonechatError
from stonechat.jobs.copy_orders import COPY, copy_pipe
from stonechat.jobs.kinds import JobKind, Progress
from stonechat.jobs.runner import JobRunner
from stonechat.jobs.schedules import MIGRATIONS, CopySchedules, NotScheduled, forget_schedules
from stonechat.jobs.store import MIGRATIONS as JOB_MIGRATIONS
from stonechat.jobs.store import Job
from stonechat.project.live import LiveProject, LiveProjects
from stonechat.project.model import Project
from stonechat.project.snapshot import Snapshot
from stonechat.project.workspaces import Identity, Workspace
from stonechat.state import StateStore

_NOON = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
_TARGET = {"t.datasource": "SCHEMA >\n    n UInt8\n"}
_WORKSPACE = Workspace("w", "w", "ws_w", "")


def _project(**crons: str) -> Project:
    pipes = {
        f"{name}.pipe": f"NODE a\nSQL >\n    SELECT 1 AS n\nTYPE copy\nTARGET_DATASOURCE t\nCOPY_SCHEDULE {cron}\n"
        for name, cron in crons.items()
    }
    return Project.from_files({**_TARGET, **pipes})


def _snapshot(project: Project) -> Snapshot:
    names = [*project.data_sources, *project.pipes]
    identities = {name: Identity(f"t_{name}", name, "", "") for name in names}
    return Snapshot(_WORKSPACE, 1, project, identities)


@dataclass
class Scheduling:
    """The schedules of one workspace, at times that the test sets, and the runs that came of them."""

    home: Path
    now: datetime = _NOON
    runs: list[tuple[str, str]] = field(default_factory=list)
    going_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.going_on.set()
        self.live = LiveProject(_snapshot(_project(every="*/5 * * * *")))
        self.start()

    def start(self) -> None:
        self.store = StateStore(f"sqlite:///{self.home / 'state.sqlite'}", [*JOB_MIGRATIONS, *MIGRATIONS])
        self.jobs = JobRunner(self.store, [JobKind(COPY, self._run)], threads=2)
        self.jobs.start()
        self.schedules = CopySchedules(self.store, LiveProjects([self.live]), self.jobs, clock=lambda: self.now)

    def stop(self) -> None:
        self.going_on.set()
        self.jobs.close()
        self.store.close()

    def at(self, **later: float) -> list[tuple[str, str]]:
        """What the tick at a later moment submits."""
        before = len(self.runs)
        self.now += timedelta(**later)
        self.schedules.tick()
        if self.going_on.is_set():
            for job in self.jobs.listed("w"):
                self.jobs.wait(job, seconds=20)
        return self.runs[before:]

    def pause(self, name: str, *, paused: bool) -> None:
        snapshot = self.live.snapshot
        self.schedules.pause(snapshot, copy_pipe(snapshot, name), paused=paused)

    def deploy(self, **crons: str) -> None:
        self.live.promote(_snapshot(_project(**crons)))

    def _run(self, job: Job, _progress: Progress) -> Mapping[str, Any]:
        assert job.pipe is not None
        assert job.payload["scheduled"]
        self.runs.append((job.pipe.name, job.payload["job_timestamp"]))
        assert self.going_on.wait(60)
        return {}


@pytest.fixture
def scheduling(tmp_path: Path) -> Iterator[Scheduling]:
    scheduling = Scheduling(tmp_path)
    yield scheduling
    scheduling.stop()


def test_a_copy_runs_once_for_each_moment_that_is_due(scheduling: Scheduling) -> None:
    assert scheduling.at() == []
    assert scheduling.at(minutes=4) == []
    assert scheduling.at(seconds=30) == [("every", "2026-03-01 12:05:00")]
    assert scheduling.at(seconds=1) == []
    assert scheduling.at(minutes=5) == [("every", "2026-03-01 12:10:00")]


def test_what_was_missed_without_a_server_is_made_up_for_once(scheduling: Scheduling) -> None:
    scheduling.at()
    scheduling.stop()
    scheduling.now += timedelta(days=2, minutes=7)
    scheduling.start()
    assert scheduling.at() == [("every", "2026-03-03 12:05:00")]
    assert scheduling.at(minutes=1) == []
    scheduling.stop()
    scheduling.start()
    assert scheduling.at() == []


def test_a_paused_copy_rests_and_makes_up_for_nothing(scheduling: Scheduling) -> None:
    scheduling.at()
    scheduling.pause("every", paused=True)
    assert scheduling.at(hours=1) == []
    scheduling.stop()
    scheduling.start()
    assert scheduling.at(hours=1) == []
    scheduling.pause("every", paused=False)
    assert scheduling.at() == []
    assert scheduling.at(minutes=5) == [("every", "2026-03-01 14:05:00")]


def test_a_copy_can_be_paused_before_the_first_tick(scheduling: Scheduling) -> None:
    scheduling.pause("every", paused=True)
    assert scheduling.at(hours=1) == []


def test_a_copy_whose_last_run_has_not_ended_is_left_out(scheduling: Scheduling) -> None:
    scheduling.at()
    scheduling.going_on.clear()
    scheduling.at(minutes=5)
    scheduling.at(minutes=5)
    scheduling.going_on.set()
    scheduling.at()
    assert scheduling.at(minutes=5) == [("every", "2026-03-01 12:15:00")]
    assert [moment for _, moment in scheduling.runs] == ["2026-03-01 12:05:00", "2026-03-01 12:15:00"]


def test_a_new_expression_counts_from_its_deployment_and_stays_paused(scheduling: Scheduling) -> None:
    scheduling.deploy(every="0 0 1 1 *")
    scheduling.at()
    scheduling.now += timedelta(days=100)
    scheduling.deploy(every="* * * * *")
    assert scheduling.at() == []
    assert scheduling.at(minutes=1) == [("every", "2026-06-09 12:01:00")]
    scheduling.pause("every", paused=True)
    scheduling.deploy(every="*/2 * * * *")
    assert scheduling.at(minutes=10) == []
    assert scheduling.at(minutes=10) == []


def test_a_copy_that_is_gone_runs_no_more_and_comes_back_as_a_new_one(scheduling: Scheduling) -> None:
    scheduling.at()
    scheduling.pause("every", paused=True)
    scheduling.deploy(every="@on-demand", other="0 * * * *")
    assert scheduling.at(minutes=30) == []
    assert scheduling.at(minutes=30) == [("other", "2026-03-01 13:00:00")]
    scheduling.deploy(every="*/5 * * * *")
    assert scheduling.at() == []
    assert scheduling.at(minutes=5) == [("every", "2026-03-01 13:05:00")]


def test_a_copy_on_demand_has_nothing_to_pause(scheduling: Scheduling) -> None:
    scheduling.deploy(every="@on-demand")
    with pytest.raises(NotScheduled):
        scheduling.pause("every", paused=True)


def test_schedules_go_with_their_workspace(scheduling: Scheduling) -> None:
    scheduling.at()
    scheduling.pause("every", paused=True)
    scheduling.stop()
    scheduling.start()
    with scheduling.store.transaction() as connection:
        forget_schedules(connection, "w")
    scheduling.stop()
    scheduling.start()
    scheduling.at()
    assert scheduling.at(minutes=5) == [("every", "2026-03-01 12:05:00")]


def test_words_stand_for_moments(scheduling: Scheduling) -> None:
    scheduling.deploy(nightly="@daily", yearly="@yearly")
    assert scheduling.at() == []
    assert scheduling.at(hours=11) == []
    assert scheduling.at(hours=1) == [("nightly", "2026-03-02 00:00:00")]


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "60 * * * *", "* * * *", "*/5 * * * * *", "@often", "0 0 31 4,6 *"])
def test_an_expression_that_is_none_or_never_due_is_refused(cron: str) -> None:
    with pytest.raises(StonechatError) as caught:
        _project(every=cron)
    assert "COPY_SCHEDULE" in str(caught.value)
    assert str(caught.value).startswith("every.pipe:6:15")
