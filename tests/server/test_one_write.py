"""An answer whose body is there when its head is leaves in one piece, and none leaves twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import select
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer
from uvicorn import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from stonechat.http.headers import Headers
from stonechat.server.one_write import OneWriteProtocol, RequestConnection

_LENGTH: Headers = [(b"content-length", b"4")]
_WHOLE = b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 4\r\n\r\nbody"


class _Noting(asyncio.Transport):
    """Where writes end: a list with one entry for each that would reach the system."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.sent.append(b"".join(list_of_data))


def _cycle(transport: _Noting, *, method: str = "GET", keep_alive: bool = True) -> RequestResponseCycle:
    """A request that waits for its answer, as uvicorn has it; `ended` is in what was sent once it has."""
    logger = logging.getLogger("uvicorn.error")
    return RequestResponseCycle(
        scope={"type": "http", "method": method},  # type: ignore[typeddict-item]
        transport=transport,
        flow=FlowControl(transport),
        logger=logger,
        access_logger=logger,
        access_log=False,
        default_headers=[(b"date", b"now")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: transport.sent.append(b"ended"),
    )


@pytest.mark.parametrize("size", [4, 1_000_000])
def test_a_head_and_its_body_are_one_write_which_ends_the_request(size: int) -> None:
    transport = _Noting()
    cycle = _cycle(transport)
    connection = RequestConnection(cycle)
    head = connection.head(200, [(b"content-length", b"%d" % size)])
    assert head is not None
    assert connection.send(head + b"\r\n", b"x" * size)
    assert transport.sent == [head + b"\r\n" + b"x" * size, b"ended"]
    assert cycle.response_complete
    assert not connection.send(head + b"\r\n", b"x" * size)
    assert len(transport.sent) == 2


def test_the_head_is_the_one_that_uvicorn_writes() -> None:
    async def uvicorns() -> bytes:
        transport = _Noting()
        cycle = _cycle(transport)
        await cycle.send({"type": "http.response.start", "status": 200, "headers": _LENGTH})
        await cycle.send({"type": "http.response.body", "body": b"body"})
        return b"".join(transport.sent[:-1])

    head = RequestConnection(_cycle(_Noting())).head(200, _LENGTH)
    assert head is not None
    assert head + b"\r\nbody" == asyncio.run(uvicorns()) == _WHOLE


@pytest.mark.parametrize(
    "header",
    [
        (b"x-name", b"value\r\nset-cookie: a=b"),
        (b"x-name", b"value\nset-cookie: a=b"),
        (b"x-name", b"value\r"),
        (b"x-name\r\nx-other", b"value"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
    ],
)
def test_what_uvicorn_has_to_look_at_is_left_to_it(header: tuple[bytes, bytes]) -> None:
    assert RequestConnection(_cycle(_Noting())).head(200, [*_LENGTH, header]) is None


def _head_request(transport: _Noting) -> RequestResponseCycle:
    return _cycle(transport, method="HEAD")


def _last_request(transport: _Noting) -> RequestResponseCycle:
    return _cycle(transport, keep_alive=False)


@pytest.mark.parametrize("made", [_head_request, _last_request])
def test_requests_without_a_body_or_with_none_behind_them_go_the_usual_way(
    made: Callable[[_Noting], RequestResponseCycle],
) -> None:
    assert RequestConnection(made(_Noting())).head(200, _LENGTH) is None


def test_nothing_is_sent_to_a_caller_who_is_gone_or_has_an_answer_already() -> None:
    transport = _Noting()
    gone, begun, closed = _cycle(transport), _cycle(transport), _cycle(_Noting())
    gone.disconnected = True
    begun.response_started = True
    closed.transport.closed = True  # type: ignore[attr-defined]
    assert [RequestConnection(cycle).send(b"head", b"body") for cycle in (gone, begun, closed)] == [False] * 3
    assert transport.sent == []


def test_answers_without_a_body_arrive_and_leave_the_connection_open(module_server: RunningServer) -> None:
    with _connected(module_server) as connection:
        for _ in range(3):
            connection.sendall(b"HEAD /v0/health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 ")
            connection.sendall(b"OPTIONS /v0/sql HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 204 ")


def test_pipelined_requests_are_answered_in_order(module_server: RunningServer) -> None:
    paths = [b"/v0/health", b"/v0/nothing", b"/v0/health", b"/v0/nothing"]
    with _connected(module_server) as connection:
        connection.sendall(b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in paths))
        received = b""
        while received.count(b"HTTP/1.1 ") < len(paths):
            received += connection.recv(65536)
    assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200", b"404"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /v0/sql HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST /v0/sql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_refused_as_all_else(module_server: RunningServer, request_bytes: bytes) -> None:
    with _connected(module_server) as connection:
        connection.sendall(request_bytes)
        head, _, body = _all_of(connection).partition(b"\r\n\r\n")
    assert json.loads(body) == {"error": "Invalid HTTP request received.", "code": "SC903"}
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    for line in (b"content-type: application/json", b"connection: close", b"content-length: %d" % len(body)):
        assert line in head.split(b"\r\n")
    assert b"\r\nx-request-id: " in head


@pytest.mark.parametrize(
    ("begin", "rest", "status", "code"),
    [
        (b"GET /v0/sql?q=", b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414 ", "SC914"),
        (b"GET /v0/sql?q=", b"x" * 2_000_000, b"414 ", "SC914"),
        (b"GET /v0/sql HTTP/1.1\r\nX: ", b"x" * 2_000_000, b"431 ", "SC915"),
        (b"GET /v0/sql HTTP/1.1\r\n", b"X: y\r\n" * 400_000, b"431 ", "SC915"),
    ],
    ids=["long URL", "endless URL", "endless header", "endless headers"],
)
def test_what_comes_before_a_body_is_bounded(
    module_server: RunningServer, begin: bytes, rest: bytes, status: bytes, code: str
) -> None:
    with _connected(module_server) as connection:
        connection.sendall(begin)
        for start in range(0, len(rest), 4096):
            connection.sendall(rest[start : start + 4096])
            if select.select([connection], [], [], 0.001)[0]:
                break
        head, _, body = _all_of(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert json.loads(body)["code"] == code


def test_a_refusal_reaches_a_caller_who_is_still_sending(module_server: RunningServer) -> None:
    for _ in range(10):
        with _connected(module_server) as connection:
            connection.sendall(b"GARBAGE\r\n\r\n")
            assert select.select([connection], [], [], 10)[0]
            for _ in range(100):
                connection.sendall(b"GET /v0/health HTTP/1.1\r\n\r\n" * 100)
            received = _all_of(connection)
        assert received.startswith(b"HTTP/1.1 400 ")
        assert received.count(b"HTTP/1.1") == 1


def test_what_comes_behind_a_body_is_bounded(module_server: RunningServer) -> None:
    with _connected(module_server) as connection:
        connection.sendall(b"POST /v0/sql HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 403 ")
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                connection.sendall(b"X: y\r\n" * 400)


def test_the_body_of_a_request_that_is_refused_may_be_as_long_as_it_is(module_server: RunningServer) -> None:
    with _connected(module_server) as connection:
        connection.sendall(b"POST /v0/sql HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 403 ")
        connection.sendall(b"x" * 3_000_000)
        connection.sendall(b"GET /v0/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("url", [b"/v0/sql?q=SELECT 1", "/v0/pipes/x.json?name=Müller".encode(), b"/v0/sql?q=caf\xe9"])
def test_a_url_that_should_have_been_encoded_is_told_so(module_server: RunningServer, url: bytes) -> None:
    with _connected(module_server) as connection:
        connection.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % url)
        told = json.loads(_all_of(connection).partition(b"\r\n\r\n")[2])
    assert (told["code"], told["hint"][:15]) == ("SC903", "Spaces in a URL")


def test_a_refusal_is_never_taken_for_the_answer_to_an_earlier_request(module_server: RunningServer) -> None:
    with _connected(module_server) as connection:
        connection.sendall(b"GET /v0/health HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n")
        received = _all_of(connection)
    assert b"Invalid HTTP request" not in received.partition(b"ok")[0]


_OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAA\r\n"


@pytest.mark.parametrize("offer", [_OFFER, b"Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n", b""])
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_request_that_offers_another_protocol_keeps_its_body(
    module_server: RunningServer, offer: bytes, apart: bool, chunked: bool
) -> None:
    statement = b"SELECT 'GET / HTTP/1.1' AS text FORMAT CSV"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(statement), statement) if chunked else statement
    length = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % len(body)
    token = module_server.token.encode()
    head = b"POST /v0/sql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n%b%b\r\n" % (token, offer, length)
    with _connected(module_server) as connection:
        for _ in range(2):
            for piece in (head, body) if apart else (head + body,):
                connection.sendall(piece)
                select.select([connection], [], [], 0.01)
            assert _one_answer(connection) == b'"GET / HTTP/1.1"\n'
        connection.sendall(b"GET /v0/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert json.loads(_one_answer(connection)) == {"status": "ok"}


def test_what_is_in_the_body_of_such_a_request_is_never_answered(module_server: RunningServer) -> None:
    hidden = b"GET /v0/health HTTP/1.1\r\nHost: x\r\n\r\n"
    with _connected(module_server) as connection:
        connection.sendall(b"POST /v0/sql HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (_OFFER, len(hidden)))
        assert connection.recv(65536).startswith(b"HTTP/1.1 403 ")
        connection.sendall(hidden)
        connection.sendall(b"GET /v0/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")


def test_many_offers_in_a_row_are_declined(module_server: RunningServer) -> None:
    with _connected(module_server) as connection:
        connection.sendall((b"GET /v0/health HTTP/1.1\r\n" + _OFFER + b"\r\n") * 500)
        received = b""
        while received.count(b'{"status":"ok"}') < 500:
            received += connection.recv(65536)
    assert received.count(b"HTTP/1.1 200 ") == 500


def test_nobody_is_connected_to_another_server(module_server: RunningServer) -> None:
    with _connected(module_server) as connection:
        connection.sendall(b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert _all_of(connection).startswith(b"HTTP/1.1 400 ")


def _one_answer(connection: socket.socket) -> bytes:
    """The body of an answer that has a length."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    while len(body) < length:
        body += connection.recv(65536)
    return body


def _all_of(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):  # what was sent meanwhile is never read
        while chunk := connection.recv(65536):
            received += chunk
    return received


def _connected(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


class _OfASocket(_Noting):
    """A transport of a connection that there is."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._connection if name == "socket" else default


def test_what_a_slow_caller_has_not_taken_waits_with_the_server_so_that_what_it_takes_is_seen() -> None:
    with contextlib.ExitStack() as closed:
        listening = closed.enter_context(socket.create_server(("127.0.0.1", 0)))
        closed.enter_context(socket.create_connection(listening.getsockname()))
        accepted = closed.enter_context(listening.accept()[0])
        loop = closed.enter_context(contextlib.closing(asyncio.new_event_loop()))
        config = Config(app="stonechat.http.problems:on_unexpected", log_config=None)
        OneWriteProtocol(config, ServerState(), {}, loop).connection_made(_OfASocket(accepted))
        accepted.setblocking(False)
        assert accepted.send(bytes(8_000_000)) < 1_000_000
        if sys.platform == "linux":  # which ends it when nothing of that is taken
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_requests_leave_nothing_behind_that_holds_itself(tmp_path: Path) -> None:
    module = tmp_path / "counting.py"
    module.write_text(_COUNTING)
    environment = {"PYTHONPATH": str(tmp_path)}
    server = RunningServer(
        tmp_path / "home", arguments=("serve",), environment=environment, module="counting", forked=False
    )
    with _connected(server) as connection:
        for _ in range(200):
            connection.sendall(b"GET /v0/health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert server.stop() == 0
    left = int(server.log.read_text().rpartition("cycles left: ")[2].split()[0])
    assert left < 20


_COUNTING = """
import atexit, gc
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState
from stonechat.cli.main import run
def count():
    cycles = sum(isinstance(each, RequestResponseCycle) for each in gc.get_objects())
    print("cycles left:", cycles, flush=True)
atexit.register(count)
run()
"""
