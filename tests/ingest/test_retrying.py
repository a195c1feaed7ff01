"""Quarantined rows that are checked again, against columns that have changed."""

from __future__ import annotations

import json
from pathlib import Path

from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import Column, DataSource
from stonechat.ingest.files.csv_file import CsvFile
from stonechat.ingest.files.dialect import DialectParameters
from stonechat.ingest.quarantine import REFUSED, quarantine_row
from stonechat.ingest.retrying import QuarantineReader
from stonechat.ingest.rows import RowReader
from stonechat.ingest.verdicts import Reason, Verdicts
from stonechat.project.quarantine import RAW_COLUMN


def _columns(*lines: str) -> tuple[Column, ...]:
    source = read_datafile("readings.datasource", "SCHEMA >\n" + ",\n".join(f"    {line}" for line in lines) + "\n")
    assert isinstance(source, DataSource)
    return tuple(source.columns)


_STRICT = _columns("`sensor` String `json:$.id`", "`value` Int32 `json:$.value`", "`note` String `json:$.note`")
_LAX = _columns(
    "`sensor` String `json:$.id`", "`value` Nullable(Int32) `json:$.value`", "`note` String `json:$.note` DEFAULT '-'"
)


def _again(folder: Path, quarantined: bytes, columns: tuple[Column, ...] = _LAX) -> Verdicts:
    file = folder / "rows"
    file.write_bytes(quarantined)
    return Verdicts.joined([batch.judge() for batch in QuarantineReader(columns).batches(file)])


def _events(body: str) -> bytes:
    return RowReader(_STRICT, clock=lambda: 1.0).read(body.encode()).quarantined


def _csv(path: Path, text: str) -> bytes:
    path.write_text(text)
    with path.open("rb") as file:
        batches = CsvFile(file, _STRICT, DialectParameters(), import_id="i", clock=lambda: 1.0).batches()
        return b"".join(judge().quarantined for judge in batches)


def test_events_that_fit_by_now_are_as_if_they_were_sent_now(tmp_path: Path) -> None:
    verdicts = _again(tmp_path, _events('{"id": "é\\n", "more": [1]}\n{"id": "b", "value": 2}\n'))
    assert list(map(json.loads, verdicts.good.splitlines())) == [{"sensor": "é\n"}, {"sensor": "b", "value": 2}]
    assert verdicts.quarantined_rows == 0


def test_events_that_still_do_not_fit_keep_all_but_their_reasons(tmp_path: Path) -> None:
    before = json.loads(_events('{"value": "x"}\n'))
    verdicts = _again(tmp_path, json.dumps(before).encode() + b"\n")
    after = json.loads(verdicts.quarantined)
    assert (verdicts.good_rows, verdicts.quarantined_rows) == (0, 1)
    assert before["c__error_column"] == ["sensor", "value", "note"]
    assert after["c__error_column"] == ["sensor", "value"]
    assert {key: after[key] for key in after if not key.startswith("c__error")} == {
        key: before[key] for key in before if not key.startswith("c__error")
    }


def test_cells_of_a_csv_are_read_as_they_were_written(tmp_path: Path) -> None:
    quarantined = _csv(tmp_path / "rows.csv", 'sensor;value;note\n"a ""b""";;"x;y"\nc;x;n\nd;;\n')
    verdicts = _again(tmp_path, quarantined)
    assert list(map(json.loads, verdicts.good.splitlines())) == [
        {"sensor": 'a "b"', "note": "x;y"},
        {"sensor": "d", "note": ""},
    ]
    assert json.loads(verdicts.quarantined)["c__import_id"] == "i"


def test_a_column_that_a_csv_did_not_have_takes_its_default(tmp_path: Path) -> None:
    verdicts = _again(tmp_path, _csv(tmp_path / "rows.csv", "sensor,value\na,1\n"))
    assert list(map(json.loads, verdicts.good.splitlines())) == [{"sensor": "a", "value": 1}]


def test_what_is_no_row_stays_as_it_is(tmp_path: Path) -> None:
    torn = _csv(tmp_path / "rows.csv", "sensor,value,note\na,1\n") + _events('broken\n{"id": "b"\n')
    verdicts = _again(tmp_path, torn)
    assert (verdicts.good_rows, verdicts.quarantined_rows) == (0, 3)
    assert list(map(json.loads, verdicts.quarantined.splitlines()))[:2] == list(map(json.loads, torn.splitlines()))[:2]


def test_rows_that_the_engine_refused_are_read_by_the_names_of_columns(tmp_path: Path) -> None:
    reason = Reason(RAW_COLUMN, f"{REFUSED}: too many partitions")
    refused = quarantine_row({"sensor": "a"}, [reason], b'{"sensor": "a", "value": 1, "note": "n"}', 1.0)
    verdicts = _again(tmp_path, refused)
    assert json.loads(verdicts.good) == {"sensor": "a", "value": 1, "note": "n"}


def test_equal_files_come_apart_into_equal_batches(tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_bytes(_events('{"id": "a"}\n') * 30_000)
    counts = [[batch.judge().good_rows for batch in QuarantineReader(_LAX).batches(file)] for _ in range(2)]
    assert counts[0] == counts[1]
    assert len(counts[0]) > 1
    assert sum(counts[0]) == 30_000
