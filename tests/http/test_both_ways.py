"""A request is answered, counted and recorded the same the usual way and the short one of those like earlier ones."""

from __future__ import annotations

import random
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest
from tests.conftest import RunningServer
from tests.fuzz.both_ways import FILES, ROWS, Sender, random_case
from tests.waiting import until

_FILES = {
    **FILES,
    "slow.pipe": (
        "NODE output\nSQL >\n    %\n    SELECT {{String(tag)}} AS tag,\n"
        "        max(sleepEachRow(toFloat64({{String(seconds)}}))) AS pause\n"
        "    FROM (SELECT page FROM visits LIMIT 1)\nTYPE endpoint\n"
    ),
    "sized.pipe": (
        "NODE output\nSQL >\n    %\n    SELECT {{String(tag)}} AS tag, page,\n"
        "        arrayMap(number -> hex(sipHash64(number)), range(toUInt32({{String(size)}}))) AS hashes\n"
        "    FROM (SELECT page FROM visits LIMIT 1)\nTYPE endpoint\n"
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with visits of three pages."""
    running = RunningServer(tmp_path_factory.mktemp("ways") / "home", arguments=("serve",), environment={})
    assert running.deploy(_FILES).status_code == 200
    assert running.send(ROWS, name="visits").status_code == 200
    yield running
    assert "Traceback" not in running.log.read_text()
    assert running.stop() == 0


def _warm(server: RunningServer, path: str, token: str | None = None, **headers: str) -> None:
    """Have calls of an endpoint recognized, whose paths are this one and a number."""
    numbers = count()

    def is_recognized() -> bool:
        answer = server.request("GET", f"{path}{next(numbers)}", token=token, headers=headers)
        assert answer.status_code == 200
        return answer.headers["server-timing"].startswith("recognize;")

    until(is_recognized)


def _request(server: RunningServer, path: str, lines: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n{lines}\r\n".encode()


def _statuses(server: RunningServer, tag: str, number: int) -> list[int]:
    """The statuses that calls with a tag are recorded with, once there are so many of them."""
    query = f"SELECT status_code FROM tinybird.pipe_stats_rt WHERE startsWith(parameters['tag'], '{tag}')"
    rows = until(lambda: rows if len(rows := server.sql(query)) >= number else [])
    return [row["status_code"] for row in rows]


def test_random_requests_are_answered_the_same(server: RunningServer) -> None:
    with closing(Sender(server)) as sender:
        for seed in range(60):
            sender.check(random_case(random.Random(seed)))
    assert sender.direct > sender.answered / 10


def test_what_the_usual_way_answered_is_there_for_a_request_right_behind_on_the_short_one(
    server: RunningServer,
) -> None:
    path = "/v0/pipes/pages.json?page=behind"
    _warm(server, path)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for number in range(100, 150):
            found = []
            for lines in (f"X-Other: {number}\r\n", ""):
                connection.sendall(_request(server, f"{path}{number}", lines))
                found.append(re.findall(rb"\r\nx-cache: (\w+)", connection.recv(65536)))
            assert found == [[b"miss"], [b"hit"]]


def test_a_request_that_waits_behind_an_equal_one_finds_its_answer(server: RunningServer) -> None:
    path = "/v0/pipes/slow.json?seconds=0.1&tag="
    _warm(server, path)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for number in range(100, 104):
            received = b""
            for _ in range(3):
                connection.sendall(_request(server, f"{path}{number}"))
                time.sleep(0.02)
            while received.count(b'"bytes_read"') < 3:
                received += connection.recv(65536)
            assert re.findall(rb"\r\nx-cache: (\w+)", received) == [b"miss", b"hit", b"hit"]
    assert len(_statuses(server, "10", 12)) == 12


@pytest.mark.parametrize("lines", ["Proxy-Connection: close\r\n", "Connection: keep-alive\r\nConnection: close\r\n"])
def test_a_connection_is_closed_whichever_header_asks_for_it(server: RunningServer, lines: str) -> None:
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(_request(server, f"/v0/pipes/pages.json?page={lines[0]}", lines))
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        assert b"\r\nconnection: close\r\n" in received


@pytest.mark.parametrize(
    ("known", "is_known"),
    [
        ("{}", True),
        ("STRONG", True),
        ('"other", {}', True),
        ("{},{}", True),
        ('"other", *', False),
        ('"other"\r\nIf-None-Match: {}', False),
        ('{}\r\nIf-None-Match: "other"', True),
    ],
)
def test_who_has_the_answer_is_told_so_either_way(server: RunningServer, known: str, is_known: bool) -> None:
    path = "/v0/pipes/pages.json"
    _warm(server, f"{path}?page=warm")
    etag = server.request("GET", path, params={"page": "known"}).headers["etag"]
    lines = f"If-None-Match: {known.replace('STRONG', etag[2:]).replace('{}', etag)}\r\n"
    another, wanted = (_request(server, f"{path}?page={page}", lines) for page in ("another", "known"))
    with closing(Sender(server)) as sender:
        assert "200 OK" in str(sender.answer(another).told)
        until(lambda: sender.answer(another).direct)  # what an answer shows is learned after it
        for status in (304 if is_known else 200, 200):
            short, usual = sender.answer(wanted), sender.usual(wanted)
            assert short.direct
            assert short.told == usual.told
            assert f"HTTP/1.1 {status}" in str(short.told)
            assert server.send('{"page": "more", "visitor": "v"}', name="visits").status_code == 200


def test_requests_with_very_many_headers_are_not_remembered(server: RunningServer) -> None:
    # Each header takes thirty times as much memory as it is long.
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(_request(server, "/v0/pipes/pages.json?page=many", "a:\r\n" * 120))
            assert b"\r\nserver-timing: find;" in connection.recv(65536)


def test_a_caller_who_leaves_is_recorded_as_one(server: RunningServer) -> None:
    _warm(server, "/v0/pipes/slow.json?seconds=0.01&tag=warm")
    for way, before in (("usual", b"\r\n"), ("short", b"")):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(before + _request(server, f"/v0/pipes/slow.json?seconds=2&tag=left+{way}"))
            time.sleep(0.15)
    assert _statuses(server, "left", 2) == [499, 499]


def test_each_call_is_recorded_however_soon_its_caller_leaves(server: RunningServer) -> None:
    packed = {"Accept-Encoding": "gzip"}
    _warm(server, "/v0/pipes/sized.json?size=30000&tag=warm", **packed)
    for number in range(40):  # some of them while the answer is compressed
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            path = f"/v0/pipes/sized.json?size=30000&tag=soon{number}"
            connection.sendall(_request(server, path, "Accept-Encoding: gzip\r\n"))
            time.sleep(number * 0.0007)
    assert len(_statuses(server, "soon", 40)) == 40


def test_a_call_that_turns_out_to_be_large_is_counted_once(server: RunningServer) -> None:
    _warm(server, "/v0/pipes/sized.json?size=10&tag=warm")
    scopes = [{"type": "PIPES:READ", "resource": "sized"}]
    params = {"name": "one", "expiration_time": int(time.time()) + 600}
    body = {"name": "one", "scopes": scopes, "limits": {"rps": 1}}
    token = server.request("POST", "/v0/tokens", params=params, json=body).raise_for_status().json()["token"]
    timings: list[str] = []
    for size in (10, 11, 200_000):
        time.sleep(1.05 if timings else 0)  # each is within the limit if those before it were counted once
        answer = server.request("GET", "/v0/pipes/sized.json", params={"size": size, "tag": "large"}, token=token)
        assert answer.status_code == 200
        timings.append(answer.headers["server-timing"].partition(";")[0])
    assert timings == ["find", "recognize", "find"]
