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
        if not self._printed(texts, seconds):
            pytest.fail(f"{texts} were not printed:\n{self._log.read_text()[self._seen :]}")

    def prints_after_writing(self, path: Path, text: str, *texts: str) -> None:
        """Write a file until texts are printed: `tb` says that it watches a moment before it does."""
        for _ in range(10):
            path.write_text(text)
            if self._printed(texts, 5):
                return
        self.prints(*texts, seconds=0)

    def _printed(self, texts: tuple[str, ...], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while True:
            new = self._log.read_text()[self._seen :]
            if all(text in new for text in texts):
                self._seen += len(new)
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.1)


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
    watching.prints_after_writing(pipe, _BROKEN, "customers.pipe:3:", "nothing", "Rebuild failed")
    mended = _BROKEN.replace("nothing", "customer")
    watching.prints_after_writing(pipe, mended, "customers.pipe created", "Rebuild completed")
    fixture = tb.folder / "fixtures" / "orders.ndjson"
    rows = fixture.read_text() + '{"at":"2024-04-01 00:00:00","customer":"cy","amount":1,"items":[]}\n'
    watching.prints_after_writing(fixture, rows, "orders.ndjson", "Rebuild completed")
    assert tb.json("sql", "SELECT count() AS customers FROM customers")["data"] == [{"customers": 4}]
