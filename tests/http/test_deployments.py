"""Deployments go live whole or not at all, and say exactly what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer, StartServer

_EVENTS = """DESCRIPTION >
    Events

SCHEMA >
    `at` DateTime `json:$.at`,
    `kind` String `json:$.kind`,
    `select` UInt8 `json:$.select`

ENGINE "MergeTree"
ENGINE_SORTING_KEY "at"
"""
_TOTALS = """SCHEMA >
    `kind` String,
    `n` AggregateFunction(count)

ENGINE "AggregatingMergeTree"
ENGINE_SORTING_KEY "kind"
"""
_COUNTING = """NODE by_kind_states
SQL >
    SELECT kind, countState() AS n FROM events GROUP BY kind

TYPE materialized
DATASOURCE totals
"""
_BY_KIND = """NODE merged
SQL >
    SELECT kind, countMerge(n) AS n FROM totals GROUP BY kind

NODE answer
SQL >
    %
    SELECT * FROM merged WHERE kind != {{String(without, '')}} ORDER BY kind

TYPE endpoint
"""
_PROJECT = {
    "datasources/events.datasource": _EVENTS,
    "datasources/totals.datasource": _TOTALS,
    "materializations/counting.pipe": _COUNTING,
    "endpoints/by_kind.pipe": _BY_KIND,
}


@pytest.fixture
def server(module_server: RunningServer) -> RunningServer:
    server = module_server.new_workspace()
    response = server.deploy(_PROJECT)
    assert response.json()["result"] == "success", response.text
    return server


def _event(kind: str) -> str:
    return json.dumps({"at": "2024-01-01 00:00:00", "kind": kind, "select": 1})


def _refused(server: RunningServer, files: Mapping[str, str], **params: str) -> list[dict[str, Any]]:
    """The errors of a deployment that must fail and leave what is live as it is."""
    before = server.request("GET", "/v1/deployments").json()
    response = server.deploy(files, **params)
    assert response.status_code in {400, 409}, response.text
    body = response.json()
    assert body["result"] == "failed"
    assert "error" not in body
    assert server.request("GET", "/v1/deployments").json() == before
    assert server.request("GET", "/v0/pipes/by_kind.json").status_code == 200
    errors: list[dict[str, Any]] = body["errors"]
    return errors


def test_a_project_goes_live_and_answers(server: RunningServer) -> None:
    server.send("\n".join(map(_event, "aab")), name="events")
    assert server.rows("/v0/pipes/by_kind.json") == [{"kind": "a", "n": 2}, {"kind": "b", "n": 1}]
    assert server.rows("/v0/pipes/by_kind.json", without="a") == [{"kind": "b", "n": 1}]
    assert server.sql("SELECT `select` FROM events LIMIT 1") == [{"select": 1}]


def test_the_same_project_again_changes_nothing(server: RunningServer) -> None:
    body = server.deploy(_PROJECT).json()
    assert body["result"] == "no_changes"
    assert len(server.request("GET", "/v1/deployments").json()["deployments"]) == 1


def test_a_build_without_changes_succeeds_with_empty_lists(server: RunningServer) -> None:
    parts = [("data_project://", (name, text.encode(), "text/plain")) for name, text in _PROJECT.items()]
    assert server.request("POST", "/v1/build", files=parts).json()["result"] == "success"
    again = server.request("POST", "/v1/build", files=parts).json()
    assert again["result"] == "success"
    assert not any(names for key, names in again["build"].items() if key.endswith("_names"))


def test_a_check_says_what_would_change_and_changes_nothing(server: RunningServer) -> None:
    files = {**_PROJECT, "endpoints/more.pipe": "NODE n\nSQL >\n    SELECT 1 AS one\nTYPE endpoint\n"}
    body = server.deploy(files, check="true").json()
    assert body["result"] == "success"
    assert body["deployment"]["new_pipe_names"] == ["more"]
    assert body["deployment"]["live"] is False
    assert server.request("GET", "/v0/pipes/more.json").status_code == 404


def test_a_new_view_is_filled_from_the_rows_that_are_there(module_server: RunningServer) -> None:
    server = module_server.new_workspace()
    first = {name: text for name, text in _PROJECT.items() if name.endswith("events.datasource")}
    assert server.deploy(first).status_code == 200
    server.send("\n".join(map(_event, "abc")), name="events")
    assert server.deploy(_PROJECT).json()["result"] == "success"
    server.send(_event("a"), name="events")
    assert server.rows("/v0/pipes/by_kind.json", without="c") == [{"kind": "a", "n": 2}, {"kind": "b", "n": 1}]


def test_a_syntax_error_is_named_with_file_line_and_column(server: RunningServer) -> None:
    (error,) = _refused(server, {**_PROJECT, "datasources/events.datasource": _EVENTS.replace("UInt8", "Boolean")})
    assert (error["filename"], error["line"]) == ("datasources/events.datasource", 7)
    assert error["column"] > 1
    assert "Bool" in error["error"]


def test_all_problems_of_all_files_come_at_once(server: RunningServer) -> None:
    files = {
        **_PROJECT,
        "datasources/events.datasource": _EVENTS.replace("SCHEMA", "SCHEME"),
        "endpoints/by_kind.pipe": _BY_KIND.replace("{{String(without, '')}}", "{% if without %}"),
    }
    errors = _refused(server, files)
    assert {error["filename"] for error in errors} >= {"datasources/events.datasource", "endpoints/by_kind.pipe"}


def test_broken_sql_is_named_at_its_place(server: RunningServer) -> None:
    files = {**_PROJECT, "endpoints/by_kind.pipe": _BY_KIND.replace("GROUP BY kind", "GROUP kind")}
    (error, *_) = _refused(server, files)
    assert (error["filename"], error["line"]) == ("endpoints/by_kind.pipe", 3)
    assert "Syntax error" in error["error"]


def test_an_unknown_column_or_table_is_named(server: RunningServer) -> None:
    files = {**_PROJECT, "endpoints/by_kind.pipe": _BY_KIND.replace("FROM totals", "FROM totale")}
    assert "totale" in _refused(server, files)[0]["error"]
    files = {**_PROJECT, "endpoints/by_kind.pipe": _BY_KIND.replace("countMerge(n)", "countMerge(m)")}
    assert "m" in _refused(server, files)[0]["error"]


def test_a_view_that_does_not_match_its_target_is_refused(server: RunningServer) -> None:
    files = {**_PROJECT, "datasources/sums.datasource": _TOTALS.replace("AggregateFunction(count)", "UInt8")}
    files["materializations/summing.pipe"] = _COUNTING.replace("totals", "sums")
    (error,) = _refused(server, files)
    assert "the column 'n' is AggregateFunction(count) in the query and UInt8 in the data source" in error["error"]


def test_a_type_that_does_not_take_all_values_is_refused(server: RunningServer) -> None:
    server.send(_event("kept"), name="events")
    files = {**_PROJECT, "datasources/events.datasource": _EVENTS.replace("`select` UInt8", "`select` Date")}
    errors = _refused(server, files)
    assert "'select' of the data source 'events' changes from UInt8 to Date" in errors[0]["error"]
    assert server.value("SELECT count() FROM events") == 1


def test_a_data_source_goes_only_with_permission(server: RunningServer) -> None:
    server.send(_event("a"), name="events")
    less = {"datasources/events.datasource": _EVENTS}
    (error,) = _refused(server, less)
    assert "totals" in error["error"]
    assert server.deploy(less, allow_destructive_operations="true").json()["result"] == "success"
    assert server.request("GET", "/v0/pipes/by_kind.json").status_code == 404
    assert server.value("SELECT count() FROM events") == 1


def test_two_resources_may_not_share_a_name(server: RunningServer) -> None:
    errors = _refused(server, {**_PROJECT, "endpoints/events.pipe": _BY_KIND})
    assert "'events' is taken" in errors[0]["error"]


def test_what_was_live_is_live_after_a_restart_and_a_kill(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(tmp_path / "home")
    server.deploy(_PROJECT)
    server.send(_event("a"), name="events")
    server.kill()
    server = start_server(tmp_path / "home")
    assert server.rows("/v0/pipes/by_kind.json") == [{"kind": "a", "n": 1}]
    assert server.stop() == 0
    server = start_server(tmp_path / "home")
    assert server.rows("/v0/pipes/by_kind.json") == [{"kind": "a", "n": 1}]


def test_what_may_have_another_effect_than_it_seems_is_told_with_the_deployment(server: RunningServer) -> None:
    files = {**_PROJECT, "told.pipe": "NODE n\nSQL >\n    %\n    SELECT {{String(debug, '')}} AS a\nTYPE endpoint\n"}
    told = "told.pipe:4:21: The parameter 'debug' also means something to the server: give it another name"
    feedback = server.deploy(files).json()["deployment"]["feedback"]
    assert {"level": "WARNING", "resource": "told.pipe", "message": told} in feedback


def test_a_request_without_files_is_refused(server: RunningServer) -> None:
    response = server.request("POST", "/v1/deploy", content=b"nothing")
    assert response.status_code == 400
    assert "multipart" in response.json()["error"]


@pytest.mark.parametrize(
    "parts",
    [
        [("file", ("a.pipe", b"NODE n", "text/plain"))],
        [("data_project://", (None, b"NODE n", "text/plain"))],
        [("data_project://", ("a.pipe", b"NODE n", "text/plain")), ("data_project://", ("a.pipe", b"NODE m", ""))],
    ],
)
@pytest.mark.parametrize("path", ["/v1/build", "/v1/deploy?auto_promote=true&allow_destructive_operations=true"])
def test_no_file_is_passed_over_as_if_it_were_gone(server: RunningServer, path: str, parts: list[Any]) -> None:
    response = server.request("POST", path, files=parts)
    assert (response.status_code, response.json()["code"]) == (400, "SC950")
    assert server.deploy(_PROJECT).json()["result"] == "no_changes"


def test_a_check_that_is_misspelt_deploys_nothing(server: RunningServer) -> None:
    files = {**_PROJECT, "endpoints/more.pipe": "NODE n\nSQL >\n    SELECT 1 AS one\nTYPE endpoint\n"}
    response = server.deploy(files, check="yes")
    assert (response.status_code, response.json()["error"]) == (
        400,
        "The parameter 'check' is neither true nor false: 'yes'",
    )
    assert server.request("GET", "/v0/pipes/more.json").status_code == 404


def test_an_empty_project_is_refused_while_there_is_data(server: RunningServer) -> None:
    errors = _refused(server, {})
    assert {"SC702"} == {error["code"] for error in errors}


def test_hints_of_a_template_are_taken(server: RunningServer) -> None:
    hints = "{{max_threads(2)}} {{activate('optimize_aggregation_in_order')}}"
    files = {
        **_PROJECT,
        "endpoints/hinted.pipe": f"NODE n\nSQL >\n    %\n    {hints}\n    SELECT 1 AS one\nTYPE endpoint\n",
    }
    response = server.deploy(files)
    assert response.status_code == 200, response.text
    assert server.rows("/v0/pipes/hinted.json") == [{"one": 1}]


def test_a_pipe_may_have_settings_that_lift_no_limit(server: RunningServer) -> None:
    node = "NODE n\nSQL >\n    SELECT toUInt64(1) AS one SETTINGS {}\nTYPE endpoint\n"
    harmless = {"endpoints/set.pipe": node.format("output_format_json_quote_64bit_integers = 1")}
    assert server.deploy({**_PROJECT, **harmless}).json()["result"] == "success"
    assert server.rows("/v0/pipes/set.json") == [{"one": "1"}]
    (error,) = _refused(server, {**_PROJECT, **harmless, "endpoints/more.pipe": node.format("max_execution_time = 0")})
    assert "'max_execution_time' is not allowed" in error["error"]
