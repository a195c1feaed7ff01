"""`make run` serves, every request that it prints works, Ctrl-C ends it well, and a second time does no harm."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import REPOSITORY, free_port
from tests.docs.commands import BackgroundServer, environment_for

_ROWS = 2000


class MakeRun:
    """`make run` with folders and a port of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = 0
        port = free_port()
        self.environment = environment_for(folder, folder, port) | {"DATA": f"sample:{_ROWS}"}
        self.running: BackgroundServer | None = None

    def start(self) -> BackgroundServer:
        self._runs += 1
        output = self._folder / f"run-{self._runs}.log"
        self.running = BackgroundServer("make run", REPOSITORY, self.environment, output)
        return self.running

    def count(self) -> int:
        command = ["stonechat", "sql", "SELECT count() FROM messages FORMAT TSV"]
        ended = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=True)
        return int(ended.stdout)


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[MakeRun]:
    for tool in ("make", "curl", "bash"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    run = MakeRun(tmp_path)
    yield run
    if run.running is not None:
        run.running.stop()


def _requests(printed: str) -> list[str]:
    """The curl commands behind their titles, as they would be copied."""
    return re.findall(r"^# [^\n]+\n(curl .*?)\n\n", printed, re.MULTILINE | re.DOTALL)


def test_every_printed_request_works_and_nothing_is_loaded_twice(make_run: MakeRun) -> None:
    server = make_run.start()
    requests = _requests(server.printed)
    assert len(requests) >= 5
    assert make_run.count() == _ROWS
    for request in requests:
        command = ["bash", "-c", f"{request} -w '\\n%{{http_code}}'"]
        ended = subprocess.run(
            command, env=make_run.environment, capture_output=True, text=True, timeout=60, check=True
        )
        body, _, status = ended.stdout.rpartition("\n")
        assert status in {"200", "202"}, f"{request}\n{ended.stdout}"
        assert json.loads(body), request
    rows = make_run.count()
    server.stop()

    again = make_run.start()
    assert "nothing is loaded" in again.printed
    assert make_run.count() == rows
    again.stop()
