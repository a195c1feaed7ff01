"""Answers with totals and no rows come in one order of their parts: beginning, rows, totals, end."""

from __future__ import annotations

import json

import pytest

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import Query
from stonechat.engine.totals import in_order

_TOTALS = "SELECT 'a\n}{\n' AS `s\n}`, count() AS n FROM numbers({}) GROUP BY ALL WITH TOTALS LIMIT 0"


def _answer(engine: ChdbEngine, output: str, rows: int = 0, statement: str = _TOTALS) -> bytes:
    return in_order(engine.query(Query(statement.replace("{}", str(rows)), "default", output)).data, output)


@pytest.mark.parametrize("output", ["JSON", "JSONCompact", "JSONStrings"])
@pytest.mark.parametrize("rows", [0, 3])
def test_a_document_can_be_read_whatever_its_names_and_totals_are(engine: ChdbEngine, output: str, rows: int) -> None:
    document = json.loads(_answer(engine, output, rows))
    assert list(document)[:4] == ["meta", "data", "totals", "rows"]
    assert document["data"] == []
    totals = document["totals"]
    assert int((totals if output == "JSONCompact" else list(totals.values()))[1]) == rows


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("CSVWithNames", b'"n","t"\n\n0,"x"\n'),
        ("csvwithnames", b'"n","t"\n\n0,"x"\n'),
        ("CSV", b'\n0,"x"\n'),
        ("TSVWithNames", b"n\tt\n\n0\tx\n"),
        ("TabSeparatedWithNames", b"n\tt\n\n0\tx\n"),
        ("TabSeparatedWithNamesAndTypes", b"n\tt\nUInt64\tString\n\n0\tx\n"),
        ("TSV", b"\n0\tx\n"),
    ],
)
def test_a_header_comes_first(engine: ChdbEngine, output: str, expected: bytes) -> None:
    statement = "SELECT count() AS n, 'x' AS t FROM numbers(0) GROUP BY t WITH TOTALS LIMIT 0"
    assert _answer(engine, output, statement=statement) == expected


def test_lines_of_a_stream_come_after_their_beginning(engine: ChdbEngine) -> None:
    lines = _answer(engine, "JSONStringsEachRowWithProgress").splitlines()
    assert [next(iter(json.loads(line))) for line in lines][:2] == ["meta", "totals"]


@pytest.mark.parametrize("output", ["JSON", "CSVWithNames", "TSVWithNames", "JSONCompact", "Markdown"])
def test_an_answer_without_totals_stays(engine: ChdbEngine, output: str) -> None:
    data = engine.query(Query("SELECT 1 AS a WHERE 0", "default", output)).data
    assert in_order(data, output) == data
