"""Imports and a power loss: what was answered is there afterwards, whole."""

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


def _ended(server: RunningServer, identity: str) -> dict[str, Any]:
    for _ in range(1200):
        job: dict[str, Any] = server.request("GET", f"/v0/jobs/{identity}").json()
        if job["status"] not in {"waiting", "working"}:
            break
        time.sleep(0.05)
    return job
