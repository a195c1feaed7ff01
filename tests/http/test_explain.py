"""What a pipe would run, shown to those who may see its SQL, and never a secret's value."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import NO_TELEMETRY, RunningServer

_SECRET = "hunter2"
_FILES = {
    "visits.datasource": 'SCHEMA >\n    site String `json:$.site`\n\nENGINE "MergeTree"\nENGINE_SORTING_KEY site\n',
    "sites.pipe": """TOKEN "reader" READ

NODE wanted
SQL >
    %
    SELECT site FROM visits WHERE site = {{String(site, 'a')}}

NODE counted
SQL >
    SELECT site, count() AS visits FROM wanted GROUP BY site

TYPE endpoint
""",
    "guarded.pipe": """NODE n
SQL >
    %
    SELECT site, {{tb_secret('KEY')}} AS key FROM visits
    WHERE site = {{tb_secret('KEY')}} OR site = concat('x-', {{tb_secret('KEY')}})

TYPE endpoint
""",
    "plain.pipe": "NODE n\nSQL >\n    SELECT 1 AS x\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path_factory.mktemp("explain") / "home", arguments=("serve",), environment=NO_TELEMETRY)
    variable = {"name": "KEY", "value": _SECRET, "type": "secret"}
    assert server.request("POST", "/v0/variables", data=variable).status_code == 200
    deployed = server.deploy(_FILES)
    assert deployed.status_code == 200, deployed.text
    yield server
    assert server.stop() == 0


def _explained(server: RunningServer, path: str, **params: str) -> tuple[str, str]:
    response = server.request("GET", path, params=params)
    assert response.status_code == 200, response.text
    body = response.json()
    assert list(body) == ["debug_query", "query_explain"]
    return body["debug_query"], body["query_explain"]


@pytest.mark.parametrize(
    ("path", "flag"), [("/v0/pipes/sites.json", {"explain": "true"}), ("/v0/pipes/sites/explain", {})]
)
def test_an_endpoint_shows_its_statement_and_plan(server: RunningServer, path: str, flag: dict[str, str]) -> None:
    server.send('{"site": "b"}', name="visits")
    statement, plan = _explained(server, path, site="b", **flag)
    assert "site = 'b'" in statement
    assert "count() AS visits" in statement
    assert "Aggregating" in plan
    assert "ReadFromMergeTree" in plan


def test_a_node_shows_its_own(server: RunningServer) -> None:
    statement, plan = _explained(server, "/v0/pipes/sites/nodes/wanted/explain")
    assert "site = 'a'" in statement
    assert "count()" not in statement
    assert "Aggregating" not in plan


def test_a_statement_over_the_endpoint_is_explained_with_it(server: RunningServer) -> None:
    statement, _ = _explained(
        server, "/v0/pipes/sites.json", explain="1", q="SELECT sum(visits) FROM _ SETTINGS join_use_nulls = 1"
    )
    assert "SELECT sum(visits) FROM _" in statement


def test_explaining_runs_nothing(server: RunningServer) -> None:
    _explained(server, "/v0/pipes/sites.json", explain="true", q="SELECT throwIf(visits >= 0) FROM _")


def test_a_pipe_that_is_no_endpoint_is_explained_too(server: RunningServer) -> None:
    assert _explained(server, "/v0/pipes/plain/explain")[0] == "SELECT 1 AS x"


def test_without_the_flag_there_are_rows(server: RunningServer) -> None:
    assert server.request("GET", "/v0/pipes/sites.json?explain=false").json()["data"] == []


def test_a_secret_shows_neither_in_the_statement_nor_in_the_plan(server: RunningServer) -> None:
    statement, plan = _explained(server, "/v0/pipes/guarded/explain")
    assert "{KEY: String} AS key" in statement
    assert _SECRET not in statement + plan


@pytest.mark.parametrize(
    "path", ["/v0/pipes/sites.json?explain=true", "/v0/pipes/sites/explain", "/v0/pipes/sites/nodes/wanted/explain"]
)
def test_a_token_that_may_only_read_rows_sees_no_sql(server: RunningServer, path: str) -> None:
    token = server.tokens()["reader"]
    assert server.request("GET", "/v0/pipes/sites.json", token=token).status_code == 200
    response = server.request("GET", path, token=token)
    assert response.status_code == 403
    assert "WORKSPACE:READ_ALL" in response.json()["error"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v0/pipes/nothing/explain", "The pipe 'nothing' does not exist"),
        ("/v0/pipes/sites/nodes/nothing/explain", "The pipe 'sites' has no node 'nothing'"),
    ],
)
def test_what_does_not_exist_is_not_found(server: RunningServer, path: str, message: str) -> None:
    response = server.request("GET", path)
    assert (response.status_code, response.json()["error"]) == (404, message)
