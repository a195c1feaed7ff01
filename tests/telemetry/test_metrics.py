"""Counters as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.engine.shared import shared_engine

from stonechat.project.workspaces import Workspace
from stonechat.telemetry.events import DataSourceOperation
from stonechat.telemetry.metrics import Metrics, Readings
from stonechat.telemetry.recorder import Telemetry
from stonechat.telemetry.tables import ServiceTables

_WORKSPACE = Workspace("w", 'shop "1"', "metrics_shop", "2026-01-01 00:00:00")
_OTHER = Workspace("o", "other shop", "metrics_other", "2026-01-01 00:00:00")


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(ServiceTables(shared_engine()), records=False)


def _samples(telemetry: Telemetry, readings: Readings | None = None) -> Mapping[tuple[str, frozenset[str]], float]:
    """Values by name and the values of labels."""
    text, _ = Metrics(telemetry, readings or Readings()).exposition("")
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_in_buckets(telemetry: Telemetry) -> None:
    telemetry.requests.add("/v0/sql", "GET", 200, 0.003)
    telemetry.requests.add("/v0/sql", "GET", 200, 99.0)
    samples = _samples(telemetry)
    assert samples["stonechat_requests_total", frozenset({"/v0/sql", "GET", "200"})] == 2
    assert samples["stonechat_request_seconds_bucket", frozenset({"/v0/sql", "0.0025"})] == 0
    assert samples["stonechat_request_seconds_bucket", frozenset({"/v0/sql", "0.005"})] == 1
    assert samples["stonechat_request_seconds_bucket", frozenset({"/v0/sql", "+Inf"})] == 2
    assert samples["stonechat_request_seconds_sum", frozenset({"/v0/sql"})] == pytest.approx(99.003)


def test_rows_are_counted_by_data_source_and_operation(telemetry: Telemetry) -> None:
    with telemetry.events_request(_WORKSPACE, "t_1", "visits", 100) as taken:
        taken.rows(5, 2)
    appended = DataSourceOperation(
        event_type="append", datasource_id="t_1", datasource_name="visits", rows=7, rows_quarantine=1
    )
    telemetry.record(_WORKSPACE, appended)
    samples = _samples(telemetry)
    place = {'shop "1"', "visits"}
    assert samples["stonechat_rows_total", frozenset(place | {"append-hfi", "written"})] == 5
    assert samples["stonechat_rows_total", frozenset(place | {"append-hfi", "quarantined"})] == 2
    assert samples["stonechat_rows_total", frozenset(place | {"append", "written"})] == 7
    assert samples["stonechat_events_requests_total", frozenset(place | {"taken"})] == 1
    assert samples["stonechat_events_bytes_total", frozenset(place)] == 100


def test_many_data_sources_do_not_make_many_series(telemetry: Telemetry) -> None:
    for number in range(2000):
        with telemetry.events_request(_WORKSPACE, f"t_{number}", f"source_{number}", 10) as taken:
            taken.rows(1, 0)
    samples = _samples(telemetry)
    rows = {labels: value for (name, labels), value in samples.items() if name == "stonechat_rows_total"}
    assert len(rows) < 1100
    assert sum(rows.values()) == 2000
    assert rows[frozenset({"other", "append-hfi", "written"})] == 1500


def test_a_deleted_workspace_has_no_series_any_more(telemetry: Telemetry) -> None:
    for workspace in (_WORKSPACE, _OTHER):
        with telemetry.events_request(workspace, f"t_{workspace.id}", "visits", 1) as taken:
            taken.rows(1, 0)
        operation = DataSourceOperation(event_type="append", datasource_id="t_1", datasource_name="visits", rows=1)
        telemetry.record(workspace, operation)
    telemetry.forget(_OTHER)
    named = {value for _, labels in _samples(telemetry) for value in labels}
    assert _WORKSPACE.name in named
    assert _OTHER.name not in named


def test_readings_are_taken_at_each_scrape(telemetry: Telemetry) -> None:
    value = [1.0]
    readings = Readings(counters={"done": ("Done", lambda: 2.0)}, gauges={"waits": ("Waits", lambda: value[0])})
    metrics = Metrics(telemetry, readings)
    assert b"stonechat_waits 1.0" in metrics.exposition("")[0]
    value[0] = 3.0
    assert b"stonechat_waits 3.0" in metrics.exposition("")[0]
    assert b"stonechat_done_total 2.0" in metrics.exposition("")[0]


def test_the_reader_chooses_the_format(telemetry: Telemetry) -> None:
    metrics = Metrics(telemetry, Readings())
    text, media_type = metrics.exposition("application/openmetrics-text;version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")
    assert metrics.exposition("*/*")[1].startswith("text/plain")
