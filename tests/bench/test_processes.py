"""The processes of the benchmark: measured, asked, and ended."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from bench.ingestion import CASES
from bench.load import request, run_load
from bench.processes import HttpProcess, ProcessFailed, Worker, status_bytes
from bench.rows import rows

from stonechat.starters.catalog import template_files

_DATA_SOURCE = template_files("messaging")["datasources/messages.datasource"]


def test_memory_is_read_from_the_status_of_a_process() -> None:
    status = "Name:\tpython\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"
    assert status_bytes(status, "VmHWM") == 2048 * 1024
    assert status_bytes(status, "VmRSS") == 1024 * 1024
    with pytest.raises(ProcessFailed):
        status_bytes("", "VmRSS")


def test_the_no_op_route_takes_any_body_and_is_gone_after_the_block(tmp_path: Path) -> None:
    with HttpProcess("bench.no_op", log=tmp_path / "log") as no_op:
        body = request("POST", "/v0/events?name=messages", body=b"x" * 1_000_000)
        load = run_load(no_op.port, [body], connections=2, status=200, count=10)
        assert load.requests == 10
        assert no_op.resident_bytes > 1_000_000
        time.sleep(0.02)
        assert no_op.cpu_seconds > 0
    assert no_op.popen.returncode is not None


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match="no_such_module"):
        HttpProcess("bench.no_such_module", log=tmp_path / "log")


def test_the_raw_engine_inserts_all_rows_in_blocks(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(b"".join(rows(2500)))
    (tmp_path / "messages.datasource").write_bytes(_DATA_SOURCE)
    arguments = [f"--{name}={tmp_path / name}" for name in ("folder", "rows")]
    source = f"--datasource={tmp_path / 'messages.datasource'}"
    with Worker("bench.raw_engine", *arguments, source, log=tmp_path / "log") as raw:
        answer = raw.ask(table="messages", block_rows=1000, rows=2500)
        again = raw.ask(table="messages", block_rows=1000, rows=2500)
        assert answer["rows"] == again["rows"] == 2500
        assert 0 < answer["cpu_seconds"] < 60
    assert raw.popen.returncode == 0


def test_a_worker_that_ended_says_why(tmp_path: Path) -> None:
    with Worker("bench.raw_engine", log=tmp_path / "log") as raw:
        raw.popen.wait(60)
        with pytest.raises(ProcessFailed, match="--folder"):
            raw.ask(table="messages")


def test_every_case_of_the_writes_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert json.dumps(names[0]) == '"1 row, wait=false"'
