"""kill -9 in steps of a deployment of a workspace that shares: who reads from it elsewhere sees every event that was
acknowledged, before, meanwhile and afterwards, and the columns of what is live.

STONECHAT_SHARING_KILLS sets how many of the steps are tried, evenly spread; 0 means all.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import httpx
import pytest
from tests.conftest import REPOSITORY, RunningServer

_KILLS = int(os.environ.get("STONECHAT_SHARING_KILLS", "3"))
_OLD = """SHARED_WITH >
    reader

SCHEMA >
    `id` UInt64 `json:$.id`,
    `kind` String `json:$.kind`

ENGINE "MergeTree"
ENGINE_SORTING_KEY "kind"
"""
_NEW = _OLD.replace('KEY "kind"', 'KEY "kind, id"').replace("`kind`", "`more` String DEFAULT 'x',\n    `kind`", 1)
_TOTALS = "NODE rows\nSQL >\n    SELECT count() AS events, uniqExact(id) AS ids FROM first.events\nTYPE endpoint\n"


class _Watcher(threading.Thread):
    """Sends events to the origin, and after each reads in the other workspace, until the server is gone."""

    def __init__(self, origin: RunningServer, reader: RunningServer, first: int) -> None:
        super().__init__()
        self._tokens = origin.token, reader.token
        self._url = origin.url
        self.acknowledged = first
        self.seen_too_few: list[tuple[int, int]] = []
        self.stopped = False

    def run(self) -> None:
        origin, reader = ({"Authorization": f"Bearer {token}"} for token in self._tokens)
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self.stopped:
                identity = self.acknowledged + 1
                event = json.dumps({"id": identity, "kind": "ab"[identity % 2]})
                params = {"name": "events", "wait": "true"}
                try:
                    answer = client.post("/v0/events", params=params, content=event, headers=origin)
                    if answer.status_code != 200:
                        continue
                    self.acknowledged = identity
                    read = client.get("/v0/pipes/totals.json", headers=reader)
                except httpx.TransportError:
                    return
                (row,) = read.json()["data"]
                if row["ids"] < self.acknowledged:
                    self.seen_too_few.append((row["ids"], self.acknowledged))


class _World:
    """One data folder with the two workspaces over many lives of its server. Events are numbered from 1 on."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "home"
        self._steps = folder / "steps"
        self._sent = 0
        self._server = self._start()
        seen = [self._server.new_workspace(name) for name in ("first", "reader")]
        self._tokens = [each.token for each in seen]
        assert seen[0].deploy({"events.datasource": _OLD}).status_code == 200
        assert seen[1].deploy({"totals.pipe": _TOTALS}).status_code == 200

    def _start(self) -> RunningServer:
        environment = {"STONECHAT_TEST_STEPS": str(self._steps), "PYTHONPATH": str(REPOSITORY)}
        module = "tests.system.dying"
        return RunningServer(self._home, arguments=("serve",), environment=environment, module=module)

    def deploy(self, text: str, step: int = 0) -> int:
        """Deploy the origin while events are sent and read, and kill the server after it; with a step it dies there.
        Then all is there after a start. The number of steps.
        """
        self._steps.write_text(f"{step}\n")
        origin, reader = map(self._server.seen_with, self._tokens)
        watcher = _Watcher(origin, reader, self._sent)
        watcher.start()
        try:
            answer = origin.deploy({"events.datasource": text}, allow_destructive_operations="true")
            assert answer.json()["result"] in {"success", "no_changes"}, answer.text
        except httpx.TransportError:
            assert self._server.process.wait(60) != 0
        finally:
            watcher.stopped = True
            watcher.join()
            self._server.kill()
        count = len(self._steps.read_text().splitlines()) - 1
        self._steps.unlink()
        assert watcher.seen_too_few == []
        self._server = self._start()
        self._check(watcher)
        return count

    def _check(self, watcher: _Watcher) -> None:
        origin, reader = map(self._server.seen_with, self._tokens)
        _settle(origin)
        (row,) = reader.rows("/v0/pipes/totals.json")
        # The last one may have been committed when the server died before it said so.
        assert row["events"] == row["ids"]
        assert watcher.acknowledged <= row["ids"] <= watcher.acknowledged + 1
        assert origin.value("SELECT count() FROM events") == row["events"]
        described = [
            [column["name"] for column in seen.request("GET", f"/v0/datasources/{name}").json()["columns"]]
            for seen, name in ((origin, "events"), (reader, "first.events"))
        ]
        assert described[0] == described[1]
        assert reader.sql("SELECT * FROM first.events LIMIT 1")[0].keys() == set(described[0])
        self._sent = row["ids"]

    def close(self) -> None:
        self._server.kill()


def _settle(seen: RunningServer) -> None:
    """Wait for the end of a deployment that goes on after a kill."""
    deadline = time.monotonic() + 60
    while any(not each["live"] for each in seen.request("GET", "/v1/deployments").json()["deployments"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.timeout(600 if _KILLS else 3600)
def test_who_reads_what_is_shared_sees_all_that_was_acknowledged(tmp_path: Path) -> None:
    world = _World(tmp_path)
    try:
        count = world.deploy(_NEW)
        assert count > 5
        kills = _KILLS or count
        for number in range(kills):
            world.deploy((_OLD, _NEW)[number % 2], step=1 + number * count // kills)
    finally:
        world.close()
