"""Whatever happens on the short way to an answer, nobody waits for ever and none gets an answer of another."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Callable
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from stonechat.http.afterwards import Afterwards
from stonechat.http.errands import Line
from stonechat.http.origins import Received
from stonechat.server.direct_protocol import protocol_with

_REQUEST = b"GET /v0/pipes/any.json HTTP/1.1\r\nHost: x\r\n\r\n"
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"


class _Unforeseen:
    """What answers requests directly, but for one that it comes to grief with."""

    def __init__(self, good: int) -> None:
        self.afterwards = Afterwards()
        self.taken: list[Line] = []
        self._good = good

    def take(self, _received: Received, line: Line) -> bool:
        if len(self.taken) == self._good:
            raise ZeroDivisionError
        self.taken.append(line)
        return True


def _conversation(direct: Any, talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> bytes:
    """All that a server says that answers so, up to the end of the connection."""

    async def converse() -> bytes:
        loop = asyncio.get_running_loop()
        config = Config(app="stonechat.http.problems:on_unexpected", log_config=None)
        state, protocol = ServerState(), protocol_with(direct, 10)
        async with await loop.create_server(lambda: protocol(config, state, {}, loop), "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            await talk(reader, writer)
            received = await reader.read()
            writer.close()
            return received

    return asyncio.run(converse())


def _told(received: bytes) -> tuple[bytes, str]:
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head
    return head.partition(b"\r\n")[0], json.loads(body)["error"]


def test_a_request_that_nobody_foresaw_is_told_so() -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_REQUEST)

    received = _conversation(_Unforeseen(0), talk)
    assert _told(received) == (b"HTTP/1.1 500 Internal Server Error", "Internal server error")


def test_so_is_one_that_waited_behind_another() -> None:
    class Waiting(_Unforeseen):
        def take(self, received: Received, line: Line) -> bool:
            taken = super().take(received, line)
            asyncio.get_running_loop().call_soon(self.answer, line)
            return taken

        def answer(self, line: Any) -> None:
            line.data_received(_REQUEST)
            line.answer(_HEAD, b"first")

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_REQUEST)

    received = _conversation(Waiting(1), talk)
    assert received.startswith(_HEAD + b"first")
    second = received.removeprefix(_HEAD + b"first")
    assert _told(second) == (b"HTTP/1.1 500 Internal Server Error", "Internal server error")


@pytest.mark.parametrize("sends", [False, True])
def test_the_query_of_a_client_that_leaves_is_given_up_unless_it_has_been_answered(sends: bool) -> None:
    class Waiting(_Unforeseen):
        def take(self, received: Received, line: Line) -> bool:
            self.work = asyncio.get_running_loop().create_future()
            line.wait(self.work)
            outlet = line.outlet()
            assert outlet is not None
            self.work.add_done_callback(lambda _: outlet.close())
            if sends:
                outlet.send(_HEAD, b"first", lambda: None)
            return super().take(received, line)

    direct = Waiting(1)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_REQUEST)
        if sends:
            assert await reader.readexactly(len(_HEAD) + 5) == _HEAD + b"first"
        writer.write_eof()
        assert await reader.read() == b""
        assert direct.work.cancelled() == (not sends)

    _conversation(direct, talk)


def test_without_a_descriptor_left_an_answer_goes_the_way_of_the_event_loop() -> None:
    class Exhausted(_Unforeseen):
        def take(self, received: Received, line: Line) -> bool:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            try:
                assert line.outlet() is None
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            line.answer(_HEAD, b"first")
            return super().take(received, line)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_REQUEST)
        assert await reader.readexactly(len(_HEAD) + 5) == _HEAD + b"first"
        writer.write_eof()

    assert _conversation(Exhausted(1), talk) == b""


def test_what_such_a_request_began_is_no_answer_of_a_later_one() -> None:
    class Begun(_Unforeseen):
        def take(self, received: Received, line: Line) -> bool:
            self.begun = line
            return super().take(received, line)

    direct = Begun(0)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        direct.begun.answer(_HEAD, b"first")

    assert b"first" not in _conversation(direct, talk)
