"""Reads: endpoints over HTTP against the same statements in process, and against a no-op route.

The reference runs on a copy of the data folder, so both sides are up at once and every round measures one after the
other. No two calls of a round are the same, so no cache can answer them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec

from bench.load import request, run_load
from bench.processes import HttpProcess, Stonechat, Worker, median
from bench.tables import Table
from stonechat.starters.generator import DEFAULT_DAYS, DEFAULT_END, chunks

MESSAGES = 500_000
_CHUNK = 10_000
_CALLS = 100
_ROUNDS = 3
_CONNECTIONS = 8
_SECONDS = 1.0
_IDLE_SECONDS = 0.5
_IDLE_CPU = 0.02
_LONGEST_SETTLING = 15.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint with calls of it; `pipe` is empty for statements, whose calls have them as `q`."""

    name: str
    pipe: str
    calls: Sequence[Mapping[str, str]]

    @property
    def path(self) -> str:
        """Where it is called."""
        return f"/v0/pipes/{self.pipe}.json" if self.pipe else "/v0/sql"


@dataclass(frozen=True, slots=True)
class Round:
    """One round: latencies and CPU in milliseconds per request, rates per second."""

    p50: float
    cpu: float
    engine_p50: float
    engine_cpu: float
    rate: float
    p99: float
    no_op_rate: float


def load_messages(server: Stonechat) -> tuple[float, float]:
    """Send the messages and wait until they are committed and merged; microseconds of CPU per row, rows per second.

    The CPU is that of check, log, insert and materialized views, without the merges after the last commit.
    """
    bodies = list(chunks(MESSAGES, seed=1, size=_CHUNK))
    before, began = server.cpu_seconds, time.perf_counter()
    for body in bodies[:-1]:
        server.send(body, wait=False)
    server.send(bodies[-1], wait=True)
    cpu, seconds = server.cpu_seconds - before, time.perf_counter() - began
    _settle(server)
    return cpu / MESSAGES * 1e6, MESSAGES / seconds


def measure(server: Stonechat, engine: Worker, no_op: HttpProcess) -> Table:
    """Call every endpoint of a server that has the messages; `engine` answers from a copy of them."""
    rows = []
    for endpoint in _endpoints():
        engine.ask(pipe=endpoint.pipe, calls=endpoint.calls[:5])
        rounds = [_round(endpoint, server, engine, no_op) for _ in range(_ROUNDS)]
        rows.append(_row(endpoint, rounds))
    columns = (
        "Endpoint",
        "p50 ms",
        "in process p50 ms",
        "x in process",
        "CPU ms",
        "in process CPU ms",
        "x in process CPU",
        f"requests/s, {_CONNECTIONS} connections",
        "of no-op",
        "p99 ms",
    )
    return Table(f"Reads of {MESSAGES:,} messages", columns, rows)


def _endpoints() -> Sequence[Endpoint]:
    """The endpoints of the messaging project, with calls about people and times that the sample messages have."""
    sample = [msgspec.json.decode(line) for line in next(chunks(MESSAGES, seed=1, size=_CHUNK)).splitlines()]
    conversations = list(dict.fromkeys(message["conversation_id"] for message in sample))[:_CALLS]
    users = list(dict.fromkeys(message["sender_id"] for message in sample))[:_CALLS]
    return (
        Endpoint("SELECT 1 by /v0/sql", "", [{"q": f"SELECT {number} AS one FORMAT JSON"} for number in range(_CALLS)]),
        Endpoint(
            "get_messages_by_conversation, 50 messages",
            "get_messages_by_conversation",
            [{"conversation_id": conversation, "limit": "50"} for conversation in conversations],
        ),
        Endpoint("user_messaging_stats, one user", "user_messaging_stats", [{"user_id": user} for user in users]),
        Endpoint("hourly_activity, 7 days", "hourly_activity", [_week(number) for number in range(_CALLS)]),
    )


def _week(number: int) -> Mapping[str, str]:
    """The bounds of the seven days that begin so many hours after the first message."""
    start = DEFAULT_END - timedelta(days=DEFAULT_DAYS) + timedelta(hours=number)
    return {"start_date": _time(start), "end_date": _time(start + timedelta(days=7, seconds=-1))}


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _round(endpoint: Endpoint, server: Stonechat, engine: Worker, no_op: HttpProcess) -> Round:
    requests = [request("GET", f"{endpoint.path}?{urlencode(call)}", token=server.token) for call in endpoint.calls]
    before = server.cpu_seconds
    alone = run_load(server.port, requests, connections=1, status=200, count=len(requests))
    cpu = server.cpu_seconds - before
    inside = engine.ask(pipe=endpoint.pipe, calls=endpoint.calls)
    together = run_load(server.port, requests, connections=_CONNECTIONS, status=200, seconds=_SECONDS)
    empty = run_load(no_op.port, requests, connections=_CONNECTIONS, status=200, seconds=_SECONDS)
    return Round(
        p50=alone.percentile(0.5) * 1000,
        cpu=cpu / alone.requests * 1000,
        engine_p50=median(inside["latencies"]) * 1000,
        engine_cpu=inside["cpu_seconds"] / len(endpoint.calls) * 1000,
        rate=together.rate,
        p99=together.percentile(0.99) * 1000,
        no_op_rate=empty.rate,
    )


def _row(endpoint: Endpoint, rounds: Sequence[Round]) -> Sequence[str | float]:
    return (
        endpoint.name,
        median([each.p50 for each in rounds]),
        median([each.engine_p50 for each in rounds]),
        median([each.p50 / each.engine_p50 for each in rounds]),
        median([each.cpu for each in rounds]),
        median([each.engine_cpu for each in rounds]),
        median([each.cpu / each.engine_cpu for each in rounds]),
        median([each.rate for each in rounds]),
        median([each.rate / each.no_op_rate for each in rounds]),
        median([each.p99 for each in rounds]),
    )


def _settle(server: Stonechat) -> None:
    """Wait until the server has nothing left to merge, as far as its CPU time tells."""
    end = time.monotonic() + _LONGEST_SETTLING
    while time.monotonic() < end:
        before = server.cpu_seconds
        time.sleep(_IDLE_SECONDS)
        if server.cpu_seconds - before <= _IDLE_CPU:
            return
