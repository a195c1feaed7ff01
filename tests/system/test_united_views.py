"""A materialized pipe over a UNION of several tables follows each of them, whatever becomes of the server and these."""

from __future__ import annotations

from tests.conftest import RunningServer, StartServer

_EVENTS = "SCHEMA >\n    `n` UInt32 `json:$.n`\nENGINE_SORTING_KEY n\n"
_SUMS = "SCHEMA >\n    `kind` String,\n    `total` UInt64\nENGINE SummingMergeTree\nENGINE_SORTING_KEY kind\n"
_UNION = """NODE output
SQL >
    SELECT 'click' AS kind, sum(n) AS total FROM clicks GROUP BY kind
    UNION ALL
    SELECT 'view' AS kind, sum(n) AS total FROM views GROUP BY kind
TYPE materialized
DATASOURCE sums
"""
_FILES = {
    "clicks.datasource": _EVENTS,
    "views.datasource": _EVENTS,
    "sums.datasource": _SUMS,
    "summed.pipe": _UNION,
}
_TOTALS = "SELECT kind, sum(total) AS total FROM sums GROUP BY kind ORDER BY kind"


def _deploy(server: RunningServer, files: dict[str, str]) -> None:
    answer = server.deploy(files)
    assert answer.json()["result"] == "success", answer.text
    identity = answer.json()["deployment"]["id"]
    while not (told := server.request("GET", f"/v1/deployments/{identity}").json()["deployment"])["live"]:
        assert told["status"] not in {"failed", "deleted"}, told


def _totals(server: RunningServer) -> dict[str, int]:
    return {row["kind"]: row["total"] for row in server.sql(_TOTALS)}


def test_every_table_is_followed_through_a_kill_and_a_new_version_of_one(start_server: StartServer) -> None:
    server = start_server()
    _deploy(server, _FILES)
    assert server.send('{"n": 1}', name="clicks").json()["successful_rows"] == 1
    assert server.send('{"n": 10}\n{"n": 20}', name="views").json()["successful_rows"] == 2
    assert server.send('{"n": 2}', name="clicks", wait=False).status_code == 202
    server.kill()
    server = start_server()
    assert server.send('{"n": 4}', name="clicks").json()["successful_rows"] == 1
    assert _totals(server) == {"click": 7, "view": 30}
    more = _EVENTS.replace("json:$.n`", "json:$.n`,\n    `m` String `json:$.m` DEFAULT 'x'")
    _deploy(server, _FILES | {"views.datasource": more})
    assert server.send('{"n": 40, "m": "y"}', name="views").json()["successful_rows"] == 1
    assert server.send('{"n": 8}', name="clicks").json()["successful_rows"] == 1
    assert _totals(server) == {"click": 15, "view": 70}


def test_a_member_that_goes_is_followed_no_more_and_the_rows_stay(module_server: RunningServer) -> None:
    server = module_server.new_workspace()
    _deploy(server, _FILES)
    server.send('{"n": 1}', name="clicks")
    server.send('{"n": 10}', name="views")
    first, _, _ = _UNION.partition("    UNION ALL")
    _deploy(server, _FILES | {"summed.pipe": f"{first}TYPE materialized\nDATASOURCE sums\n"})
    server.send('{"n": 2}', name="clicks")
    server.send('{"n": 20}', name="views")
    assert _totals(server) == {"click": 3, "view": 10}


def test_replacing_the_rows_of_one_table_is_refused_while_others_feed_the_same_target(
    module_server: RunningServer,
) -> None:
    server = module_server.new_workspace()
    _deploy(server, _FILES)
    server.send('{"n": 1}', name="clicks")
    server.send('{"n": 10}', name="views")
    answer = server.request("POST", "/v0/datasources/clicks/truncate")
    assert answer.status_code in {200, 205}, answer.text
    params = {"mode": "replace", "name": "clicks", "format": "ndjson"}
    refused = server.request("POST", "/v0/datasources", params=params, content='{"n": 5}')
    assert "it is also fed from 'views'" in refused.text
    assert _totals(server) == {"click": 1, "view": 10}


def test_the_rows_of_a_table_that_feeds_all_the_others_are_replaced_everywhere(module_server: RunningServer) -> None:
    server = module_server.new_workspace()
    copied = "NODE output\nSQL >\n    SELECT n * 10 AS n FROM clicks\nTYPE materialized\nDATASOURCE views\n"
    wide = _EVENTS.replace("UInt32", "UInt64")
    _deploy(server, _FILES | {"copied.pipe": copied, "views.datasource": wide})
    server.send('{"n": 1}', name="clicks")
    assert _totals(server) == {"click": 1, "view": 10}
    params = {"mode": "replace", "name": "clicks", "format": "ndjson"}
    answer = server.request("POST", "/v0/datasources", params=params, content='{"n": 5}\n{"n": 6}')
    assert answer.status_code == 200, answer.text
    assert _totals(server) == {"click": 11, "view": 110}


def test_a_view_over_a_quarantine_beside_its_data_source_gets_another_query(module_server: RunningServer) -> None:
    server = module_server.new_workspace()
    told = (
        "NODE sound\nSQL >\n    SELECT toString(n) AS kind, toUInt64(1) AS total FROM clicks\n"
        "NODE output\nSQL >\n    SELECT * FROM sound\n"
        "    UNION ALL (SELECT {} AS kind, toUInt64(1) AS total FROM clicks_quarantine)\n"
        "TYPE materialized\nDATASOURCE sums\n"
    )
    first = "ifNull(toString(n), '')"
    files = {"clicks.datasource": _EVENTS, "sums.datasource": _SUMS, "told.pipe": told.format(first)}
    _deploy(server, files)
    assert server.send('{"n": 1}\n{"n": "x"}', name="clicks").json()["quarantined_rows"] == 1
    for query in (f"upper({first})", f"lower({first})"):
        _deploy(server, files | {"told.pipe": told.format(query)})
        server.send('{"n": 1}\n{"n": "x"}', name="clicks")
    assert _totals(server) == {"1": 3, "x": 3}


def test_replacing_rows_is_refused_where_the_quarantine_feeds_the_same_target(module_server: RunningServer) -> None:
    server = module_server.new_workspace()
    told = (
        "NODE output\nSQL >\n    SELECT toString(n) AS kind, toUInt64(1) AS total FROM clicks\n"
        "    UNION ALL SELECT ifNull(toString(n), '') AS kind, toUInt64(1) AS total FROM clicks_quarantine\n"
        "TYPE materialized\nDATASOURCE sums\n"
    )
    _deploy(server, {"clicks.datasource": _EVENTS, "sums.datasource": _SUMS, "told.pipe": told})
    assert server.send('{"n": 1}\n{"n": "x"}', name="clicks").json()["quarantined_rows"] == 1
    params = {"mode": "replace", "name": "clicks", "format": "ndjson"}
    refused = server.request("POST", "/v0/datasources", params=params, content='{"n": 5}')
    assert "it is also fed from 'clicks_quarantine'" in refused.text
    assert _totals(server) == {"1": 1, "x": 1}
