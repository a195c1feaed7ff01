"""The quarantine of a data source over HTTP: what is in it, and what of it fits after a change of the schema."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.conftest import NO_TELEMETRY, RunningServer, StartServer

_STRICT = """TOKEN "reader" READ
TOKEN "appender" APPEND

SCHEMA >
    `sensor` String `json:$.id`,
    `value` Int32 `json:$.value`{more}

ENGINE "MergeTree"
ENGINE_SORTING_KEY "sensor"
"""
_WHOLE = '{"id": "a", "value": 1}\n'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(
        tmp_path_factory.mktemp("quarantine") / "home", arguments=("serve",), environment=NO_TELEMETRY
    )
    try:
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def server(running: RunningServer) -> RunningServer:
    _build(running, {})
    _build(running, {"readings.datasource": _STRICT.format(more="")})
    return running


def _build(server: RunningServer, files: dict[str, str]) -> None:
    parts = [("data_project://", (name, text.encode(), "text/plain")) for name, text in files.items()]
    answer = server.request(
        "POST", "/v1/build", files=[*parts, ("context://", ("cli-version", b"1.0.0", "text/plain"))]
    )
    assert answer.status_code == 200, answer.text


def _quarantine(server: RunningServer, **params: Any) -> dict[str, Any]:
    answer = server.request("GET", "/v0/datasources/readings/quarantine", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def _retried(server: RunningServer, token: str | None = None) -> dict[str, Any]:
    answer = server.request("POST", "/v0/datasources/readings/quarantine/retry", token=token)
    assert answer.status_code == 200, answer.text
    return _ended(server, answer)


def _ended(server: RunningServer, answer: httpx.Response) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        job: dict[str, Any] = server.request("GET", f"/v0/jobs/{answer.json()['id']}").json()
        if job["status"] not in {"waiting", "working"}:
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def _import(server: RunningServer, content: str, form: str) -> str:
    params = {"mode": "append", "name": "readings", "format": form}
    answer = server.request("POST", "/v0/datasources", params=params, content=content)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["import_id"])


def test_equal_causes_are_counted_together_and_the_latest_rows_are_shown(server: RunningServer) -> None:
    server.send(
        '{"id": "a", "value": "x"}\n{"id": "b", "value": "it\'s\\n on"}\n{"value": 1}\nbroken\n', name="readings"
    )
    shown = _quarantine(server)
    assert shown["rows"] == 4
    assert shown["reasons"] == [
        {"column": "value", "error": "value on column 'value' is not Int32", "rows": 2},
        {"column": "c__raw", "error": "the line is not JSON: invalid character (byte 0)", "rows": 1},
        {
            "column": "sensor",
            "error": "value is missing on column 'sensor', which is neither Nullable nor has a DEFAULT",
            "rows": 1,
        },
    ]
    assert {row["raw"] for row in shown["data"]} >= {"broken", '{"value": 1}'}
    assert len(_quarantine(server, limit=2)["data"]) == 2
    described = server.request("GET", "/v0/datasources/readings").json()
    assert described["quarantine_rows"] == 4


def test_the_rows_of_one_import_are_told_from_others(server: RunningServer) -> None:
    first = _import(server, "a,x\n", "csv")
    _import(server, "b,y\n", "csv")
    assert [row["raw"] for row in _quarantine(server, import_id=first)["data"]] == ["a,x"]
    assert _quarantine(server, import_id="' OR 1 --")["rows"] == 0


def test_what_fits_after_a_change_of_the_schema_goes_in_once_and_the_rest_stays(server: RunningServer) -> None:
    server.send('{"id": "a"}\n{"id": "b", "value": "x"}\n{"id": "c", "value": 3}\n{"value": 4}\n', name="readings")
    imported = _import(server, "sensor,value\nd,\ne,y\nf,6\ntorn\n", "csv")
    _import(server, '{"id": "é", "value": null}\n', "ndjson")
    assert _quarantine(server)["rows"] == 7
    before = server.sql("SELECT * FROM readings_quarantine WHERE c__raw = 'torn'")
    _relax(server)
    assert _quarantine(server)["rows"] == 7
    job = _retried(server)
    assert (job["status"], job["kind"]) == ("done", "quarantine_retry")
    assert (job["successful_rows"], job["quarantined_rows"]) == (3, 4)
    stored = "SELECT sensor, value FROM readings ORDER BY sensor"
    assert server.sql(stored) == [
        {"sensor": "a", "value": None},
        {"sensor": "c", "value": 3},
        {"sensor": "d", "value": None},
        {"sensor": "f", "value": 6},
        {"sensor": "é", "value": None},
    ]
    assert {row["raw"] for row in _quarantine(server)["data"]} == {
        '{"id": "b", "value": "x"}',
        '{"value": 4}',
        "e,y",
        "torn",
    }
    assert server.sql("SELECT * FROM readings_quarantine WHERE c__raw = 'torn'") == before, "with its date and import"
    assert [row["raw"] for row in _quarantine(server, import_id=imported)["data"]] == ["e,y", "torn"]
    described = server.request("GET", "/v0/datasources/readings", params={"attrs": "quarantine_rows,statistics"}).json()
    assert (described["quarantine_rows"], described["statistics"]["row_count"]) == (4, 5)
    again = _retried(server)
    assert (again["successful_rows"], again["quarantined_rows"]) == (0, 4)
    assert len(server.sql(stored)) == 5


def test_rows_that_a_view_cannot_take_are_in_and_leave_no_file(server: RunningServer) -> None:
    query = "SELECT sensor, toUInt8(sensor) AS value FROM readings"
    view = f"NODE n\nSQL >\n    {query}\nTYPE materialized\nDATASOURCE picky\n"
    target = "SCHEMA >\n    `sensor` String,\n    `value` UInt8\n\nENGINE MergeTree\nENGINE_SORTING_KEY sensor\n"
    server.send('{"id": "a"}\n', name="readings")
    relaxed = _STRICT.format(more="").replace("`value` Int32", "`value` Nullable(Int32)")
    files = {"readings.datasource": relaxed, "picky.datasource": target, "fill.pipe": view}
    assert server.deploy(files).status_code == 200
    job = _retried(server)
    assert (job["status"], job["code"], job["successful_rows"]) == ("error", "SC661", 1)
    assert not list((server.home / "imports").glob("*.quarantine"))
    job = _ended(server, server.request("POST", f"/v0/jobs/{job['id']}/retry"))
    assert (job["status"], job["code"]) == ("error", "SC661"), "it would change nothing"
    assert server.value("SELECT count() FROM readings") == 1


def _relax(server: RunningServer) -> None:
    """Let values be missing, in place."""
    text = _STRICT.format(more="").replace("`value` Int32", "`value` Nullable(Int32)")
    answer = server.deploy({"readings.datasource": text})
    assert answer.status_code == 200, answer.text


def test_rows_that_were_wrong_only_in_their_time_fit_as_they_are(server: RunningServer) -> None:
    """Without a change of the schema nothing fits, and nothing is lost."""
    server.send('{"id": "a"}\n', name="readings")
    job = _retried(server)
    assert (job["successful_rows"], job["quarantined_rows"]) == (0, 1)
    assert _quarantine(server)["data"][0]["raw"] == '{"id": "a"}'
    assert _retried(server)["status"] == "done"
    assert _quarantine(server)["rows"] == 1


def test_who_reads_the_data_source_sees_its_quarantine_and_who_appends_may_retry(server: RunningServer) -> None:
    tokens = server.tokens()
    path = "/v0/datasources/readings/quarantine"
    assert server.request("GET", path, token=tokens["reader"]).status_code == 200
    assert server.request("GET", path, token=tokens["appender"]).status_code == 403
    assert server.request("POST", f"{path}/retry", token=tokens["reader"]).status_code == 403
    assert server.request("POST", f"{path}/retry", token=tokens["appender"]).status_code == 200
    answer = server.request("GET", path, params={"limit": "many"})
    assert (answer.status_code, answer.json()["code"]) == (400, "SC954")


def test_a_file_of_rows_that_no_job_brings_back_is_named_at_each_start(start_server: StartServer) -> None:
    server = start_server()
    left = server.home / "imports" / "gone.quarantine"
    left.write_text('{"c__raw": "{}"}\n')
    assert server.stop() == 0
    assert str(left) not in server.log.read_text()
    server = start_server()
    assert str(left) in server.log.read_text()
    assert left.exists()
