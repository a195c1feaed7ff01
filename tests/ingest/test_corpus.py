"""Every case of the corpus is judged as its files say, and what is judged good is what the engine then holds.

A case is a folder: `schema.datasource`, `rows.ndjson` (or `rows.json`, sent as one document) and the expected
`good.ndjson` (in canonical form), `quarantined.ndjson` and `stored.ndjson`. Run once with STONECHAT_REWRITE_EXPECTED=1
to have those written, then read them.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ingest.tables import canonical, create_tables

from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import DataSource
from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import Insert, Query
from stonechat.ingest.destinations import insert_rows
from stonechat.ingest.rows import RowReader
from stonechat.ingest.verdicts import Verdicts

CORPUS = Path(__file__).parent / "corpus"
CASES = sorted(CORPUS.iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rows_are_judged_as_expected(case: Path) -> None:
    verdicts = _verdicts(case)
    _compare(case / "good.ndjson", canonical(_source(case), verdicts.good))
    _compare(case / "quarantined.ndjson", verdicts.quarantined)
    assert verdicts.good_rows == verdicts.good.count(b"\n")
    assert verdicts.quarantined_rows == verdicts.quarantined.count(b"\n")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_engine_takes_what_was_judged_and_stores_the_same_values(
    case: Path, engine: ChdbEngine, database: str
) -> None:
    verdicts = _verdicts(case)
    fed = create_tables(engine, database, _source(case))
    target = fed.destination
    blocks = (
        (target.table, target.columns, verdicts.good, verdicts.good_rows),
        (target.quarantine_table, target.quarantine_columns, verdicts.quarantined, verdicts.quarantined_rows),
    )
    for table, columns, data, rows in blocks:
        if rows:
            insert_rows(engine, Insert(database, table, columns, "JSONEachRow", [data], "token"), target)
        assert fed.count(table) == rows
    stored = engine.query(Query("SELECT * FROM t", database, "JSONEachRow"))
    _compare(case / "stored.ndjson", stored.data)


@pytest.mark.parametrize(
    "case", [case for case in CASES if (case / "rows.ndjson").exists()], ids=lambda case: case.name
)
def test_a_row_is_judged_alone_as_among_others(case: Path) -> None:
    together = _verdicts(case)
    reader = RowReader(_source(case).columns, clock=lambda: 0.0)
    alone = Verdicts.joined([reader.read(line) for line in (case / "rows.ndjson").read_bytes().split(b"\n")])
    source = _source(case)
    assert canonical(source, alone.good) == canonical(source, together.good)
    assert replace(alone, good=b"") == replace(together, good=b"")


def _source(case: Path) -> DataSource:
    source = read_datafile("t.datasource", (case / "schema.datasource").read_text())
    assert isinstance(source, DataSource)
    return source


def _verdicts(case: Path) -> Verdicts:
    reader = RowReader(_source(case).columns, clock=lambda: 0.0)
    if (case / "rows.json").exists():
        return reader.read((case / "rows.json").read_bytes(), "json")
    return reader.read((case / "rows.ndjson").read_bytes())


def _compare(expected: Path, actual: bytes) -> None:
    if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
        expected.write_bytes(actual)
    assert actual == expected.read_bytes()
