"""Tokens that show only some rows: whatever their holder sends, no answer has another tenant's rows or words."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import jwt
import pytest
from tests.conftest import NO_TELEMETRY, RunningServer
from tests.http.conftest import TENANT_ROWS, TENANTS_PROJECT

_MORE = {
    "datasources/per_tenant.datasource": """
SCHEMA >
    tenant String,
    hits UInt64

ENGINE SummingMergeTree
ENGINE_SORTING_KEY tenant
""",
    "materializations/to_per_tenant.pipe": """
NODE output
SQL >
    SELECT tenant, toUInt64(count()) AS hits FROM visits GROUP BY tenant
TYPE materialized
DATASOURCE per_tenant
""",
    "endpoints/sums.pipe": """
NODE output
SQL >
    SELECT tenant, sum(hits) AS hits FROM per_tenant GROUP BY tenant ORDER BY tenant
TYPE endpoint
""",
    "endpoints/broken_visits.pipe": """
NODE output
SQL >
    SELECT c__raw FROM visits_quarantine
TYPE endpoint
""",
    "endpoints/through.pipe": """
NODE mine
SQL >
    SELECT v.tenant, v.secret, plan FROM visits_of AS v JOIN plans USING (tenant)

NODE again
SQL >
    SELECT * FROM mine

NODE output
SQL >
    SELECT * FROM again UNION ALL SELECT tenant, secret, 'all' FROM all_visits
TYPE endpoint
""",
    "endpoints/judging.pipe": """
NODE output
SQL >
    %
    SELECT count() AS c FROM visits WHERE toUInt32(secret) >= {{UInt32(least, 0)}}
TYPE endpoint
""",
    "endpoints/with_a_secret.pipe": """
NODE output
SQL >
    %
    SELECT tenant, {{tb_secret('key')}} AS k, count() AS c
    FROM visits WHERE secret != {{tb_secret('key')}} GROUP BY tenant
TYPE endpoint
""",
    "endpoints/in_another_zone.pipe": """
NODE output
SQL >
    SELECT count() AS c FROM visits SETTINGS session_timezone = 'Asia/Tokyo'
TYPE endpoint
""",
}
_OF_A = {"type": "DATASOURCES:READ", "resource": "visits", "filter": "tenant = 'a'"}
_ENDPOINTS = (
    "visits_of",
    "all_visits",
    "through",
    "judging",
    "sums",
    "broken_visits",
    "in_another_zone",
    "with_a_secret",
)
_PIPES = [{"type": "PIPES:READ", "resource": name} for name in _ENDPOINTS]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The two tenants, with views and endpoints over their visits."""
    server = RunningServer(tmp_path_factory.mktemp("filters") / "home", arguments=("serve",), environment=NO_TELEMETRY)
    try:
        server.request("POST", "/v0/variables", data={"name": "key", "value": "se\\same'"})
        response = server.deploy({**TENANTS_PROJECT, **_MORE})
        assert response.status_code == 200, response.text
        broken = {"tenant": "b", "secret": "HIDDEN-BROKEN", "n": -1}
        server.send("\n".join(map(json.dumps, [*TENANT_ROWS, broken])), name="visits")
        plans = [{"tenant": "a", "plan": "free"}, {"tenant": "b", "plan": "gold"}]
        server.send("\n".join(map(json.dumps, plans)), name="plans")
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


def _signed(server: RunningServer, *scopes: Mapping[str, Any]) -> str:
    params = {"name": "visitor", "expiration_time": str(int(time.time()) + 600)}
    response = server.request("POST", "/v0/tokens", params=params, json={"scopes": list(scopes)})
    assert response.status_code == 200, response.text
    return str(response.json()["token"])


@pytest.fixture(scope="module")
def visitor(server: RunningServer) -> str:
    """A token that may read the visits of tenant `a`, and every endpoint."""
    return _signed(server, _OF_A, *_PIPES, {"type": "DATASOURCES:READ", "resource": "plans"})


def _get(server: RunningServer, path: str, token: str, **params: str) -> httpx.Response:
    return server.request("GET", path, token=token, params=params)


def _sql(server: RunningServer, token: str, statement: str, **params: str) -> httpx.Response:
    return _get(server, "/v0/sql", token, q=f"{statement} FORMAT JSON", **params)


def _tenants(response: httpx.Response) -> set[str]:
    assert response.status_code == 200, response.text
    return {row["tenant"] for row in response.json()["data"]}


def test_a_filter_holds_in_statements_and_in_endpoints(server: RunningServer, visitor: str) -> None:
    assert _tenants(_sql(server, visitor, "SELECT * FROM visits")) == {"a"}
    assert _tenants(_sql(server, visitor, "SELECT * FROM all_visits")) == {"a"}
    assert _tenants(_get(server, "/v0/pipes/all_visits.json", visitor)) == {"a"}
    assert _get(server, "/v0/pipes/visits_of.json", visitor, tenant="b").json()["data"] == []
    assert _tenants(_get(server, "/v0/pipes/through.json", visitor)) == {"a"}
    assert _tenants(_get(server, "/v0/pipes/all_visits.json", visitor, q="SELECT * FROM _")) == {"a"}
    assert _tenants(_sql(server, visitor, "SELECT tenant FROM _", pipeline="all_visits")) == {"a"}
    assert _tenants(_sql(server, visitor, "SELECT tenant FROM plans")) == {"a", "b"}


def test_every_format_and_a_static_token_see_the_same_rows(server: RunningServer, visitor: str) -> None:
    params = {"name": "static visitor", "scope": ["DATASOURCES:READ:visits:tenant = 'a'", "PIPES:READ:all_visits"]}
    made = server.request("POST", "/v0/tokens", params=params).json()
    assert made["scopes"][0] == {"type": "DATASOURCES:READ", "resource": "visits", "filter": "tenant = 'a'"}
    assert server.request("GET", "/v0/tokens/static visitor").json() == made
    for token in (visitor, made["token"]):
        for extension in ("json", "csv", "ndjson", "parquet"):
            answer = server.request("GET", f"/v0/pipes/all_visits.{extension}", token=token)
            assert answer.status_code == 200
            assert b"HIDDEN" not in answer.content
            assert len(answer.content) > 20
    assert (
        "SCOPE DATASOURCES:READ:visits:tenant = 'a'\n" in server.request("GET", "/v0/tokens/static visitor.token").text
    )


def test_answers_of_one_token_are_not_kept_for_another(server: RunningServer, visitor: str) -> None:
    other = _signed(server, {**_OF_A, "filter": "tenant = 'b'"}, *_PIPES)
    path = "/v0/pipes/all_visits.json"
    for _ in range(2):
        assert _tenants(_get(server, path, server.token)) == {"a", "b"}
        assert _tenants(_get(server, path, visitor)) == {"a"}
        assert _tenants(_get(server, path, other)) == {"b"}
    again = _get(server, path, visitor)
    assert again.headers["x-cache"] == "hit"
    seen = server.request("GET", path, token=other, headers={"If-None-Match": again.headers["etag"]})
    assert _tenants(seen) == {"b"}


def test_all_filters_of_a_data_source_hold_together(server: RunningServer) -> None:
    token = _signed(server, _OF_A, {**_OF_A, "filter": "n = 1 OR n > 100"}, {**_OF_A, "filter": None})
    rows = _sql(server, token, "SELECT n FROM visits").json()["data"]
    assert rows == [{"n": 1}]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM visits_quarantine",
        "SELECT * FROM per_tenant",
        "SELECT * FROM default.visits",
        "SELECT * FROM system.tables",
        "SELECT * FROM merge('.*', 'visits')",
        "SELECT * FROM view(SELECT * FROM visits)",
        "SELECT count() FROM visits WHERE toUInt32(secret) > 100000 OR throwIf(n > 100)",
        "SELECT toUInt32(secret) FROM visits",
        "SELECT throwIf(tenant = 'b', secret) FROM visits",
        "SELECT tenant FROM plans WHERE tenant IN (SELECT tenant FROM visits WHERE throwIf(n > 99) = 0)",
        "WITH (x, y) -> 1 AS equals SELECT * FROM visits",
        "WITH visits AS (SELECT * FROM visits) SELECT * FROM visits",
        "SELECT * FROM visits AS plans JOIN visits AS b ON plans.n != b.n",
        "SELECT * FROM (EXPLAIN indexes = 1 SELECT * FROM visits)",
        "EXPLAIN SELECT * FROM visits",
        "DESCRIBE visits",
        "SELECT * FROM visits SETTINGS additional_table_filters = {'visits': '1'}",
        "SELECT n FROM visits ORDER BY n LIMIT 0 WITH TIES",
        "SELECT * FROM all_visits UNION ALL SELECT * FROM visits_of",
        "SELECT groupArray(secret), max(n) FROM visits",
        "% SELECT * FROM visits WHERE tenant = {{String(tenant, 'b')}}",
    ],
)
def test_no_statement_gets_around_a_filter(server: RunningServer, visitor: str, statement: str) -> None:
    answer = _sql(server, visitor, statement)
    assert answer.status_code in {200, 400, 403}, answer.text
    for word in ("HIDDEN", "BROKEN", "100", "101", "102", "103"):
        assert word not in json.dumps(answer.json().get("data", answer.json().get("error", "")))


def test_what_a_filter_is_about_depends_on_no_setting_of_the_caller(server: RunningServer) -> None:
    token = _signed(server, {**_OF_A, "filter": "tenant = 'a' AND toHour(toDateTime(n)) = 0"}, *_PIPES)
    assert len(_sql(server, token, "SELECT n FROM visits").json()["data"]) == 3
    refused = _sql(server, token, "SELECT n FROM visits SETTINGS session_timezone = 'Asia/Tokyo'")
    assert (refused.status_code, refused.json()["code"]) == (403, "SC517")
    assert _get(server, "/v0/pipes/in_another_zone.json", token).status_code == 403
    assert _sql(server, token, "SELECT n FROM visits SETTINGS join_use_nulls = 1").status_code == 200


@pytest.mark.parametrize("depth", [150, 200, 250, 300, 350, 500])
def test_a_nested_statement_is_answered_or_refused(server: RunningServer, visitor: str, depth: int) -> None:
    statement = f"SELECT {'abs(' * depth}n{')' * depth} AS n FROM visits ORDER BY n LIMIT 1"
    answer = server.request("GET", "/v0/sql", token=visitor, params={"q": statement})
    assert answer.status_code in {200, 400}, answer.text
    assert depth > 200 or answer.status_code == 200


def test_errors_of_the_filter_itself_say_nothing_of_rows(server: RunningServer) -> None:
    token = _signed(server, {**_OF_A, "filter": "toUInt32(secret) < 100"}, *_PIPES)
    for answer in (_sql(server, token, "SELECT * FROM visits"), _get(server, "/v0/pipes/all_visits.json", token)):
        assert answer.status_code == 400
        assert "CANNOT_PARSE_TEXT" in answer.json()["error"]
        assert "HIDDEN" not in answer.text


def test_an_endpoint_fails_on_rows_that_may_be_seen_alone(server: RunningServer, visitor: str) -> None:
    assert _get(server, "/v0/pipes/judging.json", server.token).status_code == 400
    assert _get(server, "/v0/pipes/judging.json", visitor).json()["data"] == [{"c": 3}]
    assert _get(server, "/v0/pipes/judging.json", visitor, least="2").json()["data"] == [{"c": 1}]


def test_what_views_and_quarantines_hold_is_closed_until_a_scope_names_it(server: RunningServer, visitor: str) -> None:
    for name, table in (("sums", "per_tenant"), ("broken_visits", "visits_quarantine")):
        answer = _get(server, f"/v0/pipes/{name}.json", visitor)
        assert (answer.status_code, answer.json()["code"]) == (403, "SC507")
        assert table in answer.json()["error"]
    per_tenant = {"type": "DATASOURCES:READ", "resource": "per_tenant"}
    narrow = _signed(server, _OF_A, *_PIPES, {**per_tenant, "filter": "tenant = 'a'"})
    assert _get(server, "/v0/pipes/sums.json", narrow).json()["data"] == [{"tenant": "a", "hits": 3}]
    whole = _signed(server, _OF_A, *_PIPES, per_tenant)
    assert _tenants(_get(server, "/v0/pipes/sums.json", whole)) == {"a", "b"}


def test_a_quarantine_may_have_a_scope_and_a_filter_of_its_own(server: RunningServer) -> None:
    quarantine = {"type": "DATASOURCES:READ", "resource": "visits_quarantine"}
    whole = _signed(server, _OF_A, quarantine, *_PIPES)
    narrow = _signed(server, _OF_A, {**quarantine, "filter": "tenant = 'a'"}, *_PIPES)
    for token, rows in ((whole, 1), (narrow, 0)):
        assert len(_sql(server, token, "SELECT * FROM visits_quarantine").json()["data"]) == rows
        assert len(_get(server, "/v0/pipes/broken_visits.json", token).json()["data"]) == rows
    assert _get(server, "/v0/datasources/visits/quarantine", whole).json()["rows"] == 1
    assert _get(server, "/v0/datasources/visits/quarantine", narrow).status_code == 403


def test_a_filter_that_fits_no_more_shows_nothing(server: RunningServer) -> None:
    for scope in ({**_OF_A, "resource": "vists"}, {**_OF_A, "filter": "gone = 1"}, {**_OF_A, "filter": "n IN plans"}):
        refused = server.request(
            "POST", "/v0/tokens", params={"name": "x", "expiration_time": "9999999999"}, json={"scopes": [scope]}
        )
        assert refused.status_code == 400, scope
        own = _sign_alone(server, [scope, *_PIPES])
        for answer in (_get(server, "/v0/pipes/all_visits.json", own), _sql(server, own, "SELECT * FROM all_visits")):
            assert (answer.status_code, answer.json()["code"]) == (403, "SC506")


def _sign_alone(server: RunningServer, scopes: list[Mapping[str, Any]]) -> str:
    """A token as an application signs it, unseen by the server."""

    workspace = server.request("GET", "/v1/workspace").json()["id"]
    claims = {"workspace_id": workspace, "name": "own", "exp": int(time.time()) + 600, "scopes": scopes}
    return jwt.encode(claims, server.token, "HS256")


def test_secrets_reach_an_endpoint_behind_fences(server: RunningServer, visitor: str) -> None:
    answer = _get(server, "/v0/pipes/with_a_secret.json", visitor)
    assert answer.json()["data"] == [{"tenant": "a", "k": "se\\same'", "c": 3}]


def test_descriptions_do_not_count_what_is_out_of_sight(server: RunningServer, visitor: str) -> None:
    listed = _get(server, "/v0/datasources", visitor).json()["datasources"]
    assert {item["name"]: item["statistics"]["row_count"] for item in listed} == {"plans": 2, "visits": None}
    one = _get(server, "/v0/datasources/visits", visitor).json()
    assert (one["statistics"], one["quarantine_rows"]) == ({"bytes": None, "row_count": None}, None)


@pytest.mark.parametrize("path", ["/v0/pipes/all_visits.json", "/v0/pipes/all_visits.csv"])
def test_no_answer_counts_the_rows_that_were_scanned(server: RunningServer, visitor: str, path: str) -> None:
    fixed = _signed(server, {"type": "PIPES:READ", "resource": "all_visits", "fixed_params": {"x": "y"}})
    for _ in range(3):  # by a query, from what is kept, and as a repeat
        assert _scanned(_get(server, path, visitor)) == _scanned(_get(server, path, fixed)) == (0, 0)
        assert _scanned(_get(server, path, server.token))[0] == 7


def _scanned(answer: httpx.Response) -> tuple[int, int]:
    statistics = answer.json()["statistics"] if "x-db-statistics" not in answer.headers else None
    statistics = statistics or json.loads(answer.headers["x-db-statistics"])
    return statistics["rows_read"], statistics["bytes_read"]


def test_a_large_answer_does_not_count_them_either(server: RunningServer, visitor: str) -> None:
    statement = "SELECT x.number, repeat('x', 100) AS s FROM visits, numbers(10000) AS x"
    answer = _sql(server, visitor, statement)
    assert "content-length" not in answer.headers
    document = answer.json()
    assert document["rows"] == len(document["data"]) == 30_000
    assert (document["statistics"]["rows_read"], document["statistics"]["bytes_read"]) == (0, 0)
    whole = _sql(server, server.token, statement).json()["statistics"]
    assert whole["rows_read"] > 10_000
    progress = server.request(
        "GET", "/v0/sql", token=visitor, params={"q": "SELECT 1 FORMAT JSONStringsEachRowWithProgress"}
    )
    assert (progress.status_code, progress.json()["code"]) == (400, "SC501")


def test_a_filter_goes_with_no_right_on_the_workspace(server: RunningServer) -> None:
    scopes = ["DATASOURCES:READ:visits:tenant = 'a'"]
    for wide in (
        "ADMIN",
        "TOKENS",
        "WORKSPACE:READ_ALL",
        "WORKSPACE:DEPLOY",
        "DATASOURCES:DROP:visits",
        "PIPES:CREATE",
    ):
        refused = server.request("POST", "/v0/tokens", params={"name": "wide", "scope": [*scopes, wide]})
        assert refused.status_code == 400
        assert "with a filter may not have the scope" in refused.json()["error"]


def test_a_line_of_the_project_adds_no_rows_to_a_filtered_token(server: RunningServer) -> None:
    changed = server.request("PUT", "/v0/tokens/line", params={"scope": "DATASOURCES:READ:visits:tenant = 'a'"})
    assert changed.status_code == 200, changed.text
    assert _tenants(_sql(server, changed.json()["token"], "SELECT * FROM visits")) == {"a"}
    assert server.request("DELETE", "/v0/tokens/line").status_code == 409


def test_fixed_parameters_win_everywhere(server: RunningServer) -> None:
    fixed = {"type": "PIPES:READ", "resource": "visits_of", "fixed_params": {"tenant": "a", "least": 1, "unknown": "x"}}
    token = _signed(server, fixed, {"type": "PIPES:READ", "resource": "through"})
    path = "/v0/pipes/visits_of.json"
    expected = [1, 2]
    for params in ({}, {"tenant": "b"}, {"least": "0"}, {"tenant": "b", "least": "100"}):
        assert [row["n"] for row in _get(server, path, token, **params).json()["data"]] == expected
    posted = server.request("POST", path, token=token, data={"tenant": "b", "least": "0"})
    assert [row["n"] for row in posted.json()["data"]] == expected
    repeated = server.request("GET", f"{path}?tenant=b&tenant=b&least=0", token=token)
    assert [row["n"] for row in repeated.json()["data"]] == expected
    assert [row["n"] for row in _sql(server, token, "SELECT n FROM visits_of", tenant="b").json()["data"]] == expected
    assert [row["n"] for row in _get(server, path, token, q="SELECT n FROM _", tenant="b").json()["data"]] == expected
    through = _get(server, "/v0/pipes/through.json", token, tenant="b").json()["data"]
    assert {row["tenant"] for row in through if row["plan"] != "all"} == {"a"}
    assert _tenants(_get(server, path, server.token, tenant="b")) == {"b"}
    assert [row["n"] for row in _get(server, path, token, tenant="b").json()["data"]] == expected


def test_what_is_fixed_is_no_parameter_of_the_documented_endpoint(server: RunningServer) -> None:
    fixed = {"type": "PIPES:READ", "resource": "visits_of", "fixed_params": {"tenant": "a"}}
    for token, expected in ((server.token, {"tenant", "least"}), (_signed(server, fixed), {"least"})):
        paths = _get(server, "/v0/pipes/openapi.json", token).json()["paths"]
        calls = [item["get"] for name, item in paths.items() if "visits_of" in name]
        names = {parameter.get("name") for call in calls for parameter in call["parameters"]}
        assert names & {"tenant", "least"} == expected


def test_fixed_lists_and_numbers_arrive_as_a_request_would_send_them(server: RunningServer) -> None:
    fixed = {"type": "PIPES:READ", "resource": "visits_of", "fixed_params": {"tenant": "b", "least": "102"}}
    rows = _get(server, "/v0/pipes/visits_of.json", _signed(server, fixed)).json()["data"]
    assert [row["n"] for row in rows] == [102, 103]
