"""kill -9 in the steps of jobs that change what a data source holds: each is done after the next start, and once,
however much later that is.

Each job runs to its end once to count its steps. The last ones are tried, each in a workspace of its own, but none
where a transaction begins: what is kept is then as at its end. With STONECHAT_CRASH_CYCLES all of them are tried.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import REPOSITORY, RunningServer

_ALL = "STONECHAT_CRASH_CYCLES" in os.environ
_TRIED = 2
_FILES = {
    "numbers_in.datasource": "SCHEMA >\n    `id` UInt32 `json:$.id`\n\nENGINE_SORTING_KEY id\n",
    "sums.datasource": "SCHEMA >\n    `rows` UInt64\n\nENGINE SummingMergeTree\nENGINE_SORTING_KEY tuple()\n",
    "fill.pipe": "NODE counted\nSQL >\n    SELECT count() AS rows FROM numbers_in\n"
    "TYPE materialized\nDATASOURCE sums\n",
    "copied.pipe": "NODE n\nSQL >\n    SELECT toUInt32(number) AS id FROM numbers(100)\n"
    "TYPE copy\nTARGET_DATASOURCE numbers_in\n",
}
_FORMER = "".join(f'{{"id": {number}}}\n' for number in range(1000, 1010))
_BROKEN = '{"id": "no"}\n'
_FILE = "id\n" + "".join(f"{number}\n" for number in range(100)) + "broken\n"
_REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "append": {"path": "/v1/datasources/numbers_in/append", "params": {"format": "csv"}, "content": _FILE},
    "replace": {"path": "/v1/datasources/numbers_in/replace", "params": {"format": "csv"}, "content": _FILE},
    "replace some": {
        "path": "/v1/datasources/numbers_in/replace",
        "params": {"format": "csv", "replace_condition": "id < 1005"},
        "content": _FILE,
    },
    "delete": {"path": "/v0/datasources/numbers_in/delete", "data": {"delete_condition": "id < 1005"}},
    "retry": {"path": "/v0/datasources/numbers_in/quarantine/retry"},
    "copy": {"path": "/v0/pipes/copied/copy", "params": {"_mode": "replace"}},
}
# Rows of the data source, of the target of its view, and of the quarantine, once the job is done.
_EXPECTED = {
    "append": (110, 110, 2),
    "replace": (100, 100, 2),
    "replace some": (105, 105, 2),
    "delete": (5, 10, 1),
    "retry": (10, 10, 1),
    "copy": (100, 100, 1),
}


class _Servers:
    """The lives of a server over one data folder, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "home"
        self._steps = folder / "steps"
        self._running = self._started()

    def _started(self) -> RunningServer:
        environment = {
            "STONECHAT_TEST_STEPS": str(self._steps),
            "STONECHAT_TEST_THREAD": "job",
            "STONECHAT_TELEMETRY": "false",
            "PYTHONPATH": str(REPOSITORY),
        }
        module = "tests.system.dying"
        return RunningServer(self._home, arguments=("serve",), environment=environment, module=module)

    def new_workspace(self) -> RunningServer:
        """The server that runs, as it is in a new workspace."""
        return self._running.new_workspace()

    def count_steps(self, last: int = 0) -> None:
        """From now on the steps of jobs are counted; the server dies before the last one."""
        self._steps.write_text(f"{last}\n")

    def counted(self) -> list[str]:
        """The steps since then, which are counted no more."""
        _, *steps = self._steps.read_text().splitlines()
        self._steps.unlink()
        return steps

    def start_again(self, former: RunningServer) -> RunningServer:
        """The next life of the server, as it is in the workspace of before."""
        self._running.client.close()
        self._running = self._started()
        return self._running.seen_with(former.token)

    def end(self) -> None:
        """Kill what still runs."""
        self._running.kill()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[_Servers]:
    """Servers that are ended with the test."""
    servers = _Servers(tmp_path)
    yield servers
    servers.end()


def _ended(server: RunningServer) -> dict[str, Any]:
    """The one job that there is, once it has ended."""
    for _ in range(1200):
        jobs = server.request("GET", "/v0/jobs").json()["jobs"]
        (job,) = (job for job in jobs if job["kind"] != "deployment")
        if job["status"] not in {"waiting", "working"}:
            return dict(job)
        time.sleep(0.05)
    raise AssertionError(job)


def _ask(server: RunningServer, action: str) -> bool:
    """Give a server rows and ask for the job; whether it lived on."""
    assert server.deploy(_FILES).status_code == 200
    assert server.send(_FORMER + _BROKEN, name="numbers_in").status_code == 200
    try:
        server.request("POST", **_REQUESTS[action])
    except httpx.TransportError:
        return False
    return True


def _require_done(server: RunningServer, action: str) -> None:
    job = _ended(server)
    assert job["status"] == "done", job
    counts = [server.value(f"SELECT count() FROM {name}") for name in ("numbers_in", "numbers_in_quarantine")]
    assert (counts[0], server.value("SELECT sum(rows) FROM sums"), counts[1]) == _EXPECTED[action]
    assert server.value("SELECT count() - uniqExact(id) FROM numbers_in") == 0
    assert list((server.home / "imports").iterdir()) == []


def _let_days_pass(server: RunningServer) -> None:
    """Have the files of jobs be old, as if the next start came a month later, or the clock had been set forward."""
    for path in (server.home / "imports").iterdir():
        then = path.stat().st_mtime - 30 * 24 * 3600
        os.utime(path, (then, then))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("action", _REQUESTS)
def test_a_job_that_is_killed_at_any_step_is_done_once(servers: _Servers, action: str) -> None:
    server = servers.new_workspace()
    servers.count_steps()
    assert _ask(server, action)
    _require_done(server, action)
    steps = servers.counted()
    numbers = [number for number, step in enumerate(steps, 1) if _ALL or step != "begin"]
    for step in numbers if _ALL else numbers[-_TRIED:]:
        server = servers.new_workspace()
        servers.count_steps(step)
        _ask(server, action)
        assert server.process.wait(60) != 0, steps[step - 1]
        servers.counted()
        _let_days_pass(server)
        try:
            _require_done(servers.start_again(server), action)
        except AssertionError as error:
            raise AssertionError(f"killed before step {step} of {len(steps)}: {steps[step - 1]}") from error
