"""Imports, deployments and a power loss: what was answered is there afterwards, whole and once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.conftest import RunningServer, StartServer
from tests.ingest.disks import Ext4, lose_power

_ROWS = 300_000


def test_a_file_whose_job_was_answered_survives_a_power_loss(start_server: StartServer, tmp_path: Path) -> None:
    disk = Ext4(tmp_path / "image", 1500)
    folder = tmp_path / "disk"
    with disk.mounted(folder):
        server = start_server(folder / "home")
        assert server.deploy({"rows.datasource": "SCHEMA >\n    `id` UInt32 `json:$.id`\n"}).status_code == 200
        content = "id\n" + "".join(f"{number}\n" for number in range(_ROWS))
        answer = server.request("POST", "/v1/datasources/rows/append", params={"format": "csv"}, content=content)
        lose_power(folder)
        server.kill()
        assert answer.status_code == 200
    with disk.mounted(folder):
        server = start_server(folder / "home")
        try:
            job = _ended(server, answer.json()["id"])
            assert (job["status"], job["successful_rows"]) == ("done", _ROWS), job
            (row,) = server.sql("SELECT count() AS rows, uniqExact(id) AS ids FROM rows")
            assert row == {"rows": _ROWS, "ids": _ROWS}
        finally:
            server.kill()


_OLD = {"rows.datasource": "SCHEMA >\n    `id` UInt32 `json:$.id`\n"}
_VIEW = {
    "sums.datasource": "SCHEMA >\n    `rows` UInt64\n\nENGINE SummingMergeTree\nENGINE_SORTING_KEY tuple()\n",
    "counting.pipe": "NODE n\nSQL >\n    SELECT count() AS rows FROM rows\nTYPE materialized\nDATASOURCE sums\n",
}
_WIDER = {"rows.datasource": _OLD["rows.datasource"].rstrip() + ",\n    `more` String DEFAULT 'none' `json:$.more`\n"}


def test_a_new_view_counts_each_event_once_after_a_power_loss(start_server: StartServer, tmp_path: Path) -> None:
    """Nothing is sent behind the events that are there, so nothing has the log synced that says so."""
    disk, folder = Ext4(tmp_path / "image", 1500), tmp_path / "disk"
    with disk.mounted(folder):
        server = start_server(folder / "home")
        assert server.deploy(_OLD).status_code == 200
        _send(server)
        answer = server.deploy(_OLD | _VIEW)
        lose_power(folder)
        server.kill()
        assert answer.json()["result"] == "success"
    with disk.mounted(folder):
        server = start_server(folder / "home")
        try:
            _require_once(server)
        finally:
            server.kill()


def test_events_that_are_replayed_after_a_power_loss_are_once_in_every_table(
    start_server: StartServer, tmp_path: Path
) -> None:
    """In the live one, behind its view, in the quarantine, and in those of a deployment that is staged beside."""
    disk, folder = Ext4(tmp_path / "image", 1500), tmp_path / "disk"
    with disk.mounted(folder):
        server = start_server(folder / "home")
        assert server.deploy(_OLD | _VIEW).status_code == 200
        staged = server.deploy(_OLD | _VIEW | _WIDER, auto_promote="false").json()["deployment"]["id"]
        _send(server)
        lose_power(folder)
        server.kill()
    with disk.mounted(folder):
        server = start_server(folder / "home")
        try:
            _require_once(server)
            assert server.request("POST", f"/v1/deployments/{staged}/set-live").status_code == 200
            assert server.value("SELECT countIf(more = 'none') FROM rows") == 2
            _require_once(server)
        finally:
            server.kill()


def _send(server: RunningServer) -> None:
    """Two events, and one that does not fit."""
    answer = server.send('{"id":1}\n{"id":2}\n{"id":-3}', name="rows")
    assert answer.json() == {"successful_rows": 2, "quarantined_rows": 1}


def _require_once(server: RunningServer) -> None:
    assert server.value("SELECT count() FROM rows") == 2
    assert server.value("SELECT sum(rows) FROM sums") == 2
    assert server.value("SELECT count() FROM rows_quarantine") == 1


def _ended(server: RunningServer, identity: str) -> dict[str, Any]:
    for _ in range(1200):
        job: dict[str, Any] = server.request("GET", f"/v0/jobs/{identity}").json()
        if job["status"] not in {"waiting", "working"}:
            break
        time.sleep(0.05)
    return job
