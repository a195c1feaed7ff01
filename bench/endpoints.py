"""Reads: endpoints over HTTP against the same statements in process, and against a no-op route.

The references run on a copy of the data folder, so both sides are up at once, and the two take turns, call by call:
each begins after a pause of some milliseconds, and whatever else the machine does meets both. There are three of them
in turn: the statement in process, the same with composing it, and what chDB takes by itself, with its own settings.
What HTTP alone costs after such a pause is measured in turns with the statement in process. How fast an engine is also
depends on where in memory it lies, by up to 8 % from one process to the next, so both sides are started anew for every
round. No two calls of a run are the same, so no cache can answer them; one made again and again measures the cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlencode

import msgspec

from bench.load import OneConnection, request, run_load
from bench.processes import HttpProcess, Stonechat, Worker, median
from bench.tables import Table
from stonechat.starters.generator import DEFAULT_DAYS, DEFAULT_END, chunks

MESSAGES = 500_000
_CHUNK = 10_000
_PAIRS = 9
_WARM = 30
_TURNS = 60
_ROUNDS = 3
_CONNECTIONS = 8
_TOGETHER = 400
_SECONDS = 1.0
_LONGEST_SECONDS = 10.0
_SAMPLE = 500
_IDLE_SECONDS = 0.5
_IDLE_CPU = 0.02
_LONGEST_SETTLING = 15.0
#: A second after its start a server moves into large pages, which takes a tenth of a second of CPU, once.
_SETTLED_SECONDS = 1.5


class Calls:
    """Calls of an endpoint, by number, no two alike; `pipe` is empty for statements, whose calls have them as `q`."""

    def __init__(self, name: str, pipe: str, call: Callable[[int], Mapping[str, str]]) -> None:
        self.name = name
        self.pipe = pipe
        self._call = call
        self._taken = 0

    def take(self, number: int) -> Sequence[Mapping[str, str]]:
        """So many calls that were not made before."""
        first, self._taken = self._taken, self._taken + number
        return [self._call(number) for number in range(first, self._taken)]

    def requests(self, calls: Sequence[Mapping[str, str]], token: str) -> Sequence[bytes]:
        """The requests that make the calls."""
        path = f"/v0/pipes/{self.pipe}.json" if self.pipe else "/v0/sql"
        return [request("GET", f"{path}?{urlencode(call)}", token=token) for call in calls]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sides that took turns: medians of their calls in milliseconds, and milliseconds of CPU of a call of each."""

    p50: float
    other_p50: float
    cpu: float
    other_cpu: float

    @property
    def ratio(self) -> float:
        """How many times as long as the other side the first one takes."""
        return self.p50 / self.other_p50


@dataclass(frozen=True, slots=True)
class Alone:
    """An endpoint called over HTTP in one pair of processes, in turns with each of its references.

    `inside` is its statement in process, `whole` with composing it, and `plain` by chDB with its own settings; `no_op`
    is the no-op route in turns with the statement in process.
    """

    inside: Pair
    whole: Pair
    plain: Pair
    no_op: Pair


@dataclass(frozen=True, slots=True)
class Together:
    """Calls over several connections: answers per second, and of those from the cache and of the no-op route."""

    rate: float
    p99: float
    cached_rate: float
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


def measure_alone(started: Callable[[], AbstractContextManager[tuple[Stonechat, Worker]]], no_op: HttpProcess) -> Table:
    """Call every endpoint one call after the other, and run what it runs in process.

    `started` starts a server that has the messages, and an engine that answers from a copy of them.
    """
    rounds: dict[str, list[Alone]] = {}
    endpoints = messaging_calls()
    for _ in range(_PAIRS):
        with started() as (server, engine):
            time.sleep(_SETTLED_SECONDS)
            for calls in endpoints:
                rounds.setdefault(calls.name, []).append(_alone(calls, server, engine, no_op))
    return _sequential_table(rounds)


def measure_together(server: Stonechat, no_op: HttpProcess) -> Table:
    """Call every endpoint over several connections."""
    return _parallel_table(
        {calls.name: [_together(calls, server, no_op) for _ in range(_ROUNDS)] for calls in messaging_calls()}
    )


def messaging_calls() -> Sequence[Calls]:
    """Endpoints of the messaging project, called about people and times that the sample messages have."""
    sample = [msgspec.json.decode(line) for line in next(chunks(MESSAGES, seed=1, size=_CHUNK)).splitlines()]
    conversations = list(dict.fromkeys(message["conversation_id"] for message in sample))[:_SAMPLE]
    users = list(dict.fromkeys(message["sender_id"] for message in sample))[:_SAMPLE]
    return (
        Calls("SELECT 1 by /v0/sql", "", lambda number: {"q": f"SELECT 1 AS one, {number} AS call FORMAT JSON"}),
        Calls(
            "get_messages_by_conversation, 50 messages",
            "get_messages_by_conversation",
            lambda number: _limited("conversation_id", conversations, number),
        ),
        Calls(
            "user_messaging_stats, one user",
            "user_messaging_stats",
            lambda number: _limited("user_id", users, number),
        ),
        Calls("hourly_activity, 7 days", "hourly_activity", _week),
    )


def _limited(parameter: str, values: Sequence[str], number: int) -> Mapping[str, str]:
    """A call about one of the values; when all had their turn, it goes on with a larger limit."""
    turn, index = divmod(number, len(values))
    return {parameter: values[index], "limit": str(50 + turn)}


def _week(number: int) -> Mapping[str, str]:
    """The bounds of a week, each time one that begins an hour later; when all had their turn, each a quarter longer."""
    turn, hours = divmod(number, 24 * (DEFAULT_DAYS - 8))
    start = DEFAULT_END - timedelta(days=DEFAULT_DAYS) + timedelta(hours=hours)
    return {"start_date": _time(start), "end_date": _time(start + timedelta(days=7, minutes=15 * turn, seconds=-1))}


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _alone(calls: Calls, server: Stonechat, engine: Worker, no_op: HttpProcess) -> Alone:
    # An idle process has lost its place in the caches, and on some machines its memory: neither side begins cold.
    warm = calls.take(_WARM)
    run_load(server.port, calls.requests(warm, server.token), connections=1, status=200, count=_WARM)
    engine.ask(pipe=calls.pipe, calls=warm)
    with OneConnection(server.port) as connection, OneConnection(no_op.port) as nothing:

        def http(call: Mapping[str, str]) -> float:
            return connection.call(*calls.requests([call], server.token))

        def empty(call: Mapping[str, str]) -> float:
            return nothing.call(*calls.requests([call], server.token))

        def within(call: Mapping[str, str], **how: bool) -> tuple[float, float]:
            answer = engine.ask(pipe=calls.pipe, calls=[call], **how)
            return answer["latencies"][0], answer["cpu_seconds"]

        return Alone(
            inside=_in_turns(calls.take(_TURNS), server, http, within),
            whole=_in_turns(calls.take(_TURNS), server, http, partial(within, composes=True)),
            plain=_in_turns(calls.take(_TURNS), server, http, partial(within, plain=True)),
            no_op=_in_turns(calls.take(_TURNS // 2), no_op, empty, within),
        )


def _in_turns(
    calls: Sequence[Mapping[str, str]],
    process: HttpProcess,
    first: Callable[[Mapping[str, str]], float],
    other: Callable[..., tuple[float, float]],
) -> Pair:
    """Make each call on both sides, one after the other; the first one is a process."""
    before = process.cpu_seconds
    costs = [(first(call), *other(call)) for call in calls]
    cpu = process.cpu_seconds - before
    firsts, others, others_cpu = zip(*costs, strict=True)
    return Pair(
        p50=median(firsts) * 1000,
        other_p50=median(others) * 1000,
        cpu=cpu / len(calls) * 1000,
        other_cpu=sum(others_cpu) / len(calls) * 1000,
    )


def _together(calls: Calls, server: Stonechat, no_op: HttpProcess) -> Together:
    requests = calls.requests(calls.take(_TOGETHER), server.token)
    load = run_load(
        server.port, requests, connections=_CONNECTIONS, status=200, count=_TOGETHER, seconds=_LONGEST_SECONDS
    )
    same = requests[:1]
    cached = run_load(server.port, same, connections=_CONNECTIONS, status=200, seconds=_SECONDS)
    empty = run_load(no_op.port, same, connections=_CONNECTIONS, status=200, seconds=_SECONDS)
    return Together(load.rate, load.percentile(0.99) * 1000, cached.rate, empty.rate)


def _sequential_table(results: Mapping[str, Sequence[Alone]]) -> Table:
    columns = (
        "Endpoint",
        "p50 ms",
        "in process p50 ms",
        "x in process",
        "composed in process p50 ms",
        "x composed in process",
        "CPU ms",
        "in process CPU ms",
        "x in process CPU",
        "no-op p50 ms",
        "no-op of in process",
        "chDB alone p50 ms",
        "x chDB alone",
    )
    rows = [
        (
            name,
            median([each.inside.p50 for each in rounds]),
            median([each.inside.other_p50 for each in rounds]),
            median([each.inside.ratio for each in rounds]),
            median([each.whole.other_p50 for each in rounds]),
            median([each.whole.ratio for each in rounds]),
            median([each.inside.cpu for each in rounds]),
            median([each.inside.other_cpu for each in rounds]),
            median([each.inside.cpu / each.inside.other_cpu for each in rounds]),
            median([each.no_op.p50 for each in rounds]),
            median([each.no_op.ratio for each in rounds]),
            median([each.plain.other_p50 for each in rounds]),
            median([each.plain.ratio for each in rounds]),
        )
        for name, rounds in results.items()
    ]
    return Table(f"Reads of {MESSAGES:,} messages, one after the other", columns, rows)


def _parallel_table(results: Mapping[str, Sequence[Together]]) -> Table:
    columns = ("Endpoint", "requests/s", "p99 ms", "of no-op", "from the cache, requests/s", "cache of no-op")
    rows = [
        (
            name,
            median([each.rate for each in rounds]),
            median([each.p99 for each in rounds]),
            median([each.rate / each.no_op_rate for each in rounds]),
            median([each.cached_rate for each in rounds]),
            median([each.cached_rate / each.no_op_rate for each in rounds]),
        )
        for name, rounds in results.items()
    ]
    return Table(f"Reads over {_CONNECTIONS} connections", columns, rows)


def _settle(server: Stonechat) -> None:
    """Wait until the server has nothing left to merge, as far as its CPU time tells."""
    end = time.monotonic() + _LONGEST_SETTLING
    while time.monotonic() < end:
        before = server.cpu_seconds
        time.sleep(_IDLE_SECONDS)
        if server.cpu_seconds - before <= _IDLE_CPU:
            return
