"""A `stonechat` that kills itself at a step of a deployment, or of a job. Run by `test_deployment_crashes` and
`test_job_crashes`.

    python -m tests.system.dying STEP serve ...

A step is what the thread of a deployment, or another that STONECHAT_TEST_THREAD names, asks of the engine or the store.
The process ends before step number STEP, and writes the steps before it to the file that STONECHAT_TEST_STEPS names.
"""

from __future__ import annotations

import os
import signal
import sys
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


class _Steps:
    def __init__(self, last: int, file: Path) -> None:
        self._left = last
        self._file = file

    def take(self, what: str) -> None:
        if threading.current_thread().name != _THREAD:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        with self._file.open("a") as file:
            file.write(what.replace("\n", " ")[:100] + "\n")


def _die_at(steps: _Steps) -> None:
    command, transaction = ChdbEngine.command, StateStore.transaction

    def counted_command(self: ChdbEngine, statement: str, *, database: str = "default", query_id: str = "") -> None:
        steps.take(statement)
        command(self, statement, database=database, query_id=query_id)

    @contextmanager
    def counted_transaction(self: StateStore) -> Iterator[sa.Connection]:
        steps.take("begin")
        with transaction(self) as connection:
            yield connection
            steps.take("commit")

    ChdbEngine.command = counted_command  # type: ignore[method-assign]
    StateStore.transaction = counted_transaction  # type: ignore[method-assign]


if __name__ == "__main__":
    _die_at(_Steps(int(sys.argv.pop(1)), Path(os.environ["STONECHAT_TEST_STEPS"])))
    run()
