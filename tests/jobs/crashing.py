"""A server that runs one copy, and kills itself on the way. Run by `test_copy_crashes`.

    python -m tests.jobs.crashing HOME MODE [STEP COUNT | SECONDS]

At the first start it deploys a project and asks for a copy in that mode, of rows that differ from attempt to attempt.
It ends when no job is left, with what the tables hold as a JSON line. STEP is `before` or `after` the COUNT-th
statement that moves rows.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from stonechat.importing import quick_imports

with quick_imports():
    import structlog

    from stonechat.engine.chdb import ChdbEngine
    from stonechat.engine.contract import Fill, QueryResult
    from stonechat.jobs import staging
    from stonechat.jobs.copy_orders import CopyOrder, copy_job, copy_pipe
    from stonechat.server import parts as composition
    from stonechat.server.serving import Server
    from stonechat.settings import Settings

ROWS = 3500
BEFORE = 100
PROJECT = {
    "datasources/numbers.datasource": "SCHEMA >\n    n UInt64,\n    attempt UInt64\nENGINE MergeTree\n"
    "ENGINE_PARTITION_KEY n % 3\nENGINE_SORTING_KEY n\n",
    "datasources/sums.datasource": "SCHEMA >\n    m UInt8,\n    total UInt64,\n    rows UInt64\n"
    "ENGINE SummingMergeTree\nENGINE_SORTING_KEY m\n",
    "view.pipe": "NODE sums_of\nSQL >\n    SELECT n % 2 AS m, sum(n) AS total, count() AS rows FROM numbers "
    "GROUP BY m\nTYPE materialized\nDATASOURCE sums\n",
    # Whatever is read again after a kill would show another number of attempts.
    "copy.pipe": "NODE found\nSQL >\n    %\n    SELECT number AS n, "
    "toUInt64(toUnixTimestamp64Nano(now64(9))) AS attempt FROM numbers({{UInt64(rows)}})\n"
    "TYPE copy\nTARGET_DATASOURCE numbers\n",
}


class DyingEngine(ChdbEngine):
    """Kills the process before or after a statement that moves rows."""

    step = ""
    left = 0

    def fill(self, fill: Fill) -> QueryResult:
        """Fill, unless it dies."""
        _pass("before")
        result = super().fill(fill)
        _pass("after")
        return result

    def command(self, statement: str, *, database: str = "default", query_id: str = "") -> None:
        """Run a statement, unless it dies of a swap."""
        if statement.startswith("EXCHANGE"):
            _pass("before")
        super().command(statement, database=database, query_id=query_id)
        if statement.startswith("EXCHANGE"):
            _pass("after")


def _pass(step: str) -> None:
    if step == DyingEngine.step:
        DyingEngine.left -= 1
        if DyingEngine.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _die_after(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def main(home: Path, mode: str, ends: list[str]) -> None:
    """Serve until all jobs have ended, or the process has."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    vars(composition)["ChdbEngine"] = DyingEngine
    staging._CHUNK_ROWS = 1000
    with Server(Settings(home=home, telemetry=False)) as server:
        live = server.workspaces.default
        workspace = live.snapshot.workspace.id
        if not live.snapshot.project.pipes:
            server.workspaces.deployer(workspace).deploy(PROJECT)
            table = live.snapshot.table("numbers")
            server.engine.command(f"INSERT INTO {table} SELECT number + 1000000, 0 FROM numbers({BEFORE})")
        if not server.jobs.listed(workspace):
            if len(ends) == 2:
                DyingEngine.step, DyingEngine.left = ends[0], int(ends[1])
            elif ends:
                threading.Thread(target=_die_after, args=(float(ends[0]),), daemon=True).start()
            pipe = copy_pipe(live.snapshot, "copy")
            order = CopyOrder.checked(live.snapshot, pipe, {"rows": str(ROWS)}, mode)
            server.jobs.submit(copy_job(live.snapshot, pipe, order))
        for job in server.jobs.listed(workspace):
            server.jobs.wait(job)
        print(json.dumps(_found(server, workspace)))  # noqa: T201 - what the test reads


def _found(server: Server, workspace: str) -> dict[str, object]:
    database = server.workspaces.default.snapshot.workspace.database
    (rows,) = server.engine.fetch(
        "SELECT count() AS rows, uniqExact(n) AS n, uniqExactIf(attempt, attempt > 0) AS attempts FROM numbers",
        database=database,
    )
    (view,) = server.engine.fetch("SELECT sum(total) AS n, sum(rows) AS rows FROM sums", database=database)
    staged = server.engine.fetch("SELECT name FROM system.databases WHERE startsWith(name, 'staging_')")
    jobs = [str(job.status) for job in server.jobs.listed(workspace)]
    return {"rows": rows, "view": view, "staged": len(staged), "jobs": jobs}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
