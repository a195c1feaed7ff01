"""The whole way of a request, attacked with random statements by a token that sees only some rows.

Two workspaces have one project. In one, `m` has rows of others beside those that the token may see; in the other, it
has none. No answer may tell which of the two it comes from.
"""

from __future__ import annotations

import json
import os
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.conftest import RunningServer
from tests.sql.statements_over_rows import statements

_COLUMNS = """
SCHEMA >
    tenant String `json:$.tenant`,
    secret String `json:$.secret`,
    n UInt32 `json:$.n`,
    tags Array(String) `json:$.tags[:]`

ENGINE ReplacingMergeTree
ENGINE_SORTING_KEY n, tenant
"""
_CLOSED = """
NODE output
SQL >
    SELECT tenant, secret, n, tags FROM m JOIN (SELECT 'a' AS tenant) AS mine USING (tenant)
TYPE endpoint
"""
_PROJECT = {
    "datasources/m.datasource": _COLUMNS,
    "datasources/u.datasource": _COLUMNS,
    "datasources/only_numbers.datasource": "SCHEMA >\n    n UInt32 `json:$.n`\n",
    "endpoints/through.pipe": """
NODE rows
SQL >
    %
    SELECT tenant, secret, n, tags FROM m
    WHERE n >= {{UInt32(least, 0)}} AND (tenant != 'b' OR throwIf(n = 101, 'HIDDEN2') = 0)

NODE output
SQL >
    WITH m AS (SELECT * FROM rows) SELECT * FROM m UNION ALL SELECT * FROM u
TYPE endpoint
""",
    "endpoints/closed.pipe": _CLOSED,
}
_SEEN = [
    {"tenant": "a", "secret": "mine0", "n": 0, "tags": ["x"]},
    {"tenant": "a", "secret": "mine1", "n": 1, "tags": []},
    {"tenant": "a", "secret": "2", "n": 2, "tags": ["x", "z"]},
]
_HIDDEN = [
    {"tenant": "b", "secret": "HIDDEN1", "n": 101, "tags": ["y"]},
    {"tenant": "c", "secret": "HIDDEN2", "n": 1, "tags": ["HIDDEN"]},
    {"tenant": "", "secret": "", "n": 4_000_000_000, "tags": []},
]
_SCOPES = [
    "DATASOURCES:READ:m:tenant = 'a'",
    "DATASOURCES:READ:u",
    "DATASOURCES:READ:only_numbers",
    "PIPES:READ:through",
]


@pytest.fixture(scope="module")
def server(module_server: RunningServer) -> RunningServer:
    """A server for both workspaces."""
    return module_server


@pytest.fixture(scope="module")
def worlds(server: RunningServer) -> tuple[tuple[str, str], tuple[str, str]]:
    """Two tokens in the workspace with hidden rows, and in that without: with a filter, and for an endpoint alone."""
    return _world(server, "with", [*_SEEN, *_HIDDEN]), _world(server, "without", _SEEN)


def _world(server: RunningServer, name: str, rows: list[dict[str, object]]) -> tuple[str, str]:
    owner = server.client.get("/tokens").json()["user_token"]
    admin = server.request("POST", "/v1/workspaces", params={"name": name}, token=owner).json()["token"]
    files = [("data_project://", (path, text, "text/plain")) for path, text in _PROJECT.items()]
    deployed = server.request("POST", "/v1/deploy", params={"auto_promote": "true"}, files=files, token=admin)
    assert deployed.status_code == 200, deployed.text
    for source, sent in (("m", rows), ("u", _SEEN[1:]), ("only_numbers", [{"n": 1}, {"n": 101}])):
        params = {"name": source, "wait": "true"}
        body = "\n".join(map(json.dumps, sent))
        assert server.request("POST", "/v0/events", params=params, content=body, token=admin).status_code == 200
    made = server.request("POST", "/v0/tokens", params={"name": "seer", "scope": _SCOPES}, token=admin)
    assert made.status_code == 200, made.text
    closed = {"type": "PIPES:READ", "resource": "closed", "fixed_params": {"any": "thing"}}
    params = {"name": "caller", "expiration_time": str(int(time.time()) + 3600)}
    signed = server.request("POST", "/v0/tokens", params=params, json={"scopes": [closed]}, token=admin)
    return str(made.json()["token"]), str(signed.json()["token"])


def _outcome(server: RunningServer, token: str, statement: str) -> object:
    answer = server.request("GET", "/v0/sql", params={"q": f"{statement} FORMAT JSON"}, token=token)
    assert "HIDDEN2" not in answer.text
    if answer.status_code != 200:
        return answer.status_code, answer.json()["code"], answer.json()["error"]
    body = answer.json()
    del body["statistics"]["elapsed"]
    return {**body, "data": sorted(map(json.dumps, body["data"]))}


#: Of what stands below a LIMIT the engine may read less when something above it needs no more.
_LEFT_EARLY = (
    "SELECT tenant, count() AS c FROM (SELECT tenant, secret, n, tags FROM m ANTI JOIN u USING (n) UNION ALL "
    "SELECT tenant, secret, n, tags FROM m FINAL WHERE (NOT (throwIf('HIDDEN1' = tenant) = 0) "
    "AND (n IN (SELECT n FROM u FINAL WHERE tenant = '') AND 'HIDDEN1' IN ('HIDDEN1', 'a')))) "
    "GROUP BY tenant WITH TOTALS HAVING throwIf(c > 3) = 0"
)


_through = st.sampled_from(["u", "through"])


@settings(max_examples=int(os.environ.get("STONECHAT_EXAMPLES", "20")), deadline=None)
@given(statement=statements, source=_through)
@example(_LEFT_EARLY, "u")
@example("SELECT n FROM m WHERE tenant = 'b' OR has(tags, 'a') OR throwIf('a' = tenant) = 0", "u")
def test_no_answer_tells_whether_there_are_hidden_rows(
    server: RunningServer, worlds: tuple[tuple[str, str], ...], statement: str, source: str
) -> None:
    asked = re.sub(r"\bu\b", source, statement)
    with_hidden, without = (_outcome(server, filtered, asked) for filtered, _ in worlds)
    assert with_hidden == without, asked


@settings(max_examples=int(os.environ.get("STONECHAT_EXAMPLES", "20")), deadline=None)
@given(statement=statements)
@example("SELECT tenant, secret, n, tags FROM m WHERE throwIf(secret = 'HIDDEN1') = 0")
def test_no_statement_over_an_endpoint_tells_whether_it_leaves_rows_out(
    server: RunningServer, worlds: tuple[tuple[str, str], ...], statement: str
) -> None:
    asked = re.sub(r"\b[mu]\b", "closed", statement)
    with_hidden, without = (_outcome(server, caller, asked) for _, caller in worlds)
    assert with_hidden == without, asked
