"""Deployments that change tables keep every row, once, in tables and behind views, while events go on to arrive."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer, StartServer
from tests.waiting import until

_EVENTS = """SCHEMA >
    `at` DateTime `json:$.at`,
    `kind` String `json:$.kind`,
    `n` UInt32 `json:$.n`

ENGINE "MergeTree"
ENGINE_PARTITION_KEY "toYYYYMM(at)"
ENGINE_SORTING_KEY "at"
"""
_BY_KIND = """SCHEMA >
    `kind` String,
    `rows` UInt64,
    `total` UInt64

ENGINE "SummingMergeTree"
ENGINE_SORTING_KEY "kind"
"""
_TOTALS = _BY_KIND.replace("kind", "all")
_COUNTING = """NODE counted
SQL >
    SELECT kind, count() AS rows, sum(n) AS total FROM events GROUP BY kind

TYPE materialized
DATASOURCE by_kind
"""
_ADDING = """NODE added
SQL >
    SELECT 'all' AS `all`, sum(rows) AS rows, sum(total) AS total FROM by_kind GROUP BY `all`

TYPE materialized
DATASOURCE totals
"""
_PROJECT = {
    "datasources/events.datasource": _EVENTS,
    "datasources/by_kind.datasource": _BY_KIND,
    "datasources/totals.datasource": _TOTALS,
    "materializations/counting.pipe": _COUNTING,
    "materializations/adding.pipe": _ADDING,
}
_ADDED = _EVENTS.replace("`n` UInt32", "`more` String `json:$.more` DEFAULT 'none',\n    `n` UInt32")
_SORTED = _EVENTS.replace('SORTING_KEY "at"', 'SORTING_KEY "kind, at"')
_NULLABLE = _EVENTS.replace("`kind` String", "`kind` Nullable(String)")
_WIDER = _EVENTS.replace("`n` UInt32", "`n` UInt64")


@pytest.fixture
def server(module_server: RunningServer) -> RunningServer:
    server = module_server.new_workspace()
    assert server.deploy(_PROJECT).json()["result"] == "success"
    return server


def _rows(first: int, count: int) -> str:
    return "\n".join(
        json.dumps({"at": f"2024-{n % 3 + 1:02d}-01 00:00:00", "kind": "ab"[n % 2], "n": n, "more": str(n)})
        for n in range(first, first + count)
    )


def _deploy(server: RunningServer, changes: Mapping[str, str]) -> None:
    response = server.deploy({**_PROJECT, **changes}, allow_destructive_operations="true")
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["result"], body["deployment"]["live"]) == ("success", True)


def _must_hold(server: RunningServer, count: int) -> None:
    """All of the first `count` rows are there once, in the table and behind both views."""
    expected = {"rows": count, "total": sum(range(count))}
    assert server.sql("SELECT count() AS rows, sum(n) AS total FROM events") == [expected]
    assert server.sql("SELECT uniqExact(n) AS rows FROM events") == [{"rows": count}]
    assert server.sql("SELECT sum(rows) AS rows, sum(total) AS total FROM by_kind") == [expected]
    assert server.sql("SELECT sum(rows) AS rows, sum(total) AS total FROM totals") == [expected]


@pytest.mark.parametrize("changed", [_ADDED, _SORTED, _WIDER, _NULLABLE])
def test_a_changed_data_source_keeps_its_rows_and_feeds_its_views(server: RunningServer, changed: str) -> None:
    server.send(_rows(0, 100), name="events")
    files = {"datasources/events.datasource": changed}
    if "Nullable" in changed:
        files["materializations/counting.pipe"] = _COUNTING.replace("SELECT kind", "SELECT ifNull(kind, '') AS kind")
    _deploy(server, files)
    _must_hold(server, 100)
    assert server.send(_rows(100, 50), name="events").json() == {"successful_rows": 50, "quarantined_rows": 0}
    _must_hold(server, 150)


def test_a_new_column_has_its_default_in_old_rows_and_values_in_new_ones(server: RunningServer) -> None:
    server.send(_rows(0, 2), name="events")
    _deploy(server, {"datasources/events.datasource": _ADDED})
    server.send(_rows(2, 1), name="events")
    assert [row["more"] for row in server.sql("SELECT more FROM events ORDER BY n")] == ["none", "none", "2"]


def test_a_changed_table_merges_its_parts_as_a_new_one_does(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(tmp_path / "home")
    settings = 'ENGINE_SETTINGS "max_bytes_to_merge_at_max_space_in_pool = 5000000"\n'
    assert server.deploy({"a.datasource": _EVENTS, "b.datasource": _EVENTS + settings}).status_code == 200
    server.send(_rows(0, 3), name="a")
    assert server.deploy({"a.datasource": _ADDED, "b.datasource": _ADDED + settings}).status_code == 200
    assert server.stop() == 0
    script = (
        "import sys; from pathlib import Path; from stonechat.engine.chdb import ChdbEngine\n"
        "engine = ChdbEngine(Path(sys.argv[1]), server_memory_bytes=10**9, reader_connections=1, wait_seconds=5.0)\n"
        "statement = \"SELECT create_table_query AS made FROM system.tables WHERE endsWith(database, '_d2')\"\n"
        "print([row['made'] for row in engine.fetch(statement + \" AND name IN ('a', 'b') ORDER BY name\")])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "home" / "engine")]
    a, b = ast.literal_eval(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert "max_bytes" not in a
    assert b.count("max_bytes") == b.count("max_bytes_to_merge_at_max_space_in_pool = 5000000") == 1


def test_the_quarantine_goes_along(server: RunningServer) -> None:
    server.send('{"at": "no time", "kind": "a", "n": 1}', name="events")
    _deploy(server, {"datasources/events.datasource": _ADDED})
    server.send('{"at": "no time", "kind": "a", "n": 2, "more": "x"}', name="events")
    rows = server.sql("SELECT n, more FROM events_quarantine ORDER BY n")
    assert rows == [{"n": "1", "more": None}, {"n": "2", "more": "x"}]


def test_another_query_of_a_view_is_computed_over_the_rows_that_are_there(server: RunningServer) -> None:
    server.send(_rows(0, 100), name="events")
    _deploy(server, {"materializations/counting.pipe": _COUNTING.replace("SELECT kind", "SELECT upper(kind) AS kind")})
    server.send(_rows(100, 10), name="events")
    _must_hold(server, 110)
    assert {row["kind"] for row in server.sql("SELECT DISTINCT kind FROM by_kind")} == {"A", "B"}


def test_many_changes_one_after_the_other_lose_nothing(server: RunningServer) -> None:
    count = 0
    for changed in (_ADDED, _SORTED, _WIDER, _ADDED.replace("UInt32", "UInt64")):
        server.send(_rows(count, 20), name="events")
        count += 20
        _deploy(server, {"datasources/events.datasource": changed})
        _must_hold(server, count)


def test_a_restart_after_a_change_finds_the_new_tables_alone(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(tmp_path / "home")
    assert server.deploy(_PROJECT).status_code == 200
    server.send(_rows(0, 30), name="events")
    _deploy(server, {"datasources/events.datasource": _ADDED})
    server.send(_rows(30, 5), name="events", wait=False)
    server.kill()
    server = start_server(tmp_path / "home")
    _must_hold(server, 35)
    assert server.stop() == 0
    assert "removing" in server.log.read_text()


@pytest.mark.parametrize("changed", [_ADDED, _SORTED])
def test_events_that_arrive_meanwhile_are_there_once(server: RunningServer, changed: str) -> None:
    sent: list[int] = []
    stop = threading.Event()

    def send() -> None:
        headers = {"Authorization": f"Bearer {server.token}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
            while not stop.is_set():
                params = {"name": "events", "wait": "true" if len(sent) % 30 else "false"}
                answer = client.post("/v0/events", params=params, content=_rows(len(sent), 10))
                assert answer.json() == {"successful_rows": 10, "quarantined_rows": 0}, answer.text
                sent.extend(range(len(sent), len(sent) + 10))

    writer = threading.Thread(target=send)
    writer.start()
    try:
        until(lambda: sent)
        for files in ({"datasources/events.datasource": changed}, {}):
            before = len(sent)
            _deploy(server, files)
            assert len(sent) > before, "nothing arrived meanwhile"
    finally:
        stop.set()
        writer.join()
    server.send(_rows(len(sent), 1), name="events")
    _must_hold(server, len(sent) + 1)


def test_what_is_said_about_a_table_changes_without_a_new_one(server: RunningServer) -> None:
    server.send(_rows(0, 3), name="events")
    described = f"DESCRIPTION >\n    What happened\n\n{_EVENTS}"
    _deploy(server, {"datasources/events.datasource": described})
    assert "What happened" in server.request("GET", "/v0/datasources/events.datasource").text
    commented = f"# A comment\n{described}"
    body = server.deploy({**_PROJECT, "datasources/events.datasource": commented}).json()
    assert body["result"] == "no_changes"
    _must_hold(server, 3)
