"""The SQL of a project reads its own workspace alone, whatever its author or the callers of its endpoints write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from tests.conftest import RunningServer

_HIDDEN = "HIDDEN"
_FILES = {"orders.datasource": "SCHEMA >\n    name String `json:$.name`\n"}


@dataclass
class Neighbours:
    """A server whose first workspace has a hidden row in `database`, and the token of the second one."""

    server: RunningServer
    database: str
    token: str

    def deploy(self, sql: str) -> httpx.Response:
        lines = "\n".join(f"    {line}" for line in sql.split("\n"))
        text = f"NODE rows\nSQL >\n{lines}\nTYPE endpoint\n"
        files = [("data_project://", ("reading.pipe", text.encode(), "text/plain"))]
        return self.server.request("POST", "/v1/deploy", params={"auto_promote": "true"}, files=files, token=self.token)

    def call(self, **params: str) -> httpx.Response:
        return self.server.request("GET", "/v0/pipes/reading.ndjson", params=params, token=self.token)


@pytest.fixture(scope="module")
def neighbours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbours]:
    server = RunningServer(tmp_path_factory.mktemp("apart") / "home", arguments=("serve",), environment={})
    try:
        assert server.deploy(_FILES).status_code == 200
        assert server.send(json.dumps({"name": _HIDDEN}), name="orders").status_code == 200
        database = server.database()
        user = server.client.get("/tokens").json()["user_token"]
        made = server.request("POST", "/v1/workspaces", params={"name": "second"}, token=user).raise_for_status()
        yield Neighbours(server, database, made.json()["token"])
    finally:
        server.kill()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM {database}.orders",
        "SELECT * FROM `{database}` . `orders`",
        'SELECT * FROM "{database}"."orders"',
        "SELECT nothing FROM {database}.orders",
        "SELECT 1 WHERE 'a' IN {database}.orders",
        "WITH a AS (SELECT * FROM {database}.orders) SELECT * FROM a",
        "SELECT * FROM merge('{database}', '.*')",
        "SELECT * FROM merge(REGEXP('.*'), 'orders')",
        "SELECT hasColumnInTable('{database}', 'orders', 'name')",
        "SELECT joinGet('{database}.orders', 'name', 1)",
        "SELECT name FROM system.tables",
        "SELECT * FROM system.processes",
        "SELECT * FROM information_schema.tables",
        "SELECT currentDatabase()",
        "SELECT * FROM file('/etc/hostname', 'LineAsString', 'line String')",
        "SELECT * FROM remote('127.0.0.1', '{database}', 'orders')",
        "%\nSELECT 1 {% if defined(x) %} FROM {database}.orders {% end %}",
    ],
)
def test_a_project_that_reads_beyond_itself_is_not_deployed(neighbours: Neighbours, sql: str) -> None:
    response = neighbours.deploy(sql.replace("{database}", neighbours.database))
    assert response.status_code == 400
    assert "allowed" in response.text or "not found" in response.text
    assert not any(word in response.text for word in (_HIDDEN, "Maybe you meant", "at right"))


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("%\nSELECT * FROM {{table(a, 'system.one')}}", {"a": "{database}.orders"}),
        ("%\nSELECT * FROM {{column(a, 'system.one')}}", {"a": "{database}.orders"}),
        ("%\nSELECT * FROM {{symbol(a, 'system')}}.{{symbol(b, 'one')}}", {"a": "{database}", "b": "orders"}),
        ("%\nSELECT * FROM {{table(a, 'system.one')}}", {"a": "system.tables"}),
        ("%\nSELECT * FROM {{table(a, 'system.one')}}", {"a": "information_schema.tables"}),
    ],
)
def test_a_name_that_a_caller_gives_leads_nowhere_else(
    neighbours: Neighbours, sql: str, parameters: dict[str, str]
) -> None:
    assert neighbours.deploy(sql).status_code == 200
    assert neighbours.call().json() == {"dummy": 0}
    given = {name: value.replace("{database}", neighbours.database) for name, value in parameters.items()}
    for response in (neighbours.call(**given), neighbours.call(**given, q="SELECT count() AS n FROM _")):
        assert response.status_code == 403
        assert response.json()["error"].endswith("not found.")
    statement = {"q": "SELECT * FROM reading FORMAT CSV", **given}
    response = neighbours.server.request("GET", "/v0/sql", params=statement, token=neighbours.token)
    assert response.status_code == 403


def test_service_data_sources_and_rows_that_are_made_stay_open(neighbours: Neighbours) -> None:
    counted = "SELECT (SELECT count() FROM numbers(3)) + (SELECT count() FROM tinybird.pipe_stats_rt WHERE 0) AS n"
    for sql, n in ((counted, 3), ("SELECT generate_series AS n FROM generateSeries(1, 1)", 1)):
        deployed = neighbours.deploy(sql)
        assert deployed.status_code == 200, deployed.text
        assert neighbours.call().json() == {"n": n}


def test_no_error_suggests_a_table_of_another_workspace(neighbours: Neighbours) -> None:
    assert neighbours.deploy("%\nSELECT * FROM {{table(String(place, 'system.one'))}}").status_code == 200
    for name in ("order", "orderz", "orders"):
        refused = neighbours.call(place=name)
        assert refused.status_code == 400
        assert (
            refused.json()["error"] == f"Unknown table expression identifier '{name}'. In scope SELECT * FROM {name}."
        )
