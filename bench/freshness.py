"""How soon an event is visible whose sender does not wait, while thousands a second come in."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from bench.processes import Stonechat, median
from bench.tables import Table

EVENTS_PER_SECOND = 5_000
_EVENTS_PER_REQUEST = 10
_SENDERS = 8
_PROBES = 200
_MS = 1000


@dataclass(slots=True)
class _Senders:
    """Threads that send events at a rate of theirs, whatever the answers take."""

    server: Stonechat
    body: bytes
    stopped: threading.Event = field(default_factory=threading.Event)
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Send until it is stopped."""
        pause = _EVENTS_PER_REQUEST * _SENDERS / EVENTS_PER_SECOND
        with httpx.Client(base_url=self.server.client.base_url, headers=self.server.client.headers) as client:
            due = time.perf_counter()
            while not self.stopped.is_set():
                client.post("/v0/events?name=messages", content=self.body).raise_for_status()
                with self.lock:
                    self.sent += _EVENTS_PER_REQUEST
                due += pause
                time.sleep(max(0.0, due - time.perf_counter()))


def measure(server: Stonechat, lines: Sequence[bytes]) -> Table:
    """Send events at the rate, and among them single ones, each of which is asked for until it is there."""
    senders = _Senders(server, b"".join(lines[:_EVENTS_PER_REQUEST]))
    threads = [threading.Thread(target=senders.run) for _ in range(_SENDERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(1)
    try:
        probes = [_probe(server, lines[0], number) for number in range(_PROBES)]
    finally:
        senders.stopped.set()
        for thread in threads:
            thread.join()
    rate = senders.sent / (time.perf_counter() - began)
    visible, asked = sorted(seconds for seconds, _ in probes), [query for _, query in probes]
    p99 = visible[int(0.99 * len(visible))]
    columns = ("Events/s beside", "p50 ms", "p99 ms", "of which the query that saw it, p50 ms")
    return Table(
        "Freshness without wait", columns, [(f"{rate:,.0f}", *(x * _MS for x in (median(visible), p99, median(asked))))]
    )


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
