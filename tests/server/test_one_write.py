"""The head and the body of an answer leave together, and nothing that is written is held back or lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

from tests.conftest import RunningServer, StartServer

from stonechat.server.one_write import OneWrite

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


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

    def close(self) -> None:
        self.closed = True
        self.sent.append(b"closed")


async def _written(*parts: bytes, close: bool = False) -> tuple[list[bytes], list[bytes]]:
    """What was sent at once, and what by the next turns of the loop."""
    inner = _Noting()
    transport = OneWrite(inner, asyncio.get_running_loop())
    for part in parts:
        transport.write(part)
    if close:
        transport.close()
    at_once = list(inner.sent)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return at_once, inner.sent


def test_a_head_and_its_body_are_one_write() -> None:
    at_once, all_sent = asyncio.run(_written(_HEAD, b"body"))
    assert at_once == all_sent == [_HEAD + b"body"]


def test_a_head_whose_body_is_not_there_yet_leaves_at_the_next_turn() -> None:
    at_once, all_sent = asyncio.run(_written(_HEAD))
    assert (at_once, all_sent) == ([], [_HEAD])


def test_parts_of_a_body_leave_at_once() -> None:
    at_once, all_sent = asyncio.run(_written(_HEAD, b"4\r\nbody\r\n", b"0\r\n\r\n"))
    assert at_once == all_sent == [_HEAD + b"4\r\nbody\r\n", b"0\r\n\r\n"]


def test_an_empty_body_takes_the_head_along() -> None:
    assert asyncio.run(_written(_HEAD, b""))[0] == [_HEAD]


def test_a_connection_is_closed_behind_the_head() -> None:
    assert asyncio.run(_written(_HEAD, close=True))[0] == [_HEAD, b"closed"]


def test_several_parts_leave_at_once_behind_a_head() -> None:
    async def scenario() -> list[bytes]:
        inner = _Noting()
        transport = OneWrite(inner, asyncio.get_running_loop())
        transport.write(_HEAD)
        transport.writelines((b"bo", b"dy"))
        return inner.sent

    assert asyncio.run(scenario()) == [_HEAD, b"body"]


def test_what_is_written_to_a_closed_connection_goes_nowhere() -> None:
    async def scenario() -> list[bytes]:
        inner = _Noting()
        transport = OneWrite(inner, asyncio.get_running_loop())
        transport.write(_HEAD)
        inner.close()
        transport.write(b"body")
        transport.writelines((_HEAD, b"body"))
        transport.write(_HEAD)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return inner.sent

    assert asyncio.run(scenario()) == [b"closed"]


def test_answers_without_a_body_arrive_and_leave_the_connection_open(start_server: StartServer) -> None:
    server = start_server()
    with _connected(server) as connection:
        for _ in range(3):
            connection.sendall(b"HEAD /v0/health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 ")
            connection.sendall(b"OPTIONS /v0/sql HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 204 ")


def test_pipelined_requests_are_answered_in_order(start_server: StartServer) -> None:
    server = start_server()
    paths = [b"/v0/health", b"/v0/nothing", b"/v0/health", b"/v0/nothing"]
    with _connected(server) as connection:
        connection.sendall(b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in paths))
        received = b""
        while received.count(b"HTTP/1.1 ") < len(paths):
            received += connection.recv(65536)
    assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200", b"404"]


def _connected(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)
