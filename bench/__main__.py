"""`python -m bench`: everything that is measured, in one run. The tables go to standard output, progress to stderr."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench import checking, deployments, endpoints, ingestion, rendering, soak
from bench import files as files_of_rows
from bench.processes import HttpProcess, Stonechat, Worker
from bench.rows import rows
from bench.tables import Table
from stonechat.starters.catalog import template_files

_DATA_SOURCE = "datasources/messages.datasource"
_MB = 1_000_000


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Stonechat against named references.")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, as in docs/reference/benchmarks.md")
    parser.add_argument("--writes", action="store_true", help="measure the writes alone")
    parser.add_argument("--reads", action="store_true", help="measure the reads alone")
    parser.add_argument(
        "--soak", type=float, default=0, metavar="SECONDS", help="full load for so long, and nothing else"
    )
    parser.add_argument(
        "--deployment", type=int, default=0, metavar="ROWS", help="change a table of so many rows, and nothing else"
    )
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the start", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="stonechat-bench-") as folder:
        if options.deployment:
            tables = _deployment(Path(folder), options.deployment)
        elif options.soak:
            tables = _soak(Path(folder), options.soak)
        else:
            tables = run(Path(folder), writes=not options.reads, reads=not options.writes)
    print("\n\n".join(table.markdown() if options.markdown else table.text() for table in tables))


def _soak(folder: Path, seconds: float) -> list[Table]:
    with Stonechat(folder / "writes") as server:
        server.deploy({_DATA_SOURCE: _messaging()[_DATA_SOURCE]})
        return [soak.measure(server, list(rows(ingestion.ROWS)), seconds)]


def _deployment(folder: Path, count: int) -> list[Table]:
    files = _messaging()
    with Stonechat(folder / "deployment") as server:
        server.deploy(files)
        return [deployments.measure(server, files, list(rows(ingestion.ROWS)), count)]


def run(folder: Path, *, writes: bool = True, reads: bool = True) -> list[Table]:
    """Measure writes, then reads; the processes and their data live in `folder`."""
    tables: list[Table] = []
    process: list[tuple[str, float]] = []
    with HttpProcess("bench.no_op", log=folder / "no-op.log") as no_op:
        if writes:
            tables += _writes(folder, no_op, process, imports=reads)
        if reads:
            tables += _reads(folder, no_op, process)
    return [*tables, Table("The process", ("What", "Measured"), process)]


def _writes(folder: Path, no_op: HttpProcess, process: list[tuple[str, float]], *, imports: bool) -> list[Table]:
    schema = _messaging()[_DATA_SOURCE]
    _say("writes")
    with Stonechat(folder / "writes") as server:
        process += [
            ("ready in an empty folder, s", server.ready_seconds),
            ("memory at rest, empty, MB", server.resident_bytes / _MB),
        ]
        tables = [*ingestion.measure(folder, server, no_op, schema), checking.measure(schema)]
    if imports:
        _say("imports")
        with Stonechat(folder / "imports") as server:
            tables.append(files_of_rows.measure(folder, server, schema))
            process.append(("peak memory of the imports, MB", server.peak_bytes / _MB))
    return tables


def _reads(folder: Path, no_op: HttpProcess, process: list[tuple[str, float]]) -> list[Table]:
    files = _messaging()
    _say("messages for the reads")
    home = folder / "reads"
    with Stonechat(home) as server:
        server.deploy(files)
        cpu, rate = endpoints.load_messages(server)
        process += [("load with materialized views, CPU us/row", cpu), ("the same, rows/s", rate)]
    tables = []
    _say("reads, one after the other")
    tables.append(endpoints.measure_alone(lambda: _server_and_engine(folder, home), no_op))
    _say("reads over several connections")
    with Stonechat(home) as server:
        process += [
            (f"ready with {endpoints.MESSAGES:,} messages, s", server.ready_seconds),
            (f"memory at rest with {endpoints.MESSAGES:,} messages, MB", server.resident_bytes / _MB),
        ]
        tables.append(endpoints.measure_together(server, no_op))
        process.append(("peak memory of the reads, MB", server.peak_bytes / _MB))
    return [*tables, rendering.measure(files)]


@contextmanager
def _server_and_engine(folder: Path, home: Path) -> Iterator[tuple[Stonechat, Worker]]:
    """A server, and beside it the engine of the reference over a copy of its data as they are now."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(home, copy, symlinks=True)
    with (
        Stonechat(home) as server,
        Worker("bench.in_process", "--home", str(copy), log=folder / "in-process.log") as engine,
    ):
        yield server, engine


def _messaging() -> Mapping[str, str]:
    """The files of the messaging project that are deployed."""
    return {
        path: content.decode()
        for path, content in template_files("messaging").items()
        if path.endswith((".datasource", ".pipe"))
    }


def _say(stage: str) -> None:
    print(f"measuring: {stage}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
