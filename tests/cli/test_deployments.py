"""`stonechat deploy` and `stonechat deployment` bring projects live, beside and back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import RunningServer

_EVENTS = 'SCHEMA >\n    `n` UInt32 `json:$.n`\n\nENGINE "MergeTree"\nENGINE_SORTING_KEY "n"\n'
_WIDER = _EVENTS.replace("SCHEMA >\n", "SCHEMA >\n    `more` String `json:$.more` DEFAULT 'none',\n")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def server(module_server: RunningServer) -> RunningServer:
    """The server as it is in an empty workspace."""
    return module_server.new_workspace()


@pytest.fixture
def run(server: RunningServer, tmp_path: Path) -> Run:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "events.datasource").write_text(_EVENTS)

    def run(*arguments: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stonechat", *arguments, "--url", server.url]
        environment = {**os.environ, "STONECHAT_TOKEN": server.token}
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert (ended.returncode != 0) is fails, ended.stdout + ended.stderr
        return ended

    return run


def test_a_deployment_goes_live_beside_and_back(server: RunningServer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "project" / "events.datasource"
    assert "Deployment 1 is live." in run("deploy").stdout
    server.send('{"n": 1}', name="events")
    file.write_text(_WIDER)
    assert "Nothing was changed" in run("deploy", "--check").stdout
    assert "Deployment 2 is staged" in run("deploy", "--staging").stdout
    assert [line.split()[:2] for line in run("deployment", "ls").stdout.splitlines()] == [
        ["2", "staging"],
        ["1", "live"],
    ]
    assert "neither been promoted nor discarded" in run("deploy", fails=True).stderr
    assert "Deployment 2 is discarded." in run("deployment", "discard").stdout
    assert "Deployment 3 is staged" in run("deploy", "--staging").stdout
    assert "Deployment 3 is live." in run("deployment", "promote").stdout
    server.send('{"n": 2, "more": "m"}', name="events")
    assert server.sql("SELECT n, more FROM events ORDER BY n") == [{"n": 1, "more": "none"}, {"n": 2, "more": "m"}]
    assert "more" in run("deployment", "rollback", fails=True).stderr
    assert "Deployment 4 is live." in run("deployment", "rollback", "--allow-destructive-operations").stdout
    assert server.sql("SELECT * FROM events ORDER BY n") == [{"n": 1}, {"n": 2}]
    assert "No changes." in run("deployment", "rollback", "1").stdout


def test_what_is_not_there_is_said(run: Run) -> None:
    assert "no deployment beside the live one" in run("deployment", "promote", fails=True).stderr
    assert "No deployment was live before" in run("deployment", "rollback", fails=True).stderr
    assert "The deployment '7' does not exist" in run("deployment", "discard", "7", fails=True).stderr
