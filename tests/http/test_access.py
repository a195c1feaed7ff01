"""Every route asks for a token, and for the right that it needs: nobody gets in by a route that somebody forgot."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import httpx
import jwt
import pytest
from tests.conftest import NO_TELEMETRY, RunningServer
from tests.docs.introspection import routes
from tests.http.conftest import TENANT_ROWS, TENANTS_PROJECT

#: Open to everyone, each for a reason.
_OPEN = {
    ("GET", "/v0/health"): "says nothing but that the server is there",
    ("GET", "/version"): "says which one it is, and nothing of its data",
    ("GET", "/v0/regions"): "says under which address the caller reached it",
    ("GET", "/docs"): "a page without data, which asks for a token",
    ("GET", "/tokens"): "for programs on the same machine",
}
#: Answer any valid token, with nothing of the workspace or with just what the token may see of it.
_FOR_ANY_TOKEN = {
    ("GET", "/v0/datasources"),
    ("GET", "/v0/pipes"),
    ("GET", "/v0/jobs"),
    ("GET", "/v0/pipes/openapi.json"),
    ("GET", "/v0/workspace"),
    ("GET", "/v1/workspace"),
    ("GET", "/v0/sql_format"),
    ("POST", "/v0/sql_format"),
    ("GET", "/v0/sql_tables"),
    ("POST", "/v0/sql_tables"),
    ("POST", "/v0/analyze"),
}
_VALUES = {
    "name": "visits",
    "token": "line",
    "id": "1",
    "file": "all_visits.json",
    "node": "output",
    "pipe": "all_visits",
}
_ROUTES = sorted(routes())
_SECRETS = ("HIDDEN", "p.e", "Workspace")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with rows to find, and with a job, a secret and tokens."""
    server = RunningServer(tmp_path_factory.mktemp("access") / "home", arguments=("serve",), environment=NO_TELEMETRY)
    try:
        assert server.deploy(TENANTS_PROJECT).status_code == 200
        server.send("\n".join(map(json.dumps, TENANT_ROWS)), name="visits")
        server.request("POST", "/v0/variables", data={"name": "key", "value": "HIDDEN"})
        server.request(
            "POST", "/v0/datasources", params={"name": "plans", "mode": "append", "format": "csv"}, content="a,b"
        )
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="module")
def powerless(server: RunningServer) -> list[str]:
    """Tokens that may do nothing with what is there: a static one, and one that an application signed."""
    static = server.request("POST", "/v0/tokens", params={"name": "weak", "scope": "DATASOURCES:APPEND:plans"}).json()
    workspace = server.request("GET", "/v1/workspace").json()["id"]
    scopes = [{"type": "PIPES:READ", "resource": "nothing"}]
    claims = {"workspace_id": workspace, "name": "weak", "exp": int(time.time()) + 600, "scopes": scopes}
    return [static["token"], jwt.encode(claims, server.token, "HS256")]


def _call(server: RunningServer, method: str, path: str, token: str | None) -> httpx.Response:
    def value(match: re.Match[str]) -> str:
        return "all_visits" if match[1] == "name" and "pipes" in path else _VALUES[match[1]]

    filled = re.sub(r"\{(\w+)(?::\w+)?\}", value, path)
    params = {
        "name": "visits",
        "q": "SELECT * FROM visits",
        "pipe": "all_visits",
        "delete_condition": "1",
        "mode": "append",
    }
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    row = b'{"tenant": "x", "secret": "x", "n": 1}'
    content = None if method == "GET" else b"SELECT * FROM visits" if path == "/v0/sql" else row
    return server.client.request(method, filled, params=params, headers=headers, content=content)


@pytest.mark.parametrize("route", _ROUTES, ids=" ".join)
@pytest.mark.parametrize("token", [None, "p.forged", "e30.e30.e30"], ids=["none", "unknown", "unsigned"])
def test_no_route_answers_without_a_token(server: RunningServer, route: tuple[str, str], token: str | None) -> None:
    answer = _call(server, *route, token)
    if route in _OPEN:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 403, answer.text
        assert answer.json()["code"] == "SC400"


@pytest.mark.parametrize("route", _ROUTES, ids=" ".join)
def test_no_route_does_more_for_a_token_than_it_may(
    server: RunningServer, powerless: list[str], route: tuple[str, str]
) -> None:
    if route in _OPEN:
        pytest.skip("open to everyone")
    before = server.value("SELECT count() FROM visits")
    for token in powerless:
        answer = _call(server, *route, token)
        if route in _FOR_ANY_TOKEN:
            assert answer.status_code in {200, 400}, answer.text
            assert "HIDDEN" not in answer.text
            assert "visits" not in answer.text.replace("FROM visits", "").replace('"visits"]]', "")
        else:
            assert answer.status_code in {403, 404, 405}, answer.text
    assert server.value("SELECT count() FROM visits") == before
    assert server.request("GET", "/v0/pipes/all_visits.json").json()["rows"] == len(TENANT_ROWS)
