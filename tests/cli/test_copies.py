"""`stonechat copy` and `stonechat job`, as a person and a script see them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import NO_TELEMETRY, RunningServer
from typer.testing import CliRunner, Result

from stonechat.cli.main import app
from stonechat.errors import StonechatError
from stonechat.requesting import RequestRefused

_PROJECT = {
    "numbers.datasource": "SCHEMA >\n    n UInt64,\n    word String DEFAULT 'é'\n",
    "some.pipe": (
        "NODE n\nSQL >\n    %\n    SELECT number AS n, {{String(word, 'ü')}} AS word\n"
        "    FROM numbers({{UInt64(rows, 3)}}) WHERE number IN {{Array(only, 'UInt64', '0,1,2')}}\n"
        "TYPE copy\nTARGET_DATASOURCE numbers\nCOPY_SCHEDULE 0 0 1 1 *\n"
    ),
    "failing.pipe": (
        "NODE n\nSQL >\n    SELECT throwIf(number = 2, 'no [two]') + number AS n FROM numbers(3)\n"
        "TYPE copy\nTARGET_DATASOURCE numbers\n"
    ),
    "shown.pipe": "NODE n\nSQL >\n    SELECT 1\nTYPE endpoint\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path_factory.mktemp("copies") / "home", arguments=("serve",), environment=NO_TELEMETRY)
    try:
        response = server.deploy(_PROJECT)
        assert response.status_code == 200, response.text
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


def _run(server: RunningServer, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--url", server.url])


def _output(server: RunningServer, *arguments: str) -> str:
    result = _run(server, *arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout


def _jobs(server: RunningServer, *arguments: str) -> list[list[str]]:
    return [line.split() for line in _output(server, "job", "ls", *arguments).splitlines()]


def test_a_copy_runs_with_its_parameters_and_is_waited_for(server: RunningServer) -> None:
    arguments = ("--param", "word=a=b ☃", "--param", "only=1", "--param", "only=2", "--mode", "replace", "--wait")
    result = _run(server, "copy", "run", "some", *arguments)
    assert result.exit_code == 0, result.exception
    assert "copies into numbers" in result.stdout
    assert ": 2 rows" in result.stderr
    assert server.sql("SELECT n, word FROM numbers ORDER BY n") == [
        {"n": 1, "word": "a=b ☃"},
        {"n": 2, "word": "a=b ☃"},
    ]


def test_a_copy_that_fails_is_an_error_with_its_reason(server: RunningServer) -> None:
    result = _run(server, "copy", "run", "failing", "--wait")
    assert isinstance(result.exception, StonechatError)
    assert result.exception.code == "SC967"
    assert "no [two]" in str(result.exception)
    identity = _jobs(server, "--status", "error")[0][0]
    shown: dict[str, Any] = json.loads(_output(server, "job", "show", identity))
    assert (shown["id"], shown["status"], shown["pipe_name"]) == (identity, "error", "failing")
    retried = _run(server, "job", "retry", identity, "--wait")
    assert isinstance(retried.exception, StonechatError)
    assert retried.exception.code == "SC967"


def test_jobs_are_listed_with_what_they_are_about(server: RunningServer) -> None:
    _output(server, "copy", "run", "some", "--wait")
    assert _jobs(server)[0][3:] == ["copy", "done", "some"]
    assert _jobs(server, "--kind", "import") == []
    refused = _run(server, "job", "cancel", _jobs(server)[0][0])
    assert isinstance(refused.exception, RequestRefused)
    assert refused.exception.shown_code == "SC831"


def test_copies_are_listed_paused_and_resumed(server: RunningServer) -> None:
    listed = _output(server, "copy", "ls").splitlines()
    assert listed[0] == "failing  on demand"
    assert listed[1].startswith("some  0 0 1 1 * (next at ")
    assert len(listed) == 2
    assert _output(server, "copy", "pause", "some") == "some is paused.\n"
    assert "some  0 0 1 1 * (paused)" in _output(server, "copy", "ls")
    assert "-01-01 00:00:00 UTC" in _output(server, "copy", "resume", "some")


@pytest.mark.parametrize("text", ["word", "=x"])
def test_a_parameter_that_is_none_is_named(server: RunningServer, text: str) -> None:
    result = _run(server, "copy", "run", "some", "--param", text)
    assert isinstance(result.exception, StonechatError)
    assert result.exception.code == "SC968"
