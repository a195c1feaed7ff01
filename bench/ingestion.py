"""Writes: the Events API by request size, against a no-op route and against chDB's own `send_insert` of the same bytes.

A measurement ends when everything that was sent is committed: the CPU per row has the check, the log and the insert in
it, and the rows are counted. The merges are left out on both sides, and told apart: how many run by then depends on the
time and on the rounds before. Every round measures a case and its references one after the other, so that a ratio's two
sides saw the same machine; the medians of the rounds are reported.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench import freshness
from bench.load import request, run_load
from bench.processes import HttpProcess, Stonechat, Worker, median
from bench.rows import blocks, rows
from bench.tables import Table

ROWS = 200_000
_ROUNDS = 3
_SECONDS = 2.0
_NO_OP_SECONDS = 1.0
_MOST_REQUESTS = 2000
_LARGE_BLOCK = 100_000


@dataclass(frozen=True, slots=True)
class Case:
    """Requests of one size. `reference_rows` is how many rows the reference inserts in blocks of that size."""

    rows: int
    connections: int
    wait: bool
    reference_rows: int

    @property
    def name(self) -> str:
        """The case as the tables call it."""
        return f"{self.rows:,} row{'s' if self.rows > 1 else ''}, wait={str(self.wait).lower()}"


CASES = (
    Case(1, 64, wait=False, reference_rows=200),
    Case(1, 64, wait=True, reference_rows=200),
    Case(100, 16, wait=False, reference_rows=20_000),
    Case(10_000, 2, wait=False, reference_rows=ROWS),
    Case(10_000, 2, wait=True, reference_rows=ROWS),
    Case(_LARGE_BLOCK, 2, wait=False, reference_rows=ROWS),
)


class LostRows(Exception):
    """The data source has not just the rows that were acknowledged."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a case; CPU in microseconds per row, latencies in milliseconds, rates per second.

    `peak_bytes` is the most memory that the server held during the round.
    """

    requests: float
    rows: float
    no_op_requests: float
    no_op_cpu: float
    cpu: float
    merging_cpu: float
    equal_blocks_cpu: float
    large_blocks_cpu: float
    log_cpu: float
    p50: float
    p99: float
    peak_bytes: int


def measure(folder: Path, server: Stonechat, no_op: HttpProcess, data_source: str) -> Sequence[Table]:
    """Run all cases against a server, which gets a project of just that data source. `folder` is for the reference."""
    server.deploy({"datasources/messages.datasource": data_source})
    lines = list(rows(ROWS))
    row_file, source_file = folder / "rows.ndjson", folder / "messages.datasource"
    row_file.write_bytes(b"".join(lines))
    source_file.write_text(data_source)
    arguments = ("--folder", str(folder / "raw"), "--rows", str(row_file), "--datasource", str(source_file))
    log_arguments = ("--folder", str(folder / "log"), "--rows", str(row_file))
    with (
        Worker("bench.raw_engine", *arguments, log=folder / "raw.log") as raw,
        Worker("bench.log_alone", *log_arguments, log=folder / "log-alone.log") as log,
    ):
        sides = _Sides(server, no_op, raw, log)
        results = {case: _rounds(case, lines, sides) for case in CASES}
    return [_stonechat_table(results), freshness.measure(server, lines), _reference_table(results)]


@dataclass(frozen=True, slots=True)
class _Sides:
    """What is measured, and its references."""

    server: Stonechat
    no_op: HttpProcess
    raw: Worker
    log: Worker


def _rounds(case: Case, lines: Sequence[bytes], sides: _Sides) -> Sequence[Round]:
    path = f"/v0/events?name=messages&wait={str(case.wait).lower()}"
    bodies = islice(blocks(iter(lines), case.rows), _MOST_REQUESTS)
    requests = [request("POST", path, body=body, token=sides.server.token) for body in bodies]
    return [_round(case, requests, lines[0], sides) for _ in range(_ROUNDS)]


def _round(case: Case, requests: Sequence[bytes], last: bytes, sides: _Sides) -> Round:
    server, no_op, raw = sides.server, sides.no_op, sides.raw
    no_op_before = no_op.cpu_seconds
    empty = run_load(no_op.port, requests, connections=case.connections, status=200, seconds=_NO_OP_SECONDS)
    no_op_cpu = no_op.cpu_seconds - no_op_before
    server.forget_peak()
    count, merging, before, began = server.count(), server.merging_seconds, server.cpu_seconds, time.perf_counter()
    status = 200 if case.wait else 202
    load = run_load(server.port, requests, connections=case.connections, status=status, seconds=_SECONDS)
    server.send(last, wait=True)  # committed after all that came before
    cpu, seconds, sent = server.cpu_seconds - before, time.perf_counter() - began, load.requests * case.rows
    merging = server.merging_seconds - merging
    if server.count() != count + sent + 1:
        raise LostRows(f"{case.name}: {sent + 1} rows were acknowledged, {server.count() - count} are there")
    return Round(
        requests=load.rate,
        rows=sent / seconds,
        no_op_requests=empty.rate,
        no_op_cpu=no_op_cpu / empty.requests * 1e6,
        cpu=(cpu - merging) / sent * 1e6,
        merging_cpu=merging / sent * 1e6,
        equal_blocks_cpu=_raw_cpu(raw, case.rows, case.reference_rows),
        large_blocks_cpu=_raw_cpu(raw, _LARGE_BLOCK, ROWS),
        log_cpu=sides.log.ask(request_rows=case.rows, rows=case.reference_rows)["cpu_seconds"]
        / case.reference_rows
        * 1e6,
        p50=load.percentile(0.5) * 1000,
        p99=load.percentile(0.99) * 1000,
        peak_bytes=server.peak_bytes,
    )


def _raw_cpu(raw: Worker, block_rows: int, rows: int) -> float:
    """Microseconds of CPU that a row costs the engine alone, in blocks of that size, without merges."""
    return float(raw.ask(table="messages", block_rows=block_rows, rows=rows)["cpu_seconds"] / rows * 1e6)


def _stonechat_table(results: Mapping[Case, Sequence[Round]]) -> Table:
    columns = (
        "Events API, rows per request",
        "connections",
        "requests/s",
        "of no-op",
        "rows/s",
        "CPU us/row",
        "merges us/row",
        "x raw 100,000 blocks",
        "x raw equal blocks",
        "p50 ms",
        "p99 ms",
        "peak MB",
    )
    return Table("Writes", columns, [_stonechat_row(case, rounds) for case, rounds in results.items()])


def _stonechat_row(case: Case, rounds: Sequence[Round]) -> Sequence[str | float]:
    return (
        case.name,
        str(case.connections),
        median([each.requests for each in rounds]),
        median([each.requests / each.no_op_requests for each in rounds]),
        median([each.rows for each in rounds]),
        median([each.cpu for each in rounds]),
        median([each.merging_cpu for each in rounds]),
        median([each.cpu / each.large_blocks_cpu for each in rounds]),
        median([each.cpu / each.equal_blocks_cpu for each in rounds]),
        median([each.p50 for each in rounds]),
        median([each.p99 for each in rounds]),
        max(each.peak_bytes for each in rounds) / 1_000_000,
    )


def _reference_table(results: Mapping[Case, Sequence[Round]]) -> Table:
    inserts = {case.rows: [each.equal_blocks_cpu for each in rounds] for case, rounds in results.items()}
    inserts[_LARGE_BLOCK] = [each.large_blocks_cpu for rounds in results.values() for each in rounds]
    others = {case.rows: rounds for case, rounds in results.items()}
    table = []
    for size, cpu in inserts.items():
        rounds = others.get(size, ())
        rate = median([each.no_op_requests for each in rounds]) if rounds else "-"
        request_cpu = median([each.no_op_cpu for each in rounds]) if rounds else "-"
        log_cpu = median([each.log_cpu for each in rounds]) if rounds else "-"
        table.append((f"{size:,}", median(cpu), rate, request_cpu, log_cpu))
    columns = (
        "Rows per block or request",
        "send_insert CPU us/row",
        "no-op requests/s",
        "no-op CPU us/request",
        "log alone CPU us/row",
    )
    return Table("References of the writes", columns, table)
