"""The tables of the service data sources, in a real engine.

`schemas/` has a file for each: its columns in order, `name type` a line, as the contract with clients has them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.engine.shared import shared_engine

from stonechat.project.service_data_sources import SERVICE_DATA_SOURCES, service_database
from stonechat.telemetry.events import DataSourceOperation, Event, PipeCall
from stonechat.telemetry.tables import ServiceTables

_SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.txt"))
_NUMBERS = itertools.count()
_CALL = PipeCall(
    start_datetime=1_790_000_000,
    pipe_id="t_1",
    pipe_name="top",
    token="an id",
    token_name="reader",
    duration=0.25,
    status_code=200,
    read_rows=7,
    read_bytes=70,
)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A workspace's database whose service data sources are there."""
    name = f"telemetry_{next(_NUMBERS)}"
    ServiceTables(shared_engine()).ensure(name)
    yield name
    shared_engine().command(f"DROP DATABASE {service_database(name)} SYNC")


def _fetch(statement: str, database: str) -> list[dict[str, object]]:
    return shared_engine().fetch(statement, database=service_database(database))


def _write(database: str, *events: Event) -> None:
    rows = [msgspec.json.encode(event) for event in events]
    ServiceTables(shared_engine()).write(database, events[0].table, rows)


def test_every_service_data_source_has_its_schema() -> None:
    assert {path.stem for path in _SCHEMAS} == set(SERVICE_DATA_SOURCES)


@pytest.mark.parametrize("path", _SCHEMAS, ids=lambda path: path.stem)
def test_a_table_has_the_columns_of_the_contract(path: Path, database: str) -> None:
    described = _fetch(f"DESCRIBE TABLE {path.stem}", database)
    assert [f"{row['name']} {row['type']}" for row in described] == path.read_text().splitlines()


@pytest.mark.parametrize("event", Event.__subclasses__(), ids=lambda event: event.__name__)
def test_the_fields_of_an_event_are_columns_of_its_table(event: type[Event]) -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(event)}
    assert fields <= SERVICE_DATA_SOURCES[event.table].columns.keys()


def test_calls_add_up_by_day_and_pipe(database: str) -> None:
    failed = msgspec.structs.replace(_CALL, duration=0.75, status_code=400, error=1)
    _write(database, _CALL, failed)
    _write(database, _CALL, msgspec.structs.replace(_CALL, pipe_id="t_2", pipe_name="other"))
    (row,) = _fetch(
        "SELECT sum(view_count) AS views, sum(error_count) AS errors, sum(read_rows_sum) AS rows_read, "
        "avgMerge(avg_duration_state) AS average, "
        "quantilesTimingMerge(0.9, 0.95, 0.99)(quantile_timing_state) AS timing "
        "FROM pipe_stats WHERE pipe_id = 't_1' GROUP BY date, pipe_name",
        database,
    )
    assert row["views"] == 3
    assert row["errors"] == 1
    assert row["rows_read"] == 21
    assert row["average"] == pytest.approx(1250 / 3, rel=1e-5)
    assert row["timing"] == [750, 750, 750]


def test_operations_add_up_by_day_data_source_and_type(database: str) -> None:
    written = DataSourceOperation(
        event_type="append",
        datasource_id="t_3",
        datasource_name="d",
        timestamp=1_790_000_000,
        rows=5,
        rows_quarantine=2,
    )
    refused = DataSourceOperation(
        event_type="append",
        datasource_id="t_3",
        datasource_name="d",
        timestamp=1_790_000_001,
        result="error",
        error="x",
    )
    _write(database, written, refused)
    (row,) = _fetch(
        "SELECT event_type, sum(executions) AS done, sum(error_count) AS errors, sum(s.rows) AS good, "
        "sum(s.rows_quarantine) AS bad FROM datasources_ops_stats AS s WHERE datasource_id = 't_3' GROUP BY event_type",
        database,
    )
    assert row == {"event_type": "append", "done": 2, "errors": 1, "good": 5, "bad": 2}


def test_tables_that_are_there_keep_their_rows(database: str) -> None:
    _write(database, msgspec.structs.replace(_CALL, pipe_id="t_kept"))
    ServiceTables(shared_engine()).ensure(database)
    assert len(_fetch("SELECT 1 FROM pipe_stats_rt WHERE pipe_id = 't_kept'", database)) == 1


def test_rows_make_their_table_and_those_behind_its_views_and_no_others() -> None:
    database = "telemetry_first_rows"
    try:
        _write(database, _CALL)
        names = {
            row["name"] for row in _fetch("SELECT name FROM system.tables WHERE database = currentDatabase()", database)
        }
        assert names == {"pipe_stats_rt", "pipe_stats", "pipe_stats_view"}
        assert _fetch("SELECT pipe_name, view_count FROM pipe_stats", database) == [
            {"pipe_name": "top", "view_count": 1}
        ]
    finally:
        shared_engine().command(f"DROP DATABASE {service_database(database)} SYNC")


def _expiry(database: str, table: str) -> str:
    query = (
        f"SELECT create_table_query AS text FROM system.tables WHERE database = currentDatabase() AND name = '{table}'"
    )
    (row,) = _fetch(query, database)
    return str(row["text"]).partition(" TTL ")[2].partition(" SETTINGS")[0]


def test_rows_go_after_the_days_of_the_contract_or_sooner(database: str) -> None:
    assert _expiry(database, "pipe_stats_rt") == "start_datetime + toIntervalDay(90)"
    assert _expiry(database, "endpoint_errors") == "start_datetime + toIntervalDay(30)"
    try:
        ServiceTables(shared_engine(), 40).ensure(database)
        assert _expiry(database, "pipe_stats_rt") == "start_datetime + toIntervalDay(40)"
        assert _expiry(database, "endpoint_errors") == "start_datetime + toIntervalDay(30)"
        assert _expiry(database, "pipe_stats") == ""
    finally:
        ServiceTables(shared_engine()).ensure(database)
    assert _expiry(database, "pipe_stats_rt") == "start_datetime + toIntervalDay(90)"


def test_a_closed_workspace_gets_no_tables_and_no_rows() -> None:
    tables = ServiceTables(shared_engine())
    tables.close("telemetry_gone")
    tables.ensure("telemetry_gone")
    tables.write("telemetry_gone", _CALL.table, [msgspec.json.encode(_CALL)])
    name = service_database("telemetry_gone")
    assert shared_engine().fetch(f"SELECT 1 FROM system.databases WHERE name = '{name}'") == []
