"""What senders and readers notice of a deployment that changes a table with many rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from bench.processes import Stonechat
from bench.tables import Table

EVENTS_PER_SECOND = 2_000
QUERIES_PER_SECOND = 50
_EVENTS_PER_REQUEST = 50
_THREADS = 8
_QUIET_SECONDS = 10.0
_LOAD_ROWS = 10_000
_POLL_SECONDS = 0.25
_MS = 1000
_MESSAGES = "datasources/messages.datasource"


class DeploymentFailed(Exception):
    """The deployment did not go live, or rows were lost or doubled."""


@dataclass(slots=True)
class _Traffic:
    """Threads that call at a rate of theirs, whatever the answers take; an answer that is an error ends the run."""

    server: Stonechat
    call: Callable[[httpx.Client, int], httpx.Response]
    per_second: float
    latencies: list[float] = field(default_factory=list)
    calls: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)
    failures: list[Exception] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Call until it is stopped."""
        pause = _THREADS / self.per_second
        client = self.server.client
        with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=60) as own:
            due = time.perf_counter()
            while not self.stopped.is_set():
                with self._lock:
                    self.calls += 1
                    number = self.calls
                began = time.perf_counter()
                try:
                    self.call(own, number).raise_for_status()
                except httpx.HTTPError as error:
                    self.failures.append(error)
                    return
                self.latencies.append(time.perf_counter() - began)
                due += pause
                time.sleep(max(0.0, due - time.perf_counter()))

    def taken(self) -> Sequence[float]:
        """The latencies since the last time, sorted; in seconds."""
        if self.failures:
            raise self.failures[0]
        latencies, self.latencies = self.latencies, []
        return sorted(latencies)


def measure(server: Stonechat, files: Mapping[str, str], lines: Sequence[bytes], rows: int) -> Table:
    """Load rows, and deploy two changes of their table under traffic."""
    _load(server, lines, rows)
    body = b"".join(lines[:_EVENTS_PER_REQUEST])

    def send(client: httpx.Client, _number: int) -> httpx.Response:
        return client.post("/v0/events?name=messages", content=body)

    def ask(client: httpx.Client, number: int) -> httpx.Response:
        statement = f"SELECT count() AS rows, {number} AS n FROM messages WHERE conversation_id = 'conv_1'"
        return client.get("/v0/sql", params={"q": f"{statement} FORMAT JSON"})

    events = _Traffic(server, send, EVENTS_PER_SECOND / _EVENTS_PER_REQUEST)
    queries = _Traffic(server, ask, QUERIES_PER_SECOND)
    source = files[_MESSAGES]
    wider = source.replace("SCHEMA >\n", "SCHEMA >\n    `mood` String `json:$.mood` DEFAULT 'none',\n")
    sorted_anew = wider.replace("conversation_id, timestamp", "sender_id, timestamp")
    with _running(events), _running(queries):
        time.sleep(1)
        found = [_row("none", _QUIET_SECONDS, events, queries, began=time.perf_counter())]
        for name, text in (("a column with a default", wider), ("another sorting key", sorted_anew)):
            for traffic in (events, queries):
                traffic.taken()
            began = time.perf_counter()
            _deploy(server, {**files, _MESSAGES: text})
            found.append(_row(name, 0.0, events, queries, began=began))
    server.send(b"".join(lines[:1]), wait=True)
    expected = rows + events.calls * _EVENTS_PER_REQUEST + 1
    if (count := server.count()) != expected:
        raise DeploymentFailed(f"{expected} rows were sent, {count} are there")
    columns = (
        "Deployment", "s", "events/s", "p50 ms", "p99 ms", "longest", "queries/s", "p50 ms", "p99 ms", "longest",
    )  # fmt: skip
    return Table(f"A deployment over {rows:,} rows", columns, found)


def _row(name: str, seconds: float, events: _Traffic, queries: _Traffic, *, began: float) -> Sequence[str | float]:
    time.sleep(seconds)
    took = time.perf_counter() - began
    sent, asked = events.taken(), queries.taken()
    rates = len(sent) * _EVENTS_PER_REQUEST / took, len(asked) / took
    return (name, took, rates[0], *_shape(sent), rates[1], *_shape(asked))


def _shape(latencies: Sequence[float]) -> tuple[float, float, float]:
    last = len(latencies) - 1
    p50, p99 = latencies[len(latencies) // 2], latencies[min(int(0.99 * len(latencies)), last)]
    return p50 * _MS, p99 * _MS, latencies[last] * _MS


@contextmanager
def _running(traffic: _Traffic) -> Iterator[None]:
    threads = [threading.Thread(target=traffic.run) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        traffic.stopped.set()
        for thread in threads:
            thread.join()
    traffic.taken()


def _load(server: Stonechat, lines: Sequence[bytes], rows: int) -> None:
    batch = b"".join(lines[:_LOAD_ROWS])
    for _ in range(rows // _LOAD_ROWS - 1):
        server.send(batch, wait=False)
    server.send(batch, wait=True)


def _deploy(server: Stonechat, files: Mapping[str, str]) -> None:
    server.deploy(files)
    while True:
        listed = server.client.get("/v1/deployments").raise_for_status().json()["deployments"]
        if len(listed) == 1:
            break
        time.sleep(_POLL_SECONDS)
    shown = server.client.get("/v0/datasources/messages.datasource").raise_for_status().text
    if shown != files[_MESSAGES]:
        raise DeploymentFailed("the deployment did not go live; see the server's log")
