"""The unmodified clients, installed by `make test-clients` into folders of their own, against a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import REPOSITORY, RunningServer

PROJECT = Path(__file__).parent / "project"
INSTALLED = REPOSITORY / ".venv-clients"


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command printed, both streams together, and how it ended."""

    code: int
    output: str

    def must(self, *texts: str) -> str:
        """The output of a command that must have succeeded and printed these texts."""
        assert self.code == 0, self.output
        for text in texts:
            assert text in self.output, f"{text!r} is not in:\n{self.output}"
        return self.output


class Tb:
    """The `tb` command in a folder, with a home of its own."""

    def __init__(self, folder: Path, home: Path, variables: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {
            "PATH": f"{INSTALLED / 'tb' / 'bin'}:{os.environ['PATH']}",
            "HOME": str(home),
            "TB_CLI_TELEMETRY_OPTOUT": "1",
            "TB_VERSION_WARNING": "0",
            "CI": "1",
            "NO_COLOR": "1",
            "COLUMNS": "200",
            **variables,
        }

    def __call__(self, *arguments: str, seconds: float = 60) -> Ended:
        """Run `tb` to its end."""
        ended = subprocess.run(
            ["tb", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout)

    def json(self, *arguments: str) -> Any:
        """The JSON that a command prints."""
        return json.loads(self("--output", "json", *arguments).must())


@pytest.fixture(scope="session", autouse=True)
def _installed() -> None:
    if not (INSTALLED / "ready").exists():
        pytest.skip("needs the clients, which `make test-clients` installs")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server for the tests of a module."""
    server = RunningServer(tmp_path_factory.mktemp("clients") / "home", arguments=("serve",), environment={})
    try:
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="module")
def tb(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Tb:
    """`tb` in a copy of the project, pointed at the server as a local one."""
    folder = tmp_path_factory.mktemp("project") / "shop"
    shutil.copytree(PROJECT, folder)
    local = {"TB_LOCAL_HOST": "127.0.0.1", "TB_LOCAL_PORT": str(server.port), "TB_HOST": server.url}
    return Tb(folder, tmp_path_factory.mktemp("tb-home"), local)
