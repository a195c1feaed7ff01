"""What the Data Sources API says of data sources, and to whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import RunningServer
from tests.http.describing import check_exchange, exchanges, project_files


@pytest.mark.parametrize("request_file", exchanges("datasources"), ids=lambda path: path.stem)
def test_data_sources_are_described_as_expected(visits_server: RunningServer, request_file: Path) -> None:
    check_exchange(visits_server, request_file)


def test_a_data_source_is_found_by_its_id(visits_server: RunningServer) -> None:
    by_name = visits_server.request("GET", "/v0/datasources/visits").json()
    assert visits_server.request("GET", f"/v0/datasources/{by_name['id']}").json() == by_name


def test_statistics_are_the_rows_that_are_there(visits_server: RunningServer) -> None:
    described = visits_server.request("GET", "/v0/datasources").json()["datasources"]
    for source in described:
        assert source["statistics"]["row_count"] == visits_server.value(f"SELECT count() AS n FROM {source['name']}")
        quarantined = visits_server.value(f"SELECT count() AS n FROM {source['name']}_quarantine")
        assert source["quarantine_rows"] == quarantined
        assert (source["statistics"]["bytes"] > 0) == (source["statistics"]["row_count"] > 0)


def test_the_list_and_one_alone_differ_in_the_engine_only(visits_server: RunningServer) -> None:
    for listed in visits_server.request("GET", "/v0/datasources").json()["datasources"]:
        alone = visits_server.request("GET", f"/v0/datasources/{listed['name']}").json()
        assert listed | {"engine": None} == alone | {"engine": None}
        assert listed["engine"]["engine_sorting_key"] == alone["engine"]["sorting_key"]


def test_the_schema_makes_the_same_data_source_again(visits_server: RunningServer) -> None:
    described = visits_server.request("GET", "/v0/datasources/visits").json()
    server = visits_server.new_workspace()
    schema = described["schema"]["sql_schema"].replace(", `", ",\n    `")
    again = f'SCHEMA >\n    {schema}\n\nENGINE "MergeTree"\nENGINE_SORTING_KEY "at"\n'
    assert server.deploy({"visits.datasource": again}).status_code == 200
    assert server.request("GET", "/v0/datasources/visits").json()["columns"] == described["columns"]


def test_the_datafile_is_the_one_that_was_deployed(visits_server: RunningServer) -> None:
    for path, text in project_files().items():
        if path.endswith(".datasource"):
            assert visits_server.request("GET", f"/v0/{path}").text == text


def test_the_value_of_a_secret_is_not_described(visits_server: RunningServer) -> None:
    server = visits_server.new_workspace()
    response = server.request("POST", "/v0/variables", data={"name": "days", "value": "4321"})
    assert response.status_code == 200, response.text
    text = """TOKEN "reader" READ

SCHEMA >
    `at` DateTime

ENGINE "MergeTree"
ENGINE_SORTING_KEY "at"
ENGINE_TTL "at + toIntervalDay({{ tb_secret('days') }})"
"""
    response = server.deploy({"events.datasource": text})
    assert response.status_code == 200, response.text
    answer = server.request("GET", "/v0/datasources/events", token=server.tokens()["reader"])
    assert answer.json()["engine"]["ttl"] == "at + toIntervalDay({{ tb_secret('days') }})"
    assert "4321" not in answer.text
