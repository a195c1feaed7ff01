"""A load client that costs little: prebuilt HTTP/1.1 requests over raw keep-alive connections."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Self, cast

import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_LONGEST_DRAIN = 60.0
_MOST_AT_ONCE = 1 << 20


class UnexpectedAnswer(Exception):
    """An answer without the status that the load expects, or a connection that broke."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one load got: `latencies` are seconds, sorted; `cpu_seconds` is what this client itself used."""

    latencies: Sequence[float]
    seconds: float
    cpu_seconds: float

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return len(self.latencies)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """The latency, in seconds, within which a share of the answers came."""
        return self.latencies[min(int(share * self.requests), self.requests - 1)]


def request(
    method: str, path: str, *, body: bytes = b"", token: str = "", headers: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a request to this machine."""
    given = {"Host": "127.0.0.1", **(headers or {})}
    if token:
        given["Authorization"] = f"Bearer {token}"
    if body:
        given["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def run_load(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    status: int,
    count: int | None = None,
    seconds: float = 60.0,
) -> Load:
    """Send the requests round and round: `count` of them, or for so many seconds, whichever ends first.

    Each connection has one request under way. Raises `UnexpectedAnswer` for any answer without `status`.
    """
    run = _Run(islice(cycle(requests), count), status, connections, time.perf_counter() + seconds)
    cpu = time.process_time()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        elapsed = runner.run(run.perform(port, connections, seconds + _LONGEST_DRAIN))
    if not run.latencies:
        raise UnexpectedAnswer("no request was sent")
    return Load(sorted(run.latencies), elapsed, time.process_time() - cpu)


class OneConnection:
    """A keep-alive connection for calls one at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_LONGEST_DRAIN)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Memory that is taken anew for each answer would be part of the time that it takes.
        self._buffer = memoryview(bytearray(_MOST_AT_ONCE))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, request: bytes) -> float:
        """Seconds from sending a request to the last byte of its answer. Raises `UnexpectedAnswer` for any but 200."""
        began = time.perf_counter()
        self._socket.sendall(request)
        received, missing = b"", 1
        while missing > 0:
            size = self._socket.recv_into(self._buffer)
            arrived = time.perf_counter()  # what this client does with an answer is no time of the server's
            if not size:
                raise UnexpectedAnswer("the connection broke")
            received += self._buffer[:size]
            missing = _missing(received)
        if not received.startswith(b"HTTP/1.1 200"):
            raise UnexpectedAnswer(received[:2000].decode(errors="replace"))
        return arrived - began


def _missing(received: bytes) -> int:
    """How many bytes of an answer are still to come; 1 where its head does not tell yet."""
    body = received.find(_HEAD_END) + len(_HEAD_END)
    return 1 if body < len(_HEAD_END) else body + content_length(received[:body]) - len(received)


@dataclass(slots=True)
class _Run:
    """What the connections of one load share."""

    requests: Iterator[bytes]
    status: int
    open: int
    deadline: float
    latencies: list[float] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    failure: UnexpectedAnswer | None = None

    async def perform(self, port: int, connections: int, limit: float) -> float:
        """Drive the connections until all are through; the seconds that it took."""
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        async with asyncio.timeout(limit):
            transports = [
                (await loop.create_connection(lambda: _Connection(self), "127.0.0.1", port))[0]
                for _ in range(connections)
            ]
            await self.ended.wait()
        elapsed = time.perf_counter() - began
        for transport in transports:
            transport.abort()
        if self.failure is not None:
            raise self.failure
        return elapsed

    def next_request(self) -> bytes | None:
        """What a connection sends next; None ends it."""
        return next(self.requests, None) if time.perf_counter() < self.deadline else None

    def finished(self, failure: UnexpectedAnswer | None = None) -> None:
        """One connection is through; the first failure ends them all."""
        self.open -= 1
        self.failure = self.failure or failure
        if self.failure or not self.open:
            self.ended.set()


class _Connection(asyncio.Protocol):
    """One keep-alive connection, one request under way."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._status_line = f"HTTP/1.1 {run.status}".encode()
        self._received = b""
        self._began = 0.0
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        arrived = time.perf_counter()  # what this client does with an answer is no time of the server's
        received = self._received = self._received + data if self._received else data
        body = received.find(_HEAD_END) + len(_HEAD_END)
        if body < len(_HEAD_END) or len(received) < body + content_length(received[:body]):
            return
        self._run.latencies.append(arrived - self._began)
        self._received = b""
        if received.startswith(self._status_line):
            self._send()
        else:
            self._finish(UnexpectedAnswer(received[:2000].decode(errors="replace")))

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(UnexpectedAnswer(f"the connection broke: {exc}"))

    def _send(self) -> None:
        request = self._run.next_request()
        if request is None:
            self._finish()
            return
        self._began = time.perf_counter()
        self._transport.write(request)

    def _finish(self, failure: UnexpectedAnswer | None = None) -> None:
        if not self._over:
            self._over = True
            self._run.finished(failure)


def content_length(head: bytes) -> int:
    """The length that a response's head announces. Raises `UnexpectedAnswer` where it announces none."""
    start = head.lower().find(_LENGTH)
    if start < 0:
        raise UnexpectedAnswer(f"an answer without a length: {head[:200]!r}")
    start += len(_LENGTH)
    return int(head[start : head.index(b"\r", start)])
