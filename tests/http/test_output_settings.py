"""What a request may ask of the form of its answer, beside the format."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.conftest import NO_TELEMETRY, RunningServer

_FILES = {
    "visits.datasource": "SCHEMA >\n    page String `json:$.page`,\n    user String `json:$.user`\n",
    "totals.datasource": (
        "SCHEMA >\n    page String,\n    users AggregateFunction(uniq, String),\n    visits AggregateFunction(count)\n"
        "ENGINE AggregatingMergeTree\nENGINE_SORTING_KEY page\n"
    ),
    "fill.pipe": (
        "NODE filling\nSQL >\n    SELECT page, uniqState(user) AS users, countState() AS visits\n"
        "    FROM visits GROUP BY page\n"
        "TYPE materialized\nDATASOURCE totals\n"
    ),
    "states.pipe": (
        "NODE output\nSQL >\n    SELECT page, users, visits, 1 AS one FROM totals FINAL ORDER BY page DESC\n"
        "    SETTINGS join_use_nulls = 1\nTYPE endpoint\n"
    ),
}
_PATH = "/v0/pipes/states.ndjson"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = RunningServer(tmp_path_factory.mktemp("output") / "home", arguments=("serve",), environment=NO_TELEMETRY)
    try:
        assert running.deploy(_FILES).status_code == 200
        visits = [{"page": page, "user": user} for page, user in ("ax", "ay", "ax", "bx")]
        assert running.send("\n".join(map(json.dumps, visits)), name="visits").status_code == 200
        yield running
    finally:
        running.kill()


def test_states_come_as_their_values_where_that_is_asked_for(server: RunningServer) -> None:
    answer = server.request("GET", _PATH, params={"finalize_aggregations": "true"})
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        {"page": "b", "users": 1, "visits": 1, "one": 1},
        {"page": "a", "users": 2, "visits": 3, "one": 1},
    ]


def test_states_stay_states_where_it_is_not(server: RunningServer) -> None:
    wanted = server.request("GET", _PATH, params={"finalize_aggregations": "true"})
    for value in ("false", "0"):
        assert server.request("GET", _PATH, params={"finalize_aggregations": value}).content != wanted.content
    assert server.request("GET", _PATH, params={"finalize_aggregations": "true"}).content == wanted.content


def test_statements_and_wraps_finalize_too(server: RunningServer) -> None:
    params = {"q": "SELECT visits FROM states WHERE page = 'a' FORMAT CSV", "finalize_aggregations": "1"}
    assert server.request("GET", "/v0/sql", params=params).text == "3\n"
    params = {"q": "SELECT users FROM _ WHERE page = 'a'", "finalize_aggregations": "1"}
    assert server.request("GET", "/v0/pipes/states.csv", params=params).text == '"users"\n2\n'


def test_answers_that_are_no_json_tell_their_cost_in_a_header(server: RunningServer) -> None:
    answer = server.request("GET", "/v0/pipes/states.csv")
    cost = json.loads(answer.headers["x-db-statistics"])
    assert cost.keys() == {"elapsed", "rows_read", "bytes_read"}
    assert cost["rows_read"] == 2
    assert "x-db-statistics" not in server.request("GET", "/v0/pipes/states.json").headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v0/pipes?name=more"),
        ("PUT", "/v0/pipes/states"),
        ("DELETE", "/v0/pipes/states"),
        ("POST", "/v0/pipes/states/nodes"),
        ("PUT", "/v0/pipes/states/nodes/output"),
        ("DELETE", "/v0/pipes/states/nodes/output"),
        ("POST", "/v0/pipes/states/nodes/output/endpoint"),
        ("PUT", "/v0/pipes/states/nodes/output/copy"),
        ("POST", "/v0/pipes/states/nodes/output/population"),
        ("GET", "/v0/pipes/states/nodes/output/analysis"),
        ("POST", "/v0/sql_copy?copy_to=totals"),
    ],
)
def test_pipes_change_by_deployments_only(server: RunningServer, method: str, path: str) -> None:
    answer = server.request(method, path)
    assert answer.status_code == 403
    assert answer.json()["error"] == "Adding or modifying pipes to this workspace can only be done via deployments"
    assert server.request(method, path, token="nobody").json()["code"] == "SC400"


def test_errors_of_templates_and_statements_name_a_page_that_explains_them(server: RunningServer) -> None:
    unreadable = server.request("GET", "/v0/sql", params={"q": "SELEC 1"}).json()
    assert unreadable["documentation"].startswith("docs/reference/")
    assert "documentation" not in server.request("GET", "/v0/pipes/nobody.json").json()
