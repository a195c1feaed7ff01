"""`stonechat append`, `datasource` and `quarantine` against a server."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import NO_TELEMETRY, RunningServer
from typer.testing import CliRunner

from stonechat.cli.console import show_error
from stonechat.cli.main import app
from stonechat.errors import StonechatError

_READINGS = """SCHEMA >
    `sensor` String `json:$.sensor`,
    `value` Int32 `json:$.value`

ENGINE "MergeTree"
ENGINE_SORTING_KEY "sensor"
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(
        tmp_path_factory.mktemp("datasources") / "home", arguments=("serve",), environment=NO_TELEMETRY
    )
    try:
        assert server.deploy({"readings.datasource": _READINGS}).status_code == 200
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def server(running: RunningServer) -> RunningServer:
    """The server with an empty data source."""
    for quarantine in ("true", "false"):
        running.request("POST", "/v0/datasources/readings/truncate", params={"quarantine": quarantine})
    return running


def _stonechat(server: RunningServer, *arguments: str, answer: str = "", code: int = 0) -> str:
    ended = CliRunner().invoke(app, [*arguments, "--url", server.url], input=answer, env={"COLUMNS": "200"})
    shown = io.StringIO()
    if isinstance(ended.exception, StonechatError):
        with contextlib.redirect_stderr(shown):
            show_error(ended.exception)
    assert ended.exit_code == code, ended.output
    return ended.output + shown.getvalue()


def _printed(server: RunningServer, *arguments: str) -> str:
    """What a process of its own prints."""
    command = [sys.executable, "-m", "stonechat", *arguments, "--url", server.url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _values(server: RunningServer) -> list[int]:
    return list(server.value("SELECT arraySort(groupArray(value)) FROM readings"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", b"sensor;value\na;1\nb;2\n"),
        ("rows.csv.gz", gzip.compress(b"a,1\nb,2\n", mtime=0)),
        ("rows.tsv", b"a\t1\nb\t2\n"),
        ("rows.ndjson", b'{"sensor": "a", "value": 1}\n{"sensor": "b", "value": 2}\n'),
        ("rows", b'{"sensor": "a", "value": 1}\n{"sensor": "b", "value": 2}\n'),
    ],
)
def test_files_of_every_kind_are_appended(server: RunningServer, tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert "2 rows appended to readings" in _stonechat(server, "append", "readings", str(path))
    assert _values(server) == [1, 2]


_DAYS = """SCHEMA >
    `total` Int32

ENGINE "MergeTree"
ENGINE_SORTING_KEY "total"
"""
_PICKY = """NODE n
SQL >
    SELECT toInt32(throwIf(value = 666, 'no') + value) AS total FROM readings

TYPE materialized
DATASOURCE totals
"""


def test_a_file_that_a_view_cannot_take_is_told_with_its_counts_and_not_to_be_tried_again(
    server: RunningServer, tmp_path: Path
) -> None:
    files = {"readings.datasource": _READINGS}
    assert server.deploy({**files, "totals.datasource": _DAYS, "picky.pipe": _PICKY}).status_code == 200
    path = tmp_path / "rows.csv"
    path.write_text("sensor,value\na,1\nb,666\nc,[red]\n")
    told = _stonechat(server, "append", "readings", str(path), code=1)
    assert server.deploy(files, allow_destructive_operations="true").status_code == 200
    assert "2 rows appended to readings" in told
    assert "1 row did not fit" in told
    assert "Do not send them again" in told
    assert "job retry" not in told


def test_rows_that_do_not_fit_are_told_of_shown_and_tried_again(server: RunningServer, tmp_path: Path) -> None:
    assert "All quarantines are empty" in _stonechat(server, "quarantine", "ls")
    path = tmp_path / "rows.csv"
    path.write_text("sensor,value\na,1\nb,[red]\nc\n")
    printed = _stonechat(server, "append", "readings", str(path))
    assert "1 row appended to readings" in printed
    assert "2 rows did not fit, 1 of them no rows at all" in printed
    assert "readings" in _stonechat(server, "quarantine", "ls")
    shown = _stonechat(server, "quarantine", "show", "readings")
    assert "2 rows in the quarantine of readings" in shown
    assert "value on column 'value' is not Int32" in shown
    assert "b,[red]" in shown
    retried = _stonechat(server, "quarantine", "retry", "readings")
    assert "0 rows moved into readings" in retried
    assert "2 rows still in the quarantine" in retried


def test_rows_are_replaced_all_or_by_a_condition(server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,1\nb,2\n")
    _stonechat(server, "append", "readings", str(path))
    path.write_text("c,3\n")
    assert "1 row in the place of 2 in readings" in _stonechat(server, "datasource", "replace", "readings", str(path))
    path.write_text("d,4\ne,5\n")
    arguments = ("datasource", "replace", "readings", str(path), "--condition", "sensor = 'd'")
    assert "1 row left out" in _stonechat(server, *arguments)
    assert _values(server) == [3, 4]


def test_rows_are_deleted_after_a_question(server: RunningServer) -> None:
    server.send('{"sensor": "a", "value": 1}\n{"sensor": "b", "value": 2}\n', name="readings")
    delete = ("datasource", "delete", "readings", "value = 1")
    assert "holds for 1 row of readings" in _stonechat(server, *delete, "--dry-run")
    _stonechat(server, *delete, answer="n\n", code=1)
    assert _values(server) == [1, 2]
    assert "1 row removed from readings" in _stonechat(server, *delete, answer="y\n")
    assert _values(server) == [2]
    _stonechat(server, "datasource", "truncate", "readings", "--yes")
    assert _values(server) == []


def test_rows_are_exported_in_the_format_of_the_file(server: RunningServer, tmp_path: Path) -> None:
    server.send('{"sensor": "é", "value": 1}\n{"sensor": "b", "value": 2}\n', name="readings")
    export = ("datasource", "export", "readings")
    assert '"b",2' in _printed(server, *export, "--condition", "value = 2")
    _stonechat(server, *export, str(tmp_path / "rows.ndjson"))
    lines = (tmp_path / "rows.ndjson").read_text().splitlines()
    assert sorted(json.loads(line)["sensor"] for line in lines) == ["b", "é"]
    _stonechat(server, *export, str(tmp_path / "rows.parquet"))
    _stonechat(server, "append", "readings", str(tmp_path / "rows.parquet"))
    assert _values(server) == [1, 1, 2, 2]


def test_an_export_that_is_refused_leaves_the_file_as_it_is(server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("mine")
    assert "SC" in _stonechat(server, "datasource", "export", "nothing", str(path), code=1)
    assert path.read_text() == "mine"


def test_an_export_to_where_no_file_can_be_names_it(server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "none" / "rows.csv"
    assert f"Cannot write {path}" in _stonechat(server, "datasource", "export", "readings", str(path), code=1)


def test_rows_that_were_there_before_an_error_are_counted(server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson.gz"
    lines = b"".join(b'{"sensor": "%d", "value": 1}\n' % number for number in range(200_000))
    path.write_bytes(gzip.compress(lines, 1)[:-1000])
    told = _stonechat(server, "append", "readings", str(path), code=1)
    (rows,) = re.findall(r"The first ([\d,]+) rows of rows.ndjson.gz are there", told)
    assert int(rows.replace(",", "")) == len(_values(server)) > 0


def test_data_sources_are_listed(server: RunningServer) -> None:
    server.send('{"sensor": "a", "value": 1}\n{"sensor": "b"}\n', name="readings")
    (listed,) = json.loads(_stonechat(server, "datasource", "ls", "--json"))
    assert (listed["name"], listed["rows"], listed["quarantined"]) == ("readings", 1, 1)


def test_the_schema_of_a_file_is_printed(server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text('{"sensor": "a", "place": {"x": 1.5}}\n')
    printed = _stonechat(server, "datasource", "analyze", str(path))
    assert printed == "SCHEMA >\n    `sensor` String `json:$.sensor`,\n    `place_x` Float64 `json:$.place.x`\n"


def test_what_is_missing_is_named(server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,1\n")
    assert "There is no file nowhere.csv" in _stonechat(server, "append", "readings", "nowhere.csv", code=1)
    assert 'Data Source "nothing" does not exist' in _stonechat(server, "append", "nothing", str(path), code=1)
    assert "not on the public internet" in _stonechat(server, "append", "readings", "http://127.0.0.1/x.csv", code=1)
