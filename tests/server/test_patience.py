"""Who sends its request bit by bit holds no connection for ever, and who is only slow is heard to its end."""

from __future__ import annotations

import contextlib
import json
import select
import socket
from collections.abc import Iterator

import pytest
from tests.conftest import NO_TELEMETRY, RunningServer

from stonechat.server.patience import LEAST_BYTES, Awaited, Patience

_AUTHORIZED = b"POST /v0/sql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
_UPLOAD = b"POST /v0/events?name=none HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n"
_SLOW = {
    "slow.pipe": "NODE n\nSQL >\n    %\n    SELECT sleep(0.6) AS slept WHERE {{String(tag)}} != ''\n\nTYPE endpoint\n"
}


class _Sending:
    """A connection on which a request has come as far as the test says."""

    def __init__(self) -> None:
        self.state: Awaited | None = Awaited("first", in_body=False, size=0)
        self.given_up = False

    def awaited(self) -> Awaited | None:
        return self.state

    def give_up(self) -> None:
        self.given_up = True


def _given_up_after(connection: _Sending, states: list[Awaited | None], seconds: float = 15) -> float | None:
    """When a patience of 60 seconds ends for a connection that is in these states, one each so many seconds."""
    patience = Patience(60)
    for number, state in enumerate(states):
        connection.state = state
        patience.look([connection], now=number * seconds)
        if connection.given_up:
            return number * seconds
    return None


def test_a_head_has_its_time_however_much_of_it_comes() -> None:
    growing: list[Awaited | None] = [Awaited("one", in_body=False, size=20_000 * number) for number in range(20)]
    assert _given_up_after(_Sending(), growing) == 75


def test_a_body_that_comes_slowly_is_heard_to_its_end() -> None:
    least = LEAST_BYTES // 4
    slow: list[Awaited | None] = [Awaited("one", in_body=True, size=least * number) for number in range(10_000)]
    assert _given_up_after(_Sending(), slow) is None


def test_a_body_that_brings_next_to_nothing_is_not() -> None:
    trickle: list[Awaited | None] = [Awaited("one", in_body=True, size=500 * number) for number in range(20)]
    assert _given_up_after(_Sending(), trickle) == 75


def test_the_time_of_a_body_begins_behind_its_head() -> None:
    head = [Awaited("one", in_body=False, size=1)] * 4
    assert _given_up_after(_Sending(), [*head, *[Awaited("one", in_body=True, size=2)] * 20]) == 4 * 15 + 75


def test_each_request_has_a_time_of_its_own() -> None:
    begun: list[Awaited | None] = [Awaited(object(), in_body=False, size=number) for number in range(50)]
    assert _given_up_after(_Sending(), begun) is None


def test_what_the_server_takes_to_answer_is_not_counted() -> None:
    begun = Awaited("one", in_body=False, size=1)
    assert _given_up_after(_Sending(), [*[begun] * 4, None, *[begun] * 4, None, *[begun] * 4]) is None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of little patience."""
    home = tmp_path_factory.mktemp("impatient") / "home"
    environment = {**NO_TELEMETRY, "STONECHAT_REQUEST_SECONDS": "0.2"}
    server = RunningServer(home, arguments=("serve",), environment=environment)
    yield server
    assert server.stop() == 0


def _trickle(connection: socket.socket, piece: bytes) -> bytes:
    """All that the server says while it is sent a piece now and then, up to the end of the connection."""
    received = b""
    while True:
        if not select.select([connection], [], [], 0.02)[0]:
            with contextlib.suppress(ConnectionError):
                connection.sendall(piece)
            continue
        try:
            chunk = connection.recv(65536)
        except ConnectionResetError:  # what was sent meanwhile is never read
            chunk = b""
        if not chunk:
            return received
        received += chunk


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET /v0/heal", b"t"),
        (b"GET /v0/health HTTP/1.1\r\n", b"X: y\r\n"),
        (_AUTHORIZED + b"Content-Length: 900000\r\n\r\n", b"x"),
        (_AUTHORIZED + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"GET /v0/health HTTP/1.1\r\n\r\nGET /v0/he", b"a"),
        (b"POST /v0/sql HTTP/1.1\r\nContent-Length: 4\r\n\r\nSELEGET /v0/he", b"a"),
    ],
    ids=["URL", "headers", "body", "chunks", "second URL", "URL behind a body"],
)
def test_a_request_that_trickles_in_is_refused(server: RunningServer, begin: bytes, piece: bytes) -> None:
    with _connected(server) as connection:
        connection.sendall(begin.replace(b"%b", server.token.encode()))
        received = _trickle(connection, piece)
    head, _, body = received[received.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nconnection: close" in head
    assert json.loads(body)["code"] == "SC916"


@pytest.mark.parametrize("begin", [b"", b"\r\n", b"GET /v0/health HTTP/1.1\r\n\r\n\r\n"])
def test_a_connection_without_a_request_is_closed(server: RunningServer, begin: bytes) -> None:
    with _connected(server) as connection:
        connection.sendall(begin)
        received = _trickle(connection, b"\r\n" if begin else b"")
    assert received.count(b"HTTP/1.1 ") == begin.count(b"GET")


def test_the_rest_of_a_body_is_not_waited_for_once_its_request_is_answered(server: RunningServer) -> None:
    with _connected(server) as connection:
        connection.sendall(_UPLOAD)
        received = _trickle(connection, b"x")
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 403 ")


def test_a_query_may_take_longer_than_its_request(server: RunningServer) -> None:
    assert server.deploy(_SLOW).status_code == 200
    assert server.rows("/v0/pipes/slow.json", tag="first") == [{"slept": 0}]
    assert server.rows("/v0/pipes/slow.json", tag="like it") == [{"slept": 0}]


def test_connections_on_which_all_was_said_are_not_given_up(server: RunningServer) -> None:
    with _connected(server) as connection:
        for _ in range(3):
            connection.sendall(b"GET /v0/health HTTP/1.1\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert not select.select([connection], [], [], 0.5)[0]


def _connected(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)
