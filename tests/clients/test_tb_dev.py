"""`tb dev` watches a project and builds it anew at each change."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.conftest import Tb

_BROKEN = "NODE wrong\nSQL >\n    SELECT nothing FROM orders\nTYPE endpoint\n"


class Watching:
    """`tb dev` while it runs."""

    def __init__(self, tb: Tb, log: Path) -> None:
        self._log = log
        self._seen = 0
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                ["tb", "dev"],
                cwd=tb.folder,
                env={**tb.environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def prints(self, *texts: str, seconds: float = 30) -> None:
        """Wait until it has printed these texts since it was last asked."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            new = self._log.read_text()[self._seen :]
            if all(text in new for text in texts):
                self._seen += len(new)
                return
            time.sleep(0.1)
        pytest.fail(f"{texts} were not printed:\n{self._log.read_text()[self._seen :]}")


@pytest.fixture
def watching(tb: Tb, tmp_path: Path) -> Iterator[Watching]:
    """`tb dev` over the project, ended after the test."""
    watching = Watching(tb, tmp_path / "dev.log")
    yield watching
    watching.process.send_signal(signal.SIGINT)
    watching.process.wait(20)


def test_changes_are_built_and_faults_named_while_they_are_made(tb: Tb, watching: Watching) -> None:
    watching.prints("sales.pipe created", "Build completed", "Watching for changes")
    pipe = tb.folder / "endpoints" / "customers.pipe"
    pipe.write_text(_BROKEN)
    watching.prints("customers.pipe:3:", "nothing", "Rebuild failed")
    pipe.write_text(_BROKEN.replace("nothing", "customer"))
    watching.prints("customers.pipe created", "Rebuild completed")
    fixture = tb.folder / "fixtures" / "orders.ndjson"
    with fixture.open("a") as rows:
        rows.write('{"at":"2024-04-01 00:00:00","customer":"cy","amount":1,"items":[]}\n')
    watching.prints("orders.ndjson", "Rebuild completed")
    assert tb.json("sql", "SELECT count() AS customers FROM customers")["data"] == [{"customers": 4}]
