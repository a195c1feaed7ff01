"""How soon an event is visible whose sender does not wait, while thousands a second come in."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.load import request
from bench.processes import Stonechat, median
from bench.tables import Table

EVENTS_PER_SECOND = 5_000
_EVENTS_PER_REQUEST = 10
_SENDERS = 8
_PROBES = 200


@dataclass(slots=True)
class _Senders:
    """Connections on a thread of their own that send events at a rate, whatever the answers take."""

    port: int
    request: bytes
    stopped: bool = False
    sent: int = 0

    async def run(self) -> None:
        """Send until it is stopped."""
        await asyncio.gather(*(self._send() for _ in range(_SENDERS)))

    async def _send(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        due = time.perf_counter()
        while not self.stopped:
            writer.write(self.request)
            await reader.readuntil(b"}")
            self.sent += _EVENTS_PER_REQUEST
            due += _EVENTS_PER_REQUEST * _SENDERS / EVENTS_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        writer.close()


def measure(server: Stonechat, lines: Sequence[bytes]) -> Table:
    """Send events at the rate, and among them single ones, each of which is asked for until it is there."""
    body = b"".join(lines[:_EVENTS_PER_REQUEST])
    senders = _Senders(server.port, request("POST", "/v0/events?name=messages", body=body, token=server.token))
    thread = threading.Thread(target=lambda: asyncio.run(senders.run()))
    began = time.perf_counter()
    thread.start()
    time.sleep(1)
    try:
        probes = [_probe(server, lines[0], number) for number in range(_PROBES)]
    finally:
        senders.stopped = True
        thread.join()
    rate = senders.sent / (time.perf_counter() - began)
    visible, asked = sorted(seconds for seconds, _ in probes), [query for _, query in probes]
    p99 = visible[int(0.99 * len(visible))]
    figures = [seconds * 1000 for seconds in (median(visible), p99, median(asked))]
    columns = ("Events/s beside", "p50 ms", "p99 ms", "of which the query that saw it, p50 ms")
    return Table("Freshness without wait", columns, [(f"{rate:,.0f}", *figures)])


def _probe(server: Stonechat, line: bytes, number: int) -> tuple[float, float]:
    """Seconds from the answer to an event until a query sees it, and how many of them the last query took."""
    conversation = f"probe_{time.time_ns()}_{number}"
    start = line.index(b'"conversation_id":"') + len(b'"conversation_id":"')
    server.send(line[:start] + conversation.encode() + line[line.index(b'"', start) :], wait=False)
    accepted = time.perf_counter()
    while True:
        asked = time.perf_counter()
        query = f"SELECT count() AS rows FROM messages WHERE conversation_id = '{conversation}' FORMAT JSON"
        found = server.client.get("/v0/sql", params={"q": query}).raise_for_status().json()["data"][0]["rows"]
        now = time.perf_counter()
        if int(found):
            return now - accepted, now - asked
