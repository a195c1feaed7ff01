"""`stonechat token` makes, shows, renews and revokes tokens of a running server, and has it sign some."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import NO_TELEMETRY, RunningServer
from typer.testing import CliRunner, Result

from stonechat.cli.main import app
from stonechat.errors import StonechatError

_FILES = {
    "numbers.datasource": "SCHEMA >\n    `n` UInt32 `json:$.n`\n",
    "some.pipe": (
        "NODE out\nSQL >\n    %\n    SELECT n FROM numbers WHERE n >= {{UInt32(least, 0)}} "
        "AND n IN {{Array(among, 'UInt32', '1,2,3')}} ORDER BY n\nTYPE endpoint\n"
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the numbers from 1 to 3."""
    server = RunningServer(tmp_path_factory.mktemp("tokens") / "home", arguments=("serve",), environment=NO_TELEMETRY)
    try:
        assert server.deploy(_FILES).status_code == 200
        server.send('{"n": 1}\n{"n": 2}\n{"n": 3}', name="numbers")
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


def _run(server: RunningServer, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["token", *arguments, "--url", server.url])


def _value(server: RunningServer, *arguments: str) -> str:
    ended = _run(server, *arguments)
    assert ended.exit_code == 0, ended.output
    return ended.output.strip()


def _error(server: RunningServer, *arguments: str) -> StonechatError:
    ended = _run(server, *arguments)
    assert isinstance(ended.exception, StonechatError), ended.output
    return ended.exception


def _reads(server: RunningServer, token: str, **params: str) -> list[int]:
    answer = server.request("GET", "/v0/pipes/some.json", token=token, params=params)
    assert answer.status_code == 200, answer.text
    return [row["n"] for row in answer.json()["data"]]


def test_a_token_is_made_shown_renewed_and_revoked(server: RunningServer) -> None:
    made = _value(server, "create", "front end", "--scope", "PIPES:READ:some", "--description", "for the page")
    assert _reads(server, made) == [1, 2, 3]
    assert _value(server, "show", "front end") == made
    assert "front end  (PIPES:READ:some)" in _run(server, "ls").output
    renewed = _value(server, "refresh", "front end")
    assert _reads(server, renewed) == [1, 2, 3]
    assert server.request("GET", "/v0/pipes/some.json", token=made).status_code == 403
    assert "front end is revoked" in _run(server, "rm", "front end").output
    assert server.request("GET", "/v0/pipes/some.json", token=renewed).status_code == 403
    assert "no token 'front end'" in str(_error(server, "show", "front end"))


def test_filters_and_fixed_parameters_narrow_what_a_token_reads(server: RunningServer) -> None:
    filtered = ("--scope", "PIPES:READ:some", "--scope", "DATASOURCES:READ:numbers:n > 1 AND n != 3")
    assert _reads(server, _value(server, "create", "narrow", *filtered)) == [2]
    assert _reads(server, _value(server, "jwt", "narrow", *filtered)) == [2]
    fixed = ("--fix", "some:least=2", "--fix", "some:among=1", "--fix", "some:among=3", "--ttl", "30s")
    assert _reads(server, _value(server, "jwt", "ann", *fixed), least="0", among="1,2") == [3]


def test_a_signed_token_may_have_a_limit(server: RunningServer) -> None:
    token = _value(server, "jwt", "slow", "--scope", "PIPES:READ:some", "--rps", "0.001")
    answers = [server.request("GET", "/v0/pipes/some.json", token=token) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert int(answers[1].headers["retry-after"]) > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("jwt", "x", "--scope", "PIPES:READ:some", "--ttl", "soon"), "no lifetime"),
        (("jwt", "x", "--scope", "PIPES:READ:some", "--ttl", "0s"), "expired already"),
        (("jwt", "x", "--fix", "some"), "not PIPE:PARAMETER=VALUE"),
        (("jwt", "x", "--scope", "ADMIN"), "ADMIN"),
        (("jwt", "x"), "no scopes"),
        (("create", "x"), "no scopes"),
        (("create", "x", "--scope", "PIPES:READ:none"), "none"),
        (("rm", "workspace admin token"), "cannot be deleted"),
        (("refresh", "nobody"), "permissions"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    server: RunningServer, arguments: tuple[str, ...], message: str
) -> None:
    assert message in str(_error(server, *arguments))
