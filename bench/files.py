"""Files: imports of whole files in each format, against the engine's own reading of the same file into the same table.

The CPU per row has everything in it that happens between the first byte of a request and its answer, which comes when
queries see the rows: receiving, checking each value, the log, the commit. The reference neither checks nor logs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.ingestion import LostRows
from bench.processes import Stonechat, Worker, median
from bench.rows import rows
from bench.tables import Table

ROWS = 200_000
_ROUNDS = 3
_FORMATS = {"ndjson": "JSONEachRow", "csv": "CSVWithNames", "parquet": "Parquet"}


@dataclass(frozen=True, slots=True)
class Round:
    """One import and its reference: rows per second, and CPU in microseconds per row."""

    rows: float
    cpu: float
    raw_rows: float
    raw_cpu: float


def measure(folder: Path, server: Stonechat, data_source: str) -> Table:
    """Import each file several times into a server, which gets a project of just that data source."""
    server.deploy({"datasources/messages.datasource": data_source})
    row_file, source_file = folder / "imported.ndjson", folder / "messages.datasource"
    row_file.write_bytes(b"".join(rows(ROWS)))
    source_file.write_text(data_source)
    arguments = ("--folder", str(folder / "raw-files"), "--rows", str(row_file), "--datasource", str(source_file))
    with Worker("bench.raw_engine", *arguments, log=folder / "raw-files.log") as raw:
        results = {}
        for name, form in _FORMATS.items():
            path = folder / f"messages.{name}"
            raw.ask(do="write", file=str(path), form=form, rows=ROWS)
            results[name] = path.stat().st_size, [_round(path, name, form, server, raw) for _ in range(_ROUNDS)]
    columns = (
        "Files of 200,000 rows",
        "MB",
        "rows/s",
        "CPU us/row",
        "engine alone, rows/s",
        "its CPU us/row",
        "x engine",
    )
    return Table("Imports", columns, [_row(name, size, rounds) for name, (size, rounds) in results.items()])


def _round(path: Path, name: str, form: str, server: Stonechat, raw: Worker) -> Round:
    read = raw.ask(do="read", file=str(path), form=form, table="messages")
    count, before, began = server.count(), server.cpu_seconds, time.perf_counter()
    params = {"mode": "append", "name": "messages", "format": name}
    answer = server.client.post("/v0/datasources", params=params, content=path.read_bytes(), timeout=300)
    seconds, cpu = time.perf_counter() - began, server.cpu_seconds - before
    answer.raise_for_status()
    if server.count() != count + ROWS:
        raise LostRows(f"{name}: {ROWS} rows were imported, {server.count() - count} are there: {answer.text[-500:]}")
    return Round(ROWS / seconds, cpu / ROWS * 1e6, ROWS / read["seconds"], read["cpu_seconds"] / ROWS * 1e6)


def _row(name: str, size: int, rounds: Sequence[Round]) -> Sequence[str | float]:
    return (
        name,
        size / 1e6,
        median([each.rows for each in rounds]),
        median([each.cpu for each in rounds]),
        median([each.raw_rows for each in rounds]),
        median([each.raw_cpu for each in rounds]),
        median([each.cpu / each.raw_cpu for each in rounds]),
    )
