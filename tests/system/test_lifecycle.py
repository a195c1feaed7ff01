"""Starting, stopping and failing: one owner per data folder, clean stops under load, and full disks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer, StartServer
from tests.forking import run
from tests.waiting import until

_SCHEMA = "SCHEMA >\n    `id` UInt64 `json:$.id`,\n    `text` String `json:$.text`\n\n"
_SOURCE = {"rows.datasource": f"{_SCHEMA}ENGINE_SORTING_KEY id\n"}


def _rows(first: int, count: int, text: str = "") -> str:
    return "\n".join(json.dumps({"id": number, "text": text}) for number in range(first, first + count))


def test_a_second_server_on_a_data_folder_says_so_and_exits(module_server: RunningServer) -> None:
    server = module_server
    second = run("stonechat", "serve", "--home", str(server.home), "--port", "1")
    assert second.returncode == 1
    assert str(server.process.pid) in second.stderr
    assert "Traceback" not in second.stderr
    assert server.client.get("/v0/health").status_code == 200


def test_a_port_that_is_taken_is_named(module_server: RunningServer, tmp_path: Path) -> None:
    server = module_server
    second = run("stonechat", "serve", "--home", str(tmp_path / "other"), "--port", str(server.port))
    assert second.returncode == 1
    assert f"127.0.0.1:{server.port}" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_free_port_that_the_server_chose_is_printed(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "stonechat", "serve", "--home", str(tmp_path / "home"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = next(line for line in process.stdout if line.startswith("Stonechat answers at "))
            assert httpx.get(f"{said.split()[-1]}/v0/health").json() == {"status": "ok"}
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_loses_nothing(start_server: StartServer, tmp_path: Path, number: int) -> None:
    server = start_server(tmp_path / "home")
    assert server.deploy(_SOURCE).status_code == 200
    acknowledged: list[int] = []

    def write(writer: int) -> None:
        headers = {"Authorization": f"Bearer {server.token}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
            for step in range(100_000):
                first = (writer * 100_000 + step) * 10
                try:
                    answer = client.post("/v0/events?name=rows", content=_rows(first, 10))
                except httpx.TransportError:
                    return
                if answer.status_code == 202:
                    acknowledged.extend(range(first, first + 10))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(acknowledged) > 1000)
    assert server.stop(number) == 0
    for thread in threads:
        thread.join()
    again = start_server(tmp_path / "home")
    stored = [row["id"] for row in again.sql("SELECT id FROM rows")]
    assert len(stored) == len(set(stored))
    assert set(acknowledged) <= set(stored)


def test_a_query_that_times_out_leaves_no_trace_in_later_answers(start_server: StartServer) -> None:
    server = start_server(STONECHAT_QUERY_SECONDS="0.5")
    assert server.deploy(_SOURCE).status_code == 200
    assert server.send(_rows(0, 1000, "mine"), name="rows").status_code == 200
    slow = "SELECT 'stale' AS text, number, sum(cityHash64(number)) OVER () FROM numbers(400000000) FORMAT JSONEachRow"

    def time_out(_: int) -> int:
        return server.request("GET", "/v0/sql", params={"q": slow}).status_code

    def read(number: int) -> list[dict[str, object]]:
        statement = {"q": f"SELECT id, text FROM rows WHERE id = {number} FORMAT JSON"}
        # On a busy machine some of these take too long, too.
        answer = until(lambda: _unless_late(server.request("GET", "/v0/sql", params=statement)))
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, object]] = answer.json()["data"]
        return rows

    with ThreadPoolExecutor(8) as threads:
        failures = list(threads.map(time_out, range(6)))
        answers = list(threads.map(read, range(500)))
    assert set(failures) <= {408, 413}
    assert answers == [[{"id": number, "text": "mine"}] for number in range(500)]


def _unless_late(answer: httpx.Response) -> httpx.Response | None:
    return None if answer.status_code == 408 else answer


def test_a_caller_that_hangs_up_frees_its_connection(start_server: StartServer) -> None:
    server = start_server(STONECHAT_QUERY_CONNECTIONS="1", STONECHAT_QUERY_SECONDS="600")
    slow = {"q": "SELECT sum(cityHash64(number, rand())) FROM numbers(100000000000) FORMAT JSON"}
    with pytest.raises(httpx.ReadTimeout):
        server.request("GET", "/v0/sql", params=slow, timeout=1.0)
    # It would go on for longer than this one waits.
    assert server.value("SELECT 1 AS one") == 1


def test_too_many_queries_are_refused_with_the_time_to_wait(start_server: StartServer) -> None:
    """One runs, one waits, and neither ends while there is a server: all others are refused."""
    server = start_server(STONECHAT_QUERY_CONNECTIONS="1", STONECHAT_QUERY_QUEUE="1", STONECHAT_QUERY_SECONDS="600")
    endless = {"q": "SELECT sum(cityHash64(number, rand())) FROM numbers(100000000000000) FORMAT JSON"}
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(server.request, "GET", "/v0/sql", params=endless, timeout=60) for _ in range(6)]
        refused = [answer.result() for answer in islice(as_completed(asked), 4)]
        server.kill()
    assert [answer.status_code for answer in refused] == [503] * 4
    assert all(answer.headers["retry-after"] == "1" for answer in refused)


def test_a_token_over_its_rate_is_told_when_to_come_back(start_server: StartServer) -> None:
    server = start_server(STONECHAT_MAX_REQUESTS_PER_SECOND="2")
    asked = {"q": "SELECT 1"}
    assert [server.request("GET", "/v0/sql", params=asked).status_code for _ in range(2)] == [200, 200]
    with ThreadPoolExecutor(8) as threads:  # more than two a second, on a busy machine, too
        answers = list(threads.map(lambda _: server.request("GET", "/v0/sql", params=asked), range(40)))
    assert {answer.status_code for answer in answers} <= {200, 429}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert refused[0].json()["code"] == "SC430"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB; needs the right to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_events_and_loses_none(start_server: StartServer, small_disk: Path) -> None:
    server = start_server(small_disk / "home")
    assert server.deploy(_SOURCE).status_code == 200
    stored = 0
    refusals: list[int] = []
    for step in range(400):
        noise = os.urandom(500).hex()
        response = server.send(_rows(step * 200, 200, noise), name="rows", wait=False)
        if response.status_code == 202:
            stored += 200
        else:
            refusals.append(response.status_code)
            assert response.json()["error"]
            if len(refusals) > 3:
                break
    assert set(refusals) == {503}
    filler = small_disk / "home" / "engine"
    assert server.client.get("/v0/health").status_code == 200
    assert filler.is_dir()
    subprocess.run(["mount", "-o", "remount,size=400m", str(small_disk)], check=True)
    until(lambda: server.value("SELECT count() FROM rows") == stored)
    assert server.send(_rows(10**9, 1, "after"), name="rows").status_code == 200


def test_dev_deploys_a_change_and_keeps_what_is_live_when_a_file_is_broken(
    start_server: StartServer, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "rows.datasource").write_text(_SOURCE["rows.datasource"])
    server = start_server(tmp_path / "home", "dev", str(folder))
    pipe = folder / "one.pipe"

    def answer() -> int:
        return server.request("GET", "/v0/pipes/one.json").status_code

    pipe.write_text("NODE n\nSQL >\n    SELECT 1 AS one\nTYPE endpoint\n")
    until(lambda: answer() == 200)
    pipe.write_text("NODE n\nSQL >\n    SELEC 1 AS one\nTYPE endpoint\n")
    until(lambda: "one.pipe:3:11" in server.log.read_text())
    assert answer() == 200
    assert server.rows("/v0/pipes/one.json") == [{"one": 1}]
    pipe.write_text("NODE n\nSQL >\n    SELECT 2 AS one\nTYPE endpoint\n")
    until(lambda: server.rows("/v0/pipes/one.json") == [{"one": 2}])
    assert server.stop(signal.SIGINT) == 0
