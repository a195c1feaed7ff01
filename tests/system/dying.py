"""A `stonechat` that kills itself at a step of a deployment, or of a job. Run by `test_deployment_crashes` and
`test_job_crashes`.

    python -m tests.system.dying serve ...

A step is what the thread of a deployment, or another that STONECHAT_TEST_THREAD names, asks of the engine or the store.
They are counted while the file is there that STONECHAT_TEST_STEPS names, whose first line is the number of the step
before which the process ends, or 0. The steps before it are written behind that.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stonechat.importing import quick_imports

with quick_imports():
    import sqlalchemy as sa

    from stonechat.cli.main import run
    from stonechat.engine.chdb import ChdbEngine
    from stonechat.state import StateStore


_THREAD = os.environ.get("STONECHAT_TEST_THREAD", "deployment")


_FILE = Path(os.environ["STONECHAT_TEST_STEPS"])


def _take(step: str) -> None:
    if threading.current_thread().name != _THREAD or not _FILE.exists():
        return
    last, *taken = _FILE.read_text().splitlines()
    if len(taken) + 1 == int(last):
        os.kill(os.getpid(), signal.SIGKILL)
    with _FILE.open("a") as file:
        file.write(step.replace("\n", " ")[:100] + "\n")


def _count_steps() -> None:
    command, transaction = ChdbEngine.command, StateStore.transaction

    def counted_command(self: ChdbEngine, statement: str, *, database: str = "default", query_id: str = "") -> None:
        _take(statement)
        command(self, statement, database=database, query_id=query_id)

    @contextmanager
    def counted_transaction(self: StateStore) -> Iterator[sa.Connection]:
        _take("begin")
        with transaction(self) as connection:
            yield connection
            _take("commit")

    ChdbEngine.command = counted_command  # type: ignore[method-assign]
    StateStore.transaction = counted_transaction  # type: ignore[method-assign]


if __name__ == "__main__":
    _count_steps()
    run()
