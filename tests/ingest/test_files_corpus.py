"""Files of rows come apart as the corpus says: what fits, what does not and why, or why nothing can be read.

A case is a folder: `schema.datasource`, and `rows.csv` or `rows.ndjson`, byte for byte. `dialect.txt` may name what a
caller says of a CSV, such as `delimiter=|`. Expected are `good.ndjson` (in canonical form) and
`quarantined.ndjson`, or `error.txt`. Run once with STONECHAT_REWRITE_EXPECTED=1 to have those written, then read them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.ingest.tables import canonical

from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import DataSource
from stonechat.engine.chdb import ChdbEngine
from stonechat.errors import StonechatError
from stonechat.ingest.files.dialect import DialectParameters
from stonechat.ingest.files.formats import FileFormat
from stonechat.ingest.files.reading import RowFile
from stonechat.ingest.verdicts import Verdicts

CORPUS = Path(__file__).parent / "corpus_files"
_DATE = re.compile(rb'"insertion_date":\d+')
_OUTCOMES = ("good.ndjson", "quarantined.ndjson", "error.txt")


@pytest.mark.parametrize("case", sorted(CORPUS.iterdir()), ids=lambda case: case.name)
def test_a_file_comes_apart_as_expected(case: Path, engine: ChdbEngine) -> None:
    try:
        verdicts = _verdicts(case, engine)
        good = canonical(_source(case), verdicts.good)
        outcomes = [good, _DATE.sub(b'"insertion_date":0', verdicts.quarantined), b""]
        assert verdicts.good_rows == verdicts.good.count(b"\n")
        assert verdicts.quarantined_rows == verdicts.quarantined.count(b"\n") >= verdicts.invalid_rows
    except StonechatError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        outcomes = [b"", b"", f"{error.code} {error.message}{hint}\n".encode()]
    for name, outcome in zip(_OUTCOMES, outcomes, strict=True):
        path = case / name
        if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
            path.write_bytes(outcome)
            if not outcome:
                path.unlink()
        assert outcome == (path.read_bytes() if path.exists() else b"")


def _source(case: Path) -> DataSource:
    source = read_datafile("t.datasource", (case / "schema.datasource").read_text())
    assert isinstance(source, DataSource)
    return source


def _verdicts(case: Path, engine: ChdbEngine) -> Verdicts:
    source = _source(case)
    (rows,) = case.glob("rows.*")
    said = case / "dialect.txt"
    options = dict(line.split("=", 1) for line in said.read_text().splitlines()) if said.exists() else {}
    dialect = DialectParameters.checked(options.get("delimiter"), options.get("new_line"), options.get("escape"))
    file = RowFile(rows, 1_000_000, FileFormat(rows.suffix.removeprefix(".")), dialect)
    verdicts = [batch.judge() for batch in file.batches(source.columns, engine)]
    return Verdicts.joined(verdicts) if verdicts else Verdicts(b"", 0, b"", 0)
