"""`stonechat dev` over folders as people have them: with fixtures, large, and with files that come and go."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import StartServer
from tests.waiting import until

_ROWS = "SCHEMA >\n    `n` UInt8 `json:$.n`\n"


def _folder(path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    return path


def _pipe(value: int) -> str:
    return f"NODE out\nSQL >\n    SELECT {value} AS value\nTYPE endpoint\n"


def test_fixtures_fill_empty_data_sources_once(start_server: StartServer, tmp_path: Path) -> None:
    files = {
        "datasources/rows.datasource": _ROWS,
        "datasources/table.datasource": _ROWS,
        "fixtures/rows.ndjson": '{"n":1}\n{"n":2}\n{"n":1000}\n',
        "fixtures/table.csv": "n\n7\n8\nmany\n",
        "fixtures/nobody.csv": "n\n1\n",
    }
    folder = _folder(tmp_path / "project", files)
    server = start_server(tmp_path / "home", "dev", str(folder))
    until(lambda: "Ctrl-C stops" in server.log.read_text())
    assert server.sql("SELECT groupArray(n) AS n FROM (SELECT n FROM rows ORDER BY n)") == [{"n": [1, 2]}]
    assert server.sql("SELECT groupArray(n) AS n FROM (SELECT n FROM table ORDER BY n)") == [{"n": [7, 8]}]
    assert server.value("SELECT count() FROM rows_quarantine") == 1
    assert "note 1 row of fixtures/table.csv did not fit" in server.log.read_text()

    assert server.request("POST", "/v0/datasources/rows/truncate").status_code == 205
    _folder(folder, {"datasources/late.datasource": _ROWS, "fixtures/late.ndjson": '{"n":3}\n'})
    until(lambda: "1 row of fixtures/late.ndjson loaded" in server.log.read_text(), server.log.read_text)
    assert server.value("SELECT count() FROM rows") == 0
    assert server.value("SELECT count() FROM late") == 1


def test_fixtures_can_be_left_alone(start_server: StartServer, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "project", {"rows.datasource": _ROWS, "fixtures/rows.ndjson": '{"n":1}\n'})
    server = start_server(tmp_path / "home", "dev", str(folder), "--no-fixtures")
    until(lambda: "Ctrl-C stops" in server.log.read_text())
    assert server.value("SELECT count() FROM rows") == 0


def test_a_fixture_that_cannot_be_read_is_named_and_keeps_no_other_from_loading(
    start_server: StartServer, tmp_path: Path
) -> None:
    files = {"a.datasource": _ROWS, "b.datasource": _ROWS, "fixtures/b.ndjson": '{"n":1}\n', "fixtures/a.csv": ""}
    folder = _folder(tmp_path / "project", files)
    (folder / "fixtures" / "a.csv").write_bytes(b'n\n\x00\xff\xfe,,"\n')
    server = start_server(tmp_path / "home", "dev", str(folder))
    until(lambda: "Ctrl-C stops" in server.log.read_text())
    assert server.value("SELECT count() FROM b") == 1


def test_files_that_vanish_while_they_are_watched_do_no_harm(start_server: StartServer, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "project", {"rows.datasource": _ROWS, "value.pipe": _pipe(0)})
    server = start_server(tmp_path / "home", "dev", str(folder))
    until(lambda: "Ctrl-C stops" in server.log.read_text())
    for number in range(100):
        passing = folder / f"passing_{number % 7}.pipe"
        passing.write_text(_pipe(number))
        # As editors do it: the file is gone for a moment, and back under its name.
        (folder / "value.pipe.tmp").write_text(_pipe(number))
        (folder / "value.pipe").unlink()
        (folder / "value.pipe.tmp").rename(folder / "value.pipe")
        passing.unlink()
        time.sleep(0.01)
    until(lambda: server.request("GET", "/v0/pipes/value.json").json().get("data") == [{"value": 99}])
    until(lambda: len(server.request("GET", "/v0/pipes").json()["pipes"]) == 1, server.log.read_text)
    assert "Traceback" not in server.log.read_text()


def test_what_cannot_be_read_is_named_and_what_is_live_stays(start_server: StartServer, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "project", {"value.pipe": _pipe(1), "elsewhere/linked.txt": _pipe(2)})
    (folder / "linked.pipe").symlink_to(folder / "elsewhere" / "linked.txt")
    (folder / "circle").symlink_to(folder)
    server = start_server(tmp_path / "home", "dev", str(folder))
    until(lambda: "Ctrl-C stops" in server.log.read_text())
    assert server.rows("/v0/pipes/linked.json") == [{"value": 2}]

    def broken(name: str, make: Callable[[Path], object], text: str) -> None:
        path = folder / name
        make(path)
        until(lambda: f"{name}{text}" in server.log.read_text(), server.log.read_text)
        assert server.rows("/v0/pipes/value.json") == [{"value": 1}]
        path.unlink()

    broken("latin.pipe", lambda path: path.write_bytes(b"DESCRIPTION caf\xe9\n"), " is not UTF-8: line 1")
    broken("loop.pipe", lambda path: path.symlink_to(path), ": Too many levels of symbolic links")
    broken("queue.pipe", os.mkfifo, " is no regular file")
    (folder / "value.pipe").write_text(_pipe(3))
    until(lambda: server.rows("/v0/pipes/value.json") == [{"value": 3}])


def test_a_thousand_files_are_deployed_and_one_of_them_changed(start_server: StartServer, tmp_path: Path) -> None:
    files = {f"pipes/p{number}.pipe": _pipe(number) for number in range(1000)}
    folder = _folder(tmp_path / "project", files)
    server = start_server(tmp_path / "home", "dev", str(folder))
    until(lambda: "Ctrl-C stops" in server.log.read_text())
    assert server.rows("/v0/pipes/p999.json") == [{"value": 999}]
    (folder / "pipes" / "p500.pipe").write_text(_pipe(7))
    until(lambda: server.rows("/v0/pipes/p500.json") == [{"value": 7}])
