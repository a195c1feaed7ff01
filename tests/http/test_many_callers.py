"""Whatever callers do with their connections, each call is answered once, with its own rows, and recorded once."""

from __future__ import annotations

import json
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.conftest import RunningServer
from tests.waiting import until

_FILES = {
    "visits.datasource": "SCHEMA >\n    page String `json:$.page`\nENGINE MergeTree\nENGINE_SORTING_KEY page\n",
    "visits_of.pipe": (
        "NODE output\nSQL >\n    %\n    SELECT count() AS visits, {{String(page)}} AS page,\n"
        "        {{String(tag, '')}} AS tag, any(pause) AS paused FROM visits\n"
        "        CROSS JOIN (SELECT sleepEachRow({{Float64(seconds, 0)}}) AS pause)\n"
        "    WHERE page = {{String(page)}}\nTYPE endpoint\n"
    ),
}
_PATH = "/v0/pipes/visits_of.json"
_CALLERS, _TURNS = 5, 60
_COUNTED = re.compile(r'stonechat_requests_total\{method="GET",route="/v0/pipes/\{file\}",status="\d+"\} ([\d.]+)')


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with a visit of each of three pages."""
    running = RunningServer(tmp_path_factory.mktemp("callers") / "home", arguments=("serve",), environment={})
    assert running.deploy(_FILES).status_code == 200
    assert running.send("\n".join(json.dumps({"page": page}) for page in "abc"), name="visits").status_code == 200
    yield running
    assert "Traceback" not in running.log.read_text()
    assert running.stop() == 0


class _Caller:
    """Makes calls on a connection of its own, and adds events that every later call has to see.

    `visits` are those acknowledged by page, for all callers; `answered` counts the answers by request.
    """

    def __init__(self, server: RunningServer, number: int, visits: Counter[str], lock: threading.Lock) -> None:
        self._server = server
        self._number = number
        self._chance = random.Random(number)
        self._visits = visits
        self._lock = lock
        self._connection: socket.socket | None = None
        self.sent: list[str] = []
        self.answered = Counter[str]()
        self.short = 0

    def work(self) -> None:
        """Take all turns."""
        for _ in range(_TURNS):
            turn = self._chance.choice(
                [self._one, self._one, self._in_pieces, self._one_behind_the_other, self._leave, self._write]
            )
            turn()
        self._end()

    def _one(self) -> None:
        self._exchange(1, "")

    def _in_pieces(self) -> None:
        self._exchange(1, "pieces")

    def _one_behind_the_other(self) -> None:
        self._exchange(self._chance.randint(2, 4), self._chance.choice(["at once", "soon", "equal", "equal soon"]))

    def _write(self) -> None:
        page = self._chance.choice("abc")
        assert self._server.send(json.dumps({"page": page}), name="visits").status_code == 200
        with self._lock:
            self._visits[page] += 1
        self._one()

    def _leave(self) -> None:
        page, tag = self._chance.choice("abc"), self._tag()
        self._open().sendall(self._request(page, tag, "0.005"))
        time.sleep(self._chance.choice([0, 0.001, 0.004, 0.006, 0.02]))
        self._end()

    def _exchange(self, number: int, how: str) -> None:
        page, seconds = self._chance.choice("abc"), self._chance.choice(["0", "0", "0.004", "0.02"])
        with self._lock:
            least = self._visits[page]
        tags = [self._tag()] * number if "equal" in how else [self._tag() for _ in range(number)]
        requests = [self._request(page, tag, seconds) for tag in tags]
        names = self.sent[-number:]
        connection = self._open()
        if how == "pieces":
            cut = self._chance.randrange(1, len(requests[0]))
            requests = [requests[0][:cut], requests[0][cut:]]
        if how in {"at once", "equal"}:
            requests = [b"".join(requests)]
        for request in requests:
            connection.sendall(request)
            time.sleep(self._chance.choice([0, 0.0005, 0.003]))
        received = b""
        for name, tag in zip(names, tags, strict=True):
            received = self._read(received, name, page, tag, least)
        assert received == b""

    def _read(self, received: bytes, name: str, page: str, tag: str, least: int) -> bytes:
        """Check one answer; what comes behind it."""
        while not (match := re.match(rb"(HTTP/1.1 200 OK\r\n.*?)\r\n\r\n", received, re.DOTALL)):
            received += self._some()
        headers = {key.lower(): value for key, _, value in (line.partition(b": ") for line in match[1].split(b"\r\n"))}
        end = match.end() + int(headers[b"content-length"])
        while len(received) < end:
            received += self._some()
        (row,) = json.loads(received[match.end() : end])["data"]
        assert (headers[b"x-request-id"].decode(), row["page"], row["tag"]) == (name, page, tag)
        assert row["visits"] >= least
        self.answered[name] += 1
        self.short += headers[b"server-timing"].startswith((b"recognize", b"repeat"))
        return received[end:]

    def _some(self) -> bytes:
        chunk = self._open().recv(1_000_000)
        assert chunk
        return chunk

    def _tag(self) -> str:
        return self._chance.choice(["", "one", "two", f"{self._number}.{len(self.sent)}"])

    def _request(self, page: str, tag: str, seconds: str) -> bytes:
        name = f"{self._number}.{len(self.sent)}"
        self.sent.append(name)
        return (
            f"GET {_PATH}?page={page}&tag={tag}&seconds={seconds} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {self._server.token}\r\nX-Request-Id: {name}\r\n\r\n"
        ).encode()

    def _open(self) -> socket.socket:
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._server.port), timeout=20)
        return self._connection

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _counted(server: RunningServer) -> int:
    return sum(int(float(found)) for found in _COUNTED.findall(server.request("GET", "/metrics").text))


def _recorded(server: RunningServer, number: int) -> list[str]:
    """The requests of the calls that are recorded, once there are so many: what is recorded may take seconds."""
    statement = "SELECT request_id FROM tinybird.pipe_stats_rt WHERE pipe_name = 'visits_of'"
    rows = until(lambda: rows if len(rows := server.sql(statement)) >= number else [])
    return sorted(str(row["request_id"]) for row in rows)


def test_each_call_is_answered_once_with_what_was_acknowledged_and_recorded_once(server: RunningServer) -> None:
    visits, lock = Counter("abc"), threading.Lock()
    callers = [_Caller(server, number, visits, lock) for number in range(_CALLERS)]
    with ThreadPoolExecutor(_CALLERS) as threads:
        list(threads.map(_Caller.work, callers))
    sent = sorted(name for caller in callers for name in caller.sent)
    assert {each for caller in callers for each in caller.answered.values()} == {1}
    assert sum(caller.short for caller in callers) > len(sent) / 10
    until(lambda: _counted(server) >= len(sent))  # of those that have left, some are told so after a while
    assert _counted(server) == len(sent)
    assert _recorded(server, len(sent)) == sent


def test_a_call_is_counted_once_its_answer_is_there(server: RunningServer) -> None:
    tags: list[str] = []
    timings: set[str] = set()
    for number in range(1, 61):  # twenty calls, which are new, then kept, and then known
        headers = {"If-None-Match": ", ".join(tags[:20])} if number > 40 else {}
        answer = server.request("GET", _PATH, params={"page": f"{number % 20}", "tag": "counted"}, headers=headers)
        assert answer.status_code == (304 if number > 40 else 200)
        tags.append(answer.headers["etag"])
        timings.add(answer.headers["server-timing"].partition(";")[0])
        assert _counted(server) == number
    assert timings == {"find", "recognize", "repeat"}
    assert len(_recorded(server, 60)) == 60
