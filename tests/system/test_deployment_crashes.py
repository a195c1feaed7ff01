"""kill -9 in every step of a deployment: afterwards the old or the new project is live, whole, with all rows once.

The deployment rewrites a table, clones one behind a view, and computes another behind a second view again, while events
are sent. It runs to its end once to count its steps. STONECHAT_DEPLOYMENT_KILLS sets how many of them are tried, evenly
spread; 0 means all.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from tests.conftest import REPOSITORY, RunningServer

_KILLS = int(os.environ.get("STONECHAT_DEPLOYMENT_KILLS", "3"))
_EVENTS = """SCHEMA >
    `id` UInt64 `json:$.id`,
    `at` DateTime `json:$.at`,
    `kind` String `json:$.kind`

ENGINE "MergeTree"
ENGINE_PARTITION_KEY "toYYYYMM(at)"
ENGINE_SORTING_KEY "at"
"""
_SUMS = """SCHEMA >
    `kind` String,
    `events` UInt64,
    `ids` UInt64

ENGINE "SummingMergeTree"
ENGINE_SORTING_KEY "kind"
"""
_VIEW = (
    "NODE n\nSQL >\n    SELECT {}, {} AS events, {} AS ids FROM {} GROUP BY kind\nTYPE materialized\nDATASOURCE {}\n"
)
_OLD = {
    "events.datasource": _EVENTS,
    "by_kind.datasource": _SUMS,
    "totals.datasource": _SUMS,
    "counting.pipe": _VIEW.format("kind", "count()", "sum(id)", "events", "by_kind"),
    "adding.pipe": _VIEW.format("'all' AS kind", "sum(events)", "sum(ids)", "by_kind", "totals"),
}
_NEW = {
    **_OLD,
    "events.datasource": _EVENTS.replace('KEY "at"', 'KEY "kind, id"').replace(
        "`kind`", "`more` String `json:$.more` DEFAULT 'none',\n    `kind`", 1
    ),
    "adding.pipe": _VIEW.format("'every' AS kind", "sum(events)", "sum(ids)", "by_kind", "totals"),
}


class _Sender(threading.Thread):
    """Sends events until the server is gone or it is stopped; remembers which were acknowledged."""

    def __init__(self, server: RunningServer, first: int) -> None:
        super().__init__()
        self._server = server
        self.next = first
        self.acknowledged: list[int] = []
        self.stopped = False

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self._server.token}"}
        with httpx.Client(base_url=self._server.url, headers=headers, timeout=30) as client:
            while not self.stopped:
                ids = range(self.next, self.next + 5)
                self.next += 5
                params = {"name": "events", "wait": str(self.next % 2 == 0).lower()}
                try:
                    answer = client.post("/v0/events", params=params, content="\n".join(map(_event, ids)))
                except httpx.TransportError:
                    return
                if answer.status_code in {200, 202} and answer.json()["successful_rows"] == len(ids):
                    self.acknowledged += ids


def _event(identity: int) -> str:
    moment = f"2024-{identity % 3 + 1:02d}-01 00:00:00"
    return json.dumps({"id": identity, "at": moment, "kind": "ab"[identity % 2], "more": str(identity)})


class _World:
    """One data folder over many lives of its server."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "home"
        self._steps = folder / "steps"
        self._next = 1
        self._acknowledged: set[int] = set()
        self._server = self._start()

    def _start(self) -> RunningServer:
        environment = {"STONECHAT_TEST_STEPS": str(self._steps), "PYTHONPATH": str(REPOSITORY)}
        module = "tests.system.dying"
        return RunningServer(self._home, arguments=("serve",), environment=environment, module=module)

    def deploy(self, files: Mapping[str, str], step: int = 0) -> int:
        """Deploy while events arrive, and kill the server after it; with a step it dies there. The number of steps."""
        self._steps.write_text(f"{step}\n")
        self._deploy(files)
        self._server.kill()
        count = len(self._steps.read_text().splitlines()) - 1
        self._steps.unlink()
        return count

    def _deploy(self, files: Mapping[str, str]) -> None:
        sender = _Sender(self._server, self._next)
        sender.start()
        try:
            answer = self._server.deploy(files, allow_destructive_operations="true")
            assert answer.json()["result"] in {"success", "no_changes"}, answer.text
        except httpx.TransportError:
            assert self._server.process.wait(60) != 0
        finally:
            sender.stopped = True
            sender.join()
        self._next = sender.next
        self._acknowledged.update(sender.acknowledged)

    def must_be_whole(self) -> str:
        """Start, wait for what goes on, and compare all tables; which project is live. Where it is the new one, the old
        one is deployed again.
        """
        self._server = server = self._start()
        self._settle(server)
        ids = [int(str(row["id"])) for row in server.sql("SELECT id FROM events")]
        assert len(ids) == len(set(ids)), "a row is there twice"
        lost = self._acknowledged - set(ids)
        assert not lost, f"lost: {sorted(lost)[:5]}"
        expected = [{"events": len(ids), "ids": sum(ids)}]
        for table in ("by_kind", "totals"):
            assert server.sql(f"SELECT sum(events) AS events, sum(ids) AS ids FROM {table}") == expected, table
        live = self._live(server)
        if live == "new":
            self._deploy(_OLD)
        return live

    def end(self) -> None:
        """Kill what still runs."""
        self._server.kill()

    def _settle(self, server: RunningServer) -> None:
        deadline = time.monotonic() + 60
        while any(
            not each["live"] and each["status"] in {"creating_schema", "schema_ready", "data_ready"}
            for each in server.request("GET", "/v1/deployments").json()["deployments"]
        ):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _live(self, server: RunningServer) -> str:
        shown = server.request("GET", "/v0/datasources/events").json()
        columns = [column["name"] for column in shown["columns"]]
        kinds = {row["kind"] for row in server.sql("SELECT DISTINCT kind FROM totals")}
        live = "new" if "more" in columns else "old"
        assert columns == (["id", "at", "more", "kind"] if live == "new" else ["id", "at", "kind"])
        assert kinds <= ({"every"} if live == "new" else {"all"})
        return live


@pytest.fixture
def world(tmp_path: Path) -> Iterator[_World]:
    """A world that ends with the test."""
    world = _World(tmp_path)
    yield world
    world.end()


@pytest.mark.timeout(900 if _KILLS else 3600)
def test_a_deployment_that_is_killed_leaves_the_old_or_the_new_project_whole(world: _World) -> None:
    world.deploy(_OLD)
    assert world.must_be_whole() == "old"
    count = world.deploy(_NEW)
    assert world.must_be_whole() == "new"
    kills = range(1, count + 1)
    outcomes = set()
    for step in kills if _KILLS == 0 else kills[:: max(count // _KILLS, 1)]:
        world.deploy(_NEW, step)
        outcomes.add(world.must_be_whole())
    assert "new" in outcomes
