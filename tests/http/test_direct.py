"""Requests that are like earlier ones get the answers that the usual way gives, each its own and each once."""

from __future__ import annotations

import itertools
import json
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from pathlib import Path

import pytest
from tests.conftest import RunningServer
from tests.waiting import until

_FILES = {
    "visits.datasource": "SCHEMA >\n    page String `json:$.page`\nENGINE MergeTree\nENGINE_SORTING_KEY page\n",
    # A query of so many seconds, over a data source, so that its answer may be kept.
    "slow.pipe": (
        "NODE output\nSQL >\n    %\n    SELECT count() AS visits, {{String(tag, '')}} AS tag,\n"
        "        repeat('x', {{UInt32(size, 1)}}) AS text, max(sleepEachRow({{Float64(seconds, 0)}})) AS pause,\n"
        "        throwIf({{UInt8(fails, 0)}} = 1, 'asked for') AS failure\n"
        "    FROM (SELECT page FROM visits LIMIT 1)\nTYPE endpoint\n"
    ),
}
_SLOW = "/v0/pipes/slow.json"
#: Seconds: the head of an answer is ready after 2 ms, and callers are watched after 50 ms.
_SOON, _LONG = 0.02, 0.2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with one visit."""
    running = RunningServer(tmp_path_factory.mktemp("ahead") / "home", arguments=("serve",), environment={})
    assert running.deploy(_FILES).status_code == 200
    assert running.send(json.dumps({"page": "a"}), name="visits").status_code == 200
    yield running
    assert running.stop() == 0


def _names(headers: object) -> set[str]:
    return {str(name).lower() for name in headers}  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [1, 5_000, 200_000])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
def test_an_answer_is_the_same_however_long_its_query_takes(server: RunningServer, size: int, encoding: str) -> None:
    answers = [
        server.request(
            "GET",
            _SLOW,
            params={"seconds": str(seconds), "size": str(size), "tag": f"{size}{encoding}"},
            headers={"Accept-Encoding": encoding, "X-Request-Id": "mine"},
        )
        for seconds in (0, _SOON, _LONG)
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert _names(answer.headers) == _names(answers[0].headers)
        assert answer.headers["x-request-id"] == "mine"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["x-cache"] == "miss"
        assert answer.headers.get("content-encoding") == answers[0].headers.get("content-encoding")
        assert re.fullmatch(r"(find;dur=.*|recognize;dur=[0-9.]+), query;dur=[0-9.]+", answer.headers["server-timing"])
        assert answer.json()["data"] == [{**answers[0].json()["data"][0]}]
        assert len(answer.json()["data"][0]["text"]) == size


def test_the_head_of_an_answer_is_ready_before_its_query_ends(server: RunningServer) -> None:
    heads = []
    for number in range(20):  # on a busy machine, some queries take longer than answers are sent ahead
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(
                f"GET {_SLOW}?seconds={_SOON}&tag=head{number} HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {server.token}\r\n\r\n".encode()
            )
            heads.append(connection.recv(65536).partition(b"\r\n\r\n")[0])
    # What only the answer knows is at its end.
    assert any(re.search(rb"\r\nserver-timing: [^\r]*\r\ncontent-length: \d+\Z", head) for head in heads)


def test_a_second_request_right_behind_finds_the_answer_kept(server: RunningServer) -> None:
    for number in range(20):
        params = {"seconds": str(_SOON), "tag": f"kept {number}"}
        first, second = (server.request("GET", _SLOW, params=params) for _ in range(2))
        assert (first.headers["x-cache"], second.headers["x-cache"]) == ("miss", "hit")
        assert (first.content, first.headers["etag"]) == (second.content, second.headers["etag"])
        known = server.request("GET", _SLOW, params=params, headers={"If-None-Match": first.headers["etag"]})
        assert known.status_code == 304


def test_callers_who_share_a_query_get_their_own_answers(server: RunningServer) -> None:
    def call(number: int) -> tuple[str, str, list[dict[str, object]]]:
        answer = server.request(
            "GET",
            _SLOW,
            params={"seconds": "0.04", "tag": f"shared {number % 3}"},
            headers={"X-Request-Id": f"{number}"},
        )
        return answer.headers["x-request-id"], answer.json()["data"][0]["tag"], answer.json()["data"]

    with ThreadPoolExecutor(12) as threads:
        for number, (request_id, tag, rows) in enumerate(threads.map(call, range(36))):
            assert (request_id, tag, len(rows)) == (str(number), f"shared {number % 3}", 1)


def test_pipelined_requests_are_answered_in_order_and_each_once(server: RunningServer) -> None:
    tags = [f"p{number}" for number in range(6)]
    requests = [
        f"GET {_SLOW}?seconds={_SOON if number % 2 else 0}&tag={tag} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {server.token}\r\n\r\n"
        for number, tag in enumerate(tags)
    ]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall("".join(requests).encode())
        received = b""
        while received.count(b'"bytes_read"') < len(tags):
            chunk = connection.recv(65536)
            assert chunk
            received += chunk
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert received.count(b"HTTP/1.1 200 OK") == len(tags)
    assert re.findall(rb'"tag": "(\w+)"', received) == [tag.encode() for tag in tags]


def test_head_has_no_body_and_failures_have_their_status(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for tag in ("h1", "h2"):
            connection.sendall(
                f"HEAD {_SLOW}?seconds={_SOON}&tag={tag} HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {server.token}\r\n\r\n".encode()
            )
            head = connection.recv(65536)
            assert head.startswith(b"HTTP/1.1 ")
            assert head.endswith(b"\r\n\r\n")
    failed = server.request("GET", _SLOW, params={"seconds": str(_SOON), "fails": "1"})
    assert failed.status_code >= 400
    assert "asked for" in failed.json()["error"]


def test_failures_of_equal_requests_behind_each_other_are_told_to_each(server: RunningServer) -> None:
    def ask(connection: socket.socket, query: str) -> list[bytes]:
        request = (
            f"GET {_SLOW}?seconds={_SOON}&{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n\r\n"
        )
        for _ in range(3):
            connection.sendall(request.encode())
            time.sleep(0.004)
        received = b""
        while len(statuses := re.findall(rb"HTTP/1.1 (\d+)", received)) < 3:
            received += connection.recv(65536)
        return statuses

    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for number in range(4):
            assert ask(connection, f"fails=0&tag=well{number}") == [b"200"] * 3
        for number in range(4):
            assert ask(connection, f"fails=1&tag=fails{number}") == [b"400"] * 3


def test_a_connection_that_its_caller_wants_closed_is_closed(server: RunningServer) -> None:
    answer = server.request(
        "GET", _SLOW, params={"seconds": str(_SOON), "tag": "close"}, headers={"Connection": "close"}
    )
    assert answer.status_code == 200
    assert answer.headers["connection"] == "close"


def test_callers_who_leave_in_the_middle_disturb_nobody(server: RunningServer) -> None:
    def leave(number: int) -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            for turn in range(number % 3 + 1):  # some ask several things at once, and wait for none
                connection.sendall(
                    f"GET {_SLOW}?seconds={_SOON}&tag=gone{number}{turn} HTTP/1.1\r\nHost: x\r\n"
                    f"Authorization: Bearer {server.token}\r\n\r\n".encode()
                )
            time.sleep(number % 10 * 0.003)

    leaving = [threading.Thread(target=leave, args=(number,)) for number in range(40)]
    for thread in leaving:
        thread.start()
    for number in range(10):
        answer = server.request("GET", _SLOW, params={"seconds": str(_SOON), "tag": f"stays {number}"})
        assert answer.json()["data"][0]["tag"] == f"stays {number}"
    for thread in leaving:
        thread.join()
    assert "Traceback" not in server.log.read_text()


def _outlets(server: RunningServer) -> int:
    """How many connections the server has twice."""
    folder = Path(f"/proc/{server.process.pid}/fd")
    found: list[str] = []
    for descriptor in folder.iterdir():
        with suppress(FileNotFoundError):  # closed since the folder was read
            found.append(str(descriptor.readlink()))
    sockets = [each for each in found if each.startswith("socket:")]
    return len(sockets) - len(set(sockets))


def test_an_answer_has_an_outlet_while_its_query_runs_and_no_longer(server: RunningServer) -> None:
    def ask(connection: socket.socket, number: int, seconds: float) -> None:
        connection.sendall(
            f"GET {_SLOW}?seconds={seconds}&tag=outlet{number} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {server.token}\r\n\r\n".encode()
        )

    def begun() -> bool:
        """Whether such a query runs, with an outlet; the first ones go the usual way."""
        ask(connection, next(numbers), 0.5)
        found = False
        while not select.select([connection], [], [], 0.01)[0]:
            found = found or _outlets(server) == 1
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        return found

    numbers = itertools.count()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        until(begun)
        until(lambda: _outlets(server) == 0)
    for number in range(3):  # nor when their callers leave
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            ask(connection, 1000 + number, 1.5)
            until(lambda: _outlets(server) == 1)
        until(lambda: _outlets(server) == 0)


def test_callers_who_share_a_query_have_one_outlet(server: RunningServer) -> None:
    numbers, found = itertools.count(), [0]

    def share() -> bool:
        """Whether all of them ask past the usual way, as the first ones do not, while there is an outlet."""
        for connection in connections:
            connection.sendall(
                f"GET {_SLOW}?seconds=0.5&tag=together{next(numbers) // 3} HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {server.token}\r\n\r\n".encode()
            )
        while not select.select([connections[2]], [], [], 0.01)[0]:
            found.append(_outlets(server))
        answers = [connection.recv(65536) for connection in connections]
        assert all(b"\r\nx-cache: miss\r\n" in answer for answer in answers)
        return max(found) > 0 and all(b"\r\nserver-timing: recognize;" in answer for answer in answers)

    with ExitStack() as opened:
        connections = [
            opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10)) for _ in range(3)
        ]
        until(share)
    assert max(found) == 1


def test_a_caller_who_reads_late_gets_all_of_an_answer(server: RunningServer) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", server.port))
        for number in range(4):
            connection.sendall(
                f"GET {_SLOW}?seconds=0.05&size=900000&tag=late{number} HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {server.token}\r\n\r\n".encode()
            )
            time.sleep(0.1)
            answer = HTTPResponse(connection)
            answer.begin()
            (row,) = json.loads(answer.read())["data"]
            assert (row["tag"], row["text"]) == (f"late{number}", "x" * 900_000)


def test_such_calls_are_recorded_with_their_status_and_cost(server: RunningServer) -> None:
    answer = server.request("GET", _SLOW, params={"seconds": str(_SOON), "tag": "recorded"})
    request_id = answer.headers["x-request-id"]
    query = f"SELECT status_code, result_rows, url FROM tinybird.pipe_stats_rt WHERE request_id = '{request_id}'"
    rows = until(lambda: server.sql(query))  # what is written a moment ago may take seconds
    assert [(row["status_code"], row["result_rows"], "tag=recorded" in str(row["url"])) for row in rows] == [
        (200, 1, True)
    ]
