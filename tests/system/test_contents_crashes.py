"""kill -9 while files are imported and rows replaced, removed and deleted: each is done whole and once, or not at all.

STONECHAT_CRASH_CYCLES sets the number of kills; by default there is one in each kind of change.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from tests.conftest import RunningServer, StartServer

_ACTIONS = ["append", "replace", "append at once", "delete", "truncate"]
_CYCLES = int(os.environ.get("STONECHAT_CRASH_CYCLES", len(_ACTIONS)))
_ROWS = 60_000
"""More than one batch of an import."""
_NUMBERS = """SCHEMA >
    `id` UInt32 `json:$.id`,
    `text` String `json:$.text`

ENGINE "MergeTree"
ENGINE_PARTITION_KEY "id % 3"
ENGINE_SORTING_KEY "id"
"""
_SUMS = """SCHEMA >
    `bucket` UInt8,
    `rows` SimpleAggregateFunction(sum, UInt64),
    `total` SimpleAggregateFunction(sum, UInt64)

ENGINE "AggregatingMergeTree"
ENGINE_SORTING_KEY "bucket"
"""
_FILL = """NODE by_bucket
SQL >
    SELECT toUInt8(id % 7) AS bucket, count() AS rows, sum(id) AS total FROM numbers_in GROUP BY bucket

TYPE materialized
DATASOURCE sums
"""
_FILES = {"numbers_in.datasource": _NUMBERS, "sums.datasource": _SUMS, "fill.pipe": _FILL}


@dataclass
class _Contents:
    """What must be in the data source, in the target of its view and in the quarantine."""

    stored: list[range] = field(default_factory=list)
    summed: list[range] = field(default_factory=list)
    quarantined: int = 0
    begun: int = 0

    def request(self, server: RunningServer, action: str) -> Callable[[], httpx.Response]:
        """What asks for an action; files have ids that none had before."""
        path = "/v1/datasources/numbers_in"
        match action:
            case "delete":
                form = {"delete_condition": f"id < {self.stored[0].stop if self.stored else 0} AND text != 'no'"}
                return lambda: server.request("POST", f"{path}/delete", data=form)
            case "truncate":
                return lambda: server.request("POST", f"{path}/truncate")
        self.begun += 1
        content = _csv(self._ids)
        if action == "append at once":
            params = {"mode": "append", "name": "numbers_in"}
            return lambda: server.request("POST", "/v0/datasources", params=params, content=content)
        return lambda: server.request("POST", f"{path}/{action}", content=content)

    def take(self, action: str, job: dict[str, Any]) -> None:
        """Expect what a job that is done has to have done."""
        assert job["status"] == "done", json.dumps(job, indent=1)
        if action == "delete":
            assert job["rows_affected"] == (_ROWS if self.stored else 0), job
            self.stored = self.stored[1:]
            return
        assert (job["successful_rows"], job["invalid_lines"]) == (_ROWS, _ROWS // 1000), job
        if action == "replace":
            self.stored, self.summed = [], []
        self.quarantined += _ROWS // 1000
        self.stored.append(self._ids)
        self.summed.append(self._ids)

    def require(self, server: RunningServer) -> None:
        """Fail unless it is so, each row once."""
        (row,) = server.sql("SELECT count() AS c, uniqExact(id) AS u, sum(id) AS s FROM numbers_in")
        rows = sum(map(len, self.stored))
        assert (row["c"], row["u"], row["s"]) == (rows, rows, sum(map(sum, self.stored)))
        (row,) = server.sql("SELECT sum(rows) AS c, sum(total) AS s FROM sums")
        assert (row["c"], row["s"]) == (sum(map(len, self.summed)), sum(map(sum, self.summed)))
        assert server.value("SELECT count() FROM numbers_in_quarantine") == self.quarantined

    @property
    def _ids(self) -> range:
        return range(self.begun * _ROWS, (self.begun + 1) * _ROWS)


def _csv(ids: range) -> bytes:
    """The rows, and behind every thousandth a line that is none."""
    lines = [f"{number},{'x' * (number % 60)}\n" + "broken\n" * (number % 1000 == 0) for number in ids]
    return b"id,text\n" + "".join(lines).encode()


def _kill_during(server: RunningServer, delay: float, request: Callable[[], httpx.Response]) -> httpx.Response | None:
    """The answer to a request; None where the server was killed before it came."""
    killer = threading.Timer(delay, server.process.kill)
    killer.start()
    try:
        answer = request()
    except httpx.TransportError:
        answer = None
    killer.join()
    server.process.wait(60)
    return answer


def _settled(server: RunningServer, kind: str, before: set[str]) -> dict[str, Any] | None:
    """The job that a request has made, once it has ended; None where it made none."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        jobs = server.request("GET", "/v0/jobs", params={"kind": kind}).json()["jobs"]
        new = [job for job in jobs if job["id"] not in before]
        if not new:
            return None
        if new[0]["status"] not in {"waiting", "working"}:
            job: dict[str, Any] = new[0]
            return job
        time.sleep(0.02)
    raise AssertionError(new)


@pytest.mark.timeout(120 + 20 * _CYCLES)
def test_each_change_of_the_contents_survives_kills_whole_and_once(start_server: StartServer) -> None:
    rng = random.Random(os.environ.get("STONECHAT_CRASH_SEED", "7"))
    server = start_server()
    assert server.deploy(_FILES).status_code == 200
    contents, known = _Contents(), set[str]()
    for cycle in range(_CYCLES):
        action = _ACTIONS[cycle % len(_ACTIONS)]
        delay = rng.uniform(0.0, 0.08) if action in {"delete", "truncate"} else rng.uniform(0.0, 1.2)
        answer = _kill_during(server, delay, contents.request(server, action))
        server.client.close()
        server = start_server()
        where = f"cycle {cycle}: {action}, killed after {delay:.3f} s, answer {answer and answer.status_code}"
        print(where)  # noqa: T201 - shown when the test fails
        if action == "truncate":
            emptied = server.value("SELECT count() FROM numbers_in") == 0
            assert emptied or answer is None
            contents.stored = [] if emptied else contents.stored
        else:
            job = _settled(server, "delete_data" if action == "delete" else "import", known)
            assert job is not None or answer is None
            if job is not None:
                known.add(job["id"])
                contents.take(action, job)
        contents.require(server)


@pytest.mark.timeout(240)
def test_rows_of_a_quarantine_that_fit_by_now_survive_kills_once_each(start_server: StartServer) -> None:
    rng = random.Random(os.environ.get("STONECHAT_CRASH_SEED", "7"))
    server = start_server()
    assert server.deploy(_FILES).status_code == 200
    lines = [f"{number},{number}\n" if number % 4 else f"{number},\n{number},x,y\n" for number in range(_ROWS)]
    strict = _NUMBERS.replace(
        "`text` String `json:$.text`", "`text` String `json:$.text`,\n    `more` Int32 `json:$.more`"
    )
    assert server.deploy({**_FILES, "more.datasource": strict}).status_code == 200
    params = {"mode": "append", "name": "more"}
    answer = server.request("POST", "/v0/datasources", params=params, content="id,more\n" + "".join(lines)).json()
    assert (answer["successful_rows"], answer["invalid_lines"]) == (0, _ROWS // 4)
    relaxed = strict.replace("`more` Int32 `json:$.more`", "`more` Nullable(Int32) `json:$.more`").replace(
        "`text` String `json:$.text`", "`text` String `json:$.text` DEFAULT 'none'"
    )
    assert server.deploy({**_FILES, "more.datasource": relaxed}).status_code == 200
    assert server.value("SELECT count() FROM more_quarantine") == _ROWS * 5 // 4
    known = set[str]()
    for attempt in range(3):
        delay = rng.uniform(0.0, 0.8)
        path = "/v0/datasources/more/quarantine/retry" if attempt == 0 else "/v0/health"
        method = "POST" if attempt == 0 else "GET"
        _kill_during(server, delay, lambda m=method, p=path, s=server: s.request(m, p))  # type: ignore[misc]
        server.client.close()
        server = start_server()
    job = _settled(server, "quarantine_retry", known)
    if job is None:  # the first kill came before the job was made
        assert server.request("POST", "/v0/datasources/more/quarantine/retry").status_code == 200
        job = _settled(server, "quarantine_retry", known)
    assert job is not None
    assert (job["status"], job["successful_rows"], job["quarantined_rows"]) == ("done", _ROWS, _ROWS // 4), job
    (row,) = server.sql("SELECT count() AS c, uniqExact(id) AS u, sum(id) AS s, countIf(more = id) AS m FROM more")
    assert (row["c"], row["u"], row["s"]) == (_ROWS, _ROWS, sum(range(_ROWS)))
    assert row["m"] == _ROWS * 3 // 4
    assert server.value("SELECT count() FROM more_quarantine") == _ROWS // 4
    assert list((server.home / "imports").iterdir()) == []
