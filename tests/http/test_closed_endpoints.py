"""Callers who may only call an endpoint: nothing they send is evaluated on rows that the endpoint leaves out.

Each endpoint shows the visits of the tenant `a` alone, in its own way. `toUInt32(secret)` holds for these, and fails on
those of `b`, with the secret in the engine's words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from tests.conftest import NO_TELEMETRY, RunningServer
from tests.http.conftest import TENANT_ROWS, TENANTS_PROJECT

_ENDPOINTS = {
    "joined": "SELECT secret, n FROM visits JOIN (SELECT 'a' AS tenant) AS mine USING (tenant)",
    "left_joined": "SELECT secret, n FROM visits LEFT JOIN (SELECT 'a' AS tenant, 1 AS x) AS m USING (tenant) WHERE x",
    "grouped": "SELECT secret, any(n) AS n FROM visits GROUP BY secret HAVING any(tenant) = 'a'",
    "windowed": "SELECT secret, n FROM visits QUALIFY row_number() OVER (PARTITION BY secret) = 1 AND tenant = 'a'",
    "filtered": "SELECT secret, n FROM visits WHERE tenant = {{String(tenant)}}",
    "in_a_set": "SELECT secret, n FROM visits WHERE tenant IN (SELECT tenant FROM plans WHERE plan = 'free')",
}
#: They hide no row, and what they are made of is not for callers from outside.
_OF_THE_PROJECT = {
    "constant": "SELECT 1 AS n, toString({{Int32(n, 7)}}) AS text WHERE 'inner' != 'word'",
    "failing": "SELECT toUInt8({{String(text, '1')}}) AS n WHERE 'inner' != 'word'",
    "broken": "SELECT 'inner' AS n {% for each in range(Int32(brackets, 0)) %} ) {% end %}",
}
#: Each gives the secrets of `a` in order, and evaluates them somewhere else.
_STATEMENTS = (
    "SELECT secret FROM {} ORDER BY toUInt32(secret) LIMIT 3",
    "SELECT toString(toUInt32(secret)) AS secret FROM {} ORDER BY secret",
    "SELECT secret FROM {} GROUP BY secret HAVING max(toUInt32(secret)) < 9 ORDER BY secret",
    "SELECT DISTINCT secret FROM {} WHERE toUInt32(secret) IN (SELECT number FROM numbers(9)) ORDER BY secret",
    "SELECT secret FROM (SELECT *, toUInt32(secret) AS x FROM {}) WHERE x < 9 ORDER BY secret",
    "SELECT secret FROM {} ARRAY JOIN [toUInt32(secret)] AS x ORDER BY x",
    "SELECT secret FROM {} QUALIFY sum(toUInt32(secret)) OVER () < 9 ORDER BY secret",
    "WITH toUInt32(secret) AS x SELECT secret FROM {} WHERE x < 9 ORDER BY x",
    "SELECT secret FROM {} AS x SEMI JOIN numbers(9) AS y ON toUInt32(x.secret) = y.number ORDER BY 1",
    "SELECT secret FROM numbers(9) AS y JOIN {} AS x ON toUInt64(x.secret) = y.number ORDER BY secret",
    "SELECT secret FROM {} AS x WHERE EXISTS (SELECT 1 FROM {} WHERE toUInt32(secret) < 9) ORDER BY secret",
    "SELECT secret FROM {} WHERE n IN (SELECT n FROM {} WHERE toUInt32(secret) < 9) ORDER BY secret",
    "SELECT secret FROM {} WHERE indexHint(toUInt32(secret) < 9) ORDER BY secret",
    "SELECT secret FROM {} LIMIT 9 BY toUInt32(secret)",
)
_CONDITIONS = (
    "WHERE toUInt32(secret) >= 0",
    "WHERE throwIf(secret LIKE 'HIDDEN%') = 0",
    "JOIN numbers(3) AS x ON toUInt32(secret) = x.number",
    "WHERE secret IN (SELECT toString(number) FROM numbers(5)) AND intDiv(1, secret != 'HIDDEN1')",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path_factory.mktemp("closed") / "home", arguments=("serve",), environment=NO_TELEMETRY)
    try:
        pipes = {
            f"endpoints/{name}.pipe": f"NODE output\nSQL >\n    %\n    {sql}\nTYPE endpoint\n"
            for name, sql in _ENDPOINTS.items()
        }
        judging = "SELECT count() AS c FROM visits WHERE toUInt32(secret) > {{UInt32(least, 0)}} AND tenant = 'a'"
        pipes["endpoints/judging.pipe"] = f"NODE output\nSQL >\n    %\n    {judging}\nTYPE endpoint\n"
        for name, sql in _OF_THE_PROJECT.items():
            pipes[f"endpoints/{name}.pipe"] = f"NODE output\nSQL >\n    %\n    {sql}\nTYPE endpoint\n"
        response = server.deploy({**TENANTS_PROJECT, **pipes})
        assert response.status_code == 200, response.text
        server.send("\n".join(map(json.dumps, TENANT_ROWS)), name="visits")
        server.send('{"tenant":"a","plan":"free"}\n{"tenant":"b","plan":"gold"}', name="plans")
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="module")
def caller(server: RunningServer) -> str:
    """A token that may call the endpoints, `filtered` for the tenant `a` alone."""
    scopes = [
        {"type": "PIPES:READ", "resource": name, "fixed_params": {"tenant": "a"} if name == "filtered" else None}
        for name in [*_ENDPOINTS, "judging"]
    ]
    params = {"name": "a", "expiration_time": str(int(time.time()) + 600)}
    return str(server.request("POST", "/v0/tokens", params=params, json={"scopes": scopes}).json()["token"])


@pytest.mark.parametrize("condition", _CONDITIONS)
@pytest.mark.parametrize("name", _ENDPOINTS)
def test_a_condition_of_the_callers_own_meets_no_row_that_the_endpoint_leaves_out(
    server: RunningServer, caller: str, name: str, condition: str
) -> None:
    statement = f"SELECT secret FROM {{}} {condition} ORDER BY secret"
    called = server.request(
        "GET", f"/v0/pipes/{name}.ndjson", token=caller, params={"q": statement.format("_"), "tenant": "b"}
    )
    named = _sql(server, caller, statement.format(name), tenant="b")
    asked = _sql(server, caller, statement.format("_"), pipeline=name, tenant="b")
    for answer in (called, named, asked):
        assert answer.status_code == 200, answer.text
        assert answer.text == '{"secret":"0"}\n{"secret":"1"}\n{"secret":"2"}\n'


@pytest.mark.parametrize("statement", _STATEMENTS)
@pytest.mark.parametrize("name", _ENDPOINTS)
def test_nor_does_any_other_part_of_a_statement(server: RunningServer, caller: str, name: str, statement: str) -> None:
    answer = _sql(server, caller, statement.replace("{}", name))
    assert answer.status_code == 200, answer.text
    assert sorted(answer.text.splitlines()) == ['{"secret":"0"}', '{"secret":"1"}', '{"secret":"2"}']


def test_an_error_quotes_no_row_to_whoever_may_not_read_it(server: RunningServer, caller: str) -> None:
    path = "/v0/pipes/judging.json"
    assert "HIDDEN" in server.request("GET", path).json()["error"]
    refused = server.request("GET", path, token=caller)
    assert refused.json()["error"] == "The engine refused the statement: CANNOT_PARSE_TEXT"
    failed = server.request("GET", "/v0/pipes/joined.json", token=caller, params={"q": "SELECT toDate(secret) FROM _"})
    assert failed.json()["error"] == "The engine refused the statement: CANNOT_PARSE_DATE"
    unknown = server.request("GET", "/v0/pipes/joined.json", token=caller, params={"q": "SELECT nothing FROM _"})
    assert unknown.json()["error"] == "Unknown expression identifier `nothing`"


@pytest.mark.parametrize("statement", ["SELECT * FROM visits SAMPLE 1", "SELECT * FROM visits FINAL"])
def test_an_error_names_no_database_of_the_engine(server: RunningServer, statement: str) -> None:
    refused = _sql(server, server.token, statement)
    assert refused.status_code == 400
    assert "ws_" not in refused.text


def test_a_signed_token_is_not_told_what_there_is(server: RunningServer, caller: str) -> None:
    """Pipes, data sources and tables that it may not use are like those that do not exist."""
    for hidden, missing in (("all_visits", "nothing"), ("visits_of", "nothing"), ("visits", "nothing")):
        for path in (
            "/v0/pipes/{}",
            "/v0/pipes/{}.json",
            "/v1/pipes/{}.pipe",
            "/v0/pipes/{}/explain",
            "/v0/datasources/{}",
            "/v0/datasources/{}.datasource",
            "/v0/datasources/{}/quarantine",
            "/v0/sql?q=SELECT+1&pipeline={}",
            "/v0/sql?q=SELECT+count()+FROM+{}",
            "/examples/query.http?pipe={}",
        ):
            answers = [server.request("GET", path.format(name), token=caller) for name in (hidden, missing)]
            assert {answer.status_code for answer in answers} == {403}, path
            assert answers[0].text.replace(hidden, missing) == answers[1].text
        for path in ("/v0/events?name={}", "/v0/datasources/{}/truncate", "/v0/pipes/{}/copy"):
            answers = [server.request("POST", path.format(name), token=caller) for name in (hidden, missing)]
            assert {answer.status_code for answer in answers} == {403}, path
            assert answers[0].text.replace(hidden, missing) == answers[1].text


def test_a_signed_token_sees_how_an_endpoint_is_called_and_not_what_it_reads(
    server: RunningServer, caller: str
) -> None:
    for path in ("/v0/pipes/filtered", "/v0/pipes"):
        answer = server.request("GET", path, token=caller)
        assert answer.status_code == 200
        assert "visits" not in answer.text
    shown = server.request("GET", "/v0/pipes/filtered", token=caller).json()
    (node,) = shown["nodes"]
    assert [parameter["name"] for parameter in node["params"]] == ["tenant"]
    assert (shown["content"], node["sql"], node["dependencies"]) == ("", "", [])
    assert server.request("GET", "/v1/pipes/filtered.pipe", token=caller).status_code == 403
    assert "visits" in server.request("GET", "/v0/pipes/filtered").text


def test_no_error_shows_a_signed_token_the_statement_of_a_pipe(server: RunningServer) -> None:
    grants = [{"type": "PIPES:READ", "resource": name} for name in _OF_THE_PROJECT]
    scopes = [*grants, {"type": "DATASOURCES:READ", "resource": "plans"}]
    params = {"name": "outside", "expiration_time": str(int(time.time()) + 600)}
    token = server.request("POST", "/v0/tokens", params=params, json={"scopes": scopes}).json()["token"]
    calls: list[tuple[str, dict[str, str], str]] = [
        ("/v0/pipes/constant.json", {"q": "SELECT nothing FROM _"}, "Unknown expression identifier `nothing`"),
        ("/v0/sql", {"q": "SELECT nothing FROM constant"}, "Unknown expression identifier `nothing`"),
        ("/v0/sql", {"q": "SELECT toUInt8(text, 1) FROM constant"}, ""),
        ("/v0/pipes/failing.json", {"text": "many"}, "Cannot parse string 'many' as UInt8"),
        ("/v0/pipes/broken.json", {"brackets": "1"}, "The statement of the pipe cannot be read"),
        ("/v0/sql", {"q": "SELECT * FROM broken", "brackets": "1"}, "The statement of the pipe cannot be read"),
    ]
    told_inside = 0
    for path, asked, expected in calls:
        whole = server.request("GET", path, params=asked)
        told = server.request("GET", path, token=token, params=asked)
        assert whole.status_code == told.status_code == 400, told.text
        assert told.json()["error"].startswith(expected)
        assert "inner" not in told.text
        told_inside += "inner" in whole.text
    assert told_inside


def test_a_static_token_is_told_what_it_lacks(server: RunningServer) -> None:
    token = server.request("POST", "/v0/tokens", params={"name": "s", "scope": "PIPES:READ:joined"}).json()["token"]
    assert server.request("GET", "/v0/pipes/nothing.json", token=token).status_code == 404
    refused = server.request("GET", "/v0/pipes/grouped.json", token=token)
    assert (refused.status_code, "PIPES:READ:grouped" in refused.json()["error"]) == (403, True)


def _sql(server: RunningServer, token: str, statement: str, **params: str) -> httpx.Response:
    return server.request("GET", "/v0/sql", token=token, params={"q": f"{statement} FORMAT JSONEachRow", **params})
