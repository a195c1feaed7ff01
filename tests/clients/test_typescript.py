"""The unmodified TypeScript clients: the SDK deploys, pulls, sends and asks; zod-bird and mockingbird work."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.clients.conftest import INSTALLED, Ended
from tests.conftest import RunningServer

_SOURCE = Path(__file__).parent / "typescript"


class Node:
    """Node programs in a copy of the TypeScript project."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {
            "PATH": f"{INSTALLED / 'node' / 'node_modules' / '.bin'}:{os.environ['PATH']}",
            "HOME": str(folder.parent),
            "CI": "1",
            "NO_COLOR": "1",
            **variables,
        }

    def __call__(self, *command: str) -> Ended:
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout)

    def json(self, script: str) -> Any:
        """What a script prints in its last line."""
        return json.loads(self("node", script).must().strip().splitlines()[-1])


@pytest.fixture(scope="module")
def node(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Node:
    modules = INSTALLED / "node" / "node_modules"
    if not modules.is_dir():
        pytest.skip("needs npm, with which `make test-clients` installs the TypeScript clients")
    folder = tmp_path_factory.mktemp("typescript") / "app"
    shutil.copytree(_SOURCE, folder)
    (folder / "node_modules").symlink_to(modules)
    return Node(folder, {"TINYBIRD_URL": server.url, "TINYBIRD_TOKEN": server.token})


@pytest.fixture(scope="module")
def deployed(node: Node) -> Node:
    """The project deployed by the SDK."""
    node("tinybird", "deploy", "--check").must("validated")
    node("tinybird", "deploy").must("page_views", "top_pages", "is live")
    return node


def test_a_second_deployment_finds_no_changes(deployed: Node) -> None:
    deployed("tinybird", "deploy").must("No changes")


def test_what_is_deployed_can_be_pulled(deployed: Node) -> None:
    deployed("tinybird", "pull", "-o", "pulled", "-f").must("page_views.datasource", "top_pages.pipe")
    assert "SCHEMA >" in (deployed.folder / "pulled" / "page_views.datasource").read_text()
    assert "TYPE endpoint" in (deployed.folder / "pulled" / "top_pages.pipe").read_text()


def test_info_names_the_workspace(deployed: Node) -> None:
    deployed("tinybird", "info").must("stonechat")


def test_rows_go_in_and_answers_come_out(deployed: Node) -> None:
    seen = deployed.json("api.mjs")
    assert seen["ingested"] == {"successful_rows": 1, "quarantined_rows": 0}
    assert seen["batch"] == {"successful_rows": 2, "quarantined_rows": 0}
    assert seen["top"] == [{"pathname": "/home", "views": 2}, {"pathname": "/docs", "views": 1}]
    assert seen["sql"] == [{"total": 3}]
    assert seen["dryRun"]["rows_to_be_deleted"] == 1
    assert seen["afterDelete"] == [{"total": 2}]
    assert seen["fixed"] == [{"pathname": "/home", "views": 2}]
    assert (seen["refused"], seen["missing"]) == (403, 404)
    assert seen["afterTruncate"] == [{"total": 0}]


def test_zod_bird_accepts_every_answer(deployed: Node) -> None:
    seen = deployed.json("zod_bird.mjs")
    assert seen["published"] == {"successful_rows": 1, "quarantined_rows": 0}
    assert seen["rows"] == [{"pathname": "/zod", "views": 1}]
    assert "no date" in seen["refused"]


def test_mockingbird_fills_a_data_source(deployed: Node, server: RunningServer) -> None:
    deployed("node", "mockingbird.mjs").must()
    deadline = time.monotonic() + 10
    statement = "SELECT count() FROM page_views WHERE pathname = '/mock'"
    while server.value(statement) != 100 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.value(statement) == 100


def test_a_build_reaches_a_local_server(deployed: Node, tmp_path: Path) -> None:
    """The SDK builds only against port 7181 of this machine, whatever it is told."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 7181)) == 0:
            pytest.skip("needs port 7181, which another server has")
    server = RunningServer(tmp_path / "home", arguments=("serve",), environment={}, port=7181)
    try:
        deployed("tinybird", "build", "--local").must("page_views", "top_pages")
    finally:
        server.kill()
