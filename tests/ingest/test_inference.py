"""Inference: each case of the corpus gets its columns, and whatever the rows are, the columns take them in.

A case is a text file: rows, `---`, and the columns as SCHEMA would have them, one a line. Run once with
STONECHAT_REWRITE_EXPECTED=1 to have those written, then read them.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import DataSource
from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import Query
from stonechat.ingest.files.dialect import DialectParameters
from stonechat.ingest.files.formats import FileFormat
from stonechat.ingest.files.reading import RowFile
from stonechat.ingest.infer_csv import infer_csv
from stonechat.ingest.infer_parquet import infer_parquet
from stonechat.ingest.inference import (
    SAMPLED_BYTES,
    SAMPLED_ROWS,
    Inference,
    NothingToInfer,
    column_names,
    infer_ndjson,
)
from stonechat.ingest.rows import RowReader
from stonechat.ingest.verdicts import Verdicts

_EXAMPLES = int(os.environ.get("STONECHAT_EXAMPLES", "100"))
CORPUS = sorted((Path(__file__).parent / "corpus_inference").glob("*.txt"))


def verdicts_on(inference: Inference) -> Verdicts:
    """The sample through the door of a data source with the inferred SCHEMA."""
    source = read_datafile("t.datasource", f"SCHEMA >\n    {inference.schema}\n")
    assert isinstance(source, DataSource)
    assert [column.name for column in source.columns] == [column.name for column in inference.columns]
    return RowReader.for_data_source(source).read(b"\n".join(inference.rows))


def fits(inference: Inference) -> bool:
    verdicts = verdicts_on(inference)
    return (verdicts.good_rows, verdicts.quarantined_rows) == (len(inference.rows), 0)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_each_sample_gets_its_columns_and_fits_them(path: Path) -> None:
    rows, _, expected = path.read_bytes().decode().partition("\n---\n")
    inference = (infer_csv if path.stem.endswith(".csv") else infer_ndjson)(rows.encode())
    found = "".join(f"{column.definition}\n" for column in inference.columns)
    if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
        path.write_bytes(f"{rows}\n---\n{found}".encode())
        expected = found
    assert found == expected
    assert fits(inference), verdicts_on(inference).quarantined.decode()


@pytest.mark.parametrize(
    "path",
    [path for path in CORPUS if path.stem.endswith(".csv") and "uneven" not in path.stem],
    ids=lambda path: path.stem,
)
def test_a_file_of_csv_goes_whole_into_the_columns_that_it_asked_for(
    path: Path, tmp_path: Path, engine: ChdbEngine
) -> None:
    rows, _, _ = path.read_bytes().decode().partition("\n---\n")
    (tmp_path / "rows.csv").write_bytes(rows.encode())
    inference = infer_csv(rows.encode())
    source = read_datafile("t.datasource", f"SCHEMA >\n    {inference.schema}\n")
    assert isinstance(source, DataSource)
    file = RowFile(tmp_path / "rows.csv", 1_000_000, FileFormat.CSV, DialectParameters())
    verdicts = Verdicts.joined([batch.judge() for batch in file.batches(source.columns, engine)])
    present = [round(column.present * len(inference.rows)) for column in inference.columns]
    good = [json.loads(line) for line in verdicts.good.splitlines()]
    assert [sum(row.get(column.name) is not None for row in good) for column in inference.columns] == present


@pytest.mark.parametrize(
    "body", [b"", b"\n \n", b"text", b"[]", b"[1, 2]", b'"x"', b"{}", b'{"":1}', b"\xff", b"{" * 9]
)
def test_without_a_row_there_is_nothing_to_infer(body: bytes) -> None:
    with pytest.raises(NothingToInfer):
        infer_ndjson(body)


@pytest.mark.parametrize("body", [b"", b"\n\n", b"\xff\xfe", b"\r\r"])
def test_without_a_row_of_csv_there_is_nothing_to_infer(body: bytes) -> None:
    with pytest.raises(NothingToInfer):
        infer_csv(body)


def test_a_cell_of_csv_may_be_long() -> None:
    (row,) = infer_csv(b'a,b\n"' + b"x" * 200_000 + b'",1\n').rows
    assert json.loads(row) == {"a": "x" * 200_000, "b": "1"}


def test_the_share_of_rows_with_a_value_is_told() -> None:
    columns = infer_ndjson(b'{"a":1,"b":{"c":1}}\n{"a":null}\n{"a":3}\n{"a":4}').columns
    assert {column.name: column.present for column in columns} == {"a": 0.75, "b_c": 0.25}


def test_no_more_is_looked_at_than_the_beginning() -> None:
    assert len(infer_ndjson(b'{"a":1}\n' * (SAMPLED_ROWS + 5)).rows) == SAMPLED_ROWS
    assert len(infer_csv(b"a,b\n" + b"1,2\n" * (SAMPLED_ROWS + 5)).rows) == SAMPLED_ROWS
    long = json.dumps({"a": "x" * 1000}).encode() + b"\n"
    assert sum(map(len, infer_ndjson(long * (SAMPLED_BYTES // 900)).rows)) <= SAMPLED_BYTES
    assert len(infer_csv(b"a,b\r" + b"1,2\r" * SAMPLED_BYTES).rows) == SAMPLED_ROWS
    assert len(infer_csv(b"a,b\n" + b"1," + b"x" * 1000 + b"\n" + b"2," + b"y" * 4_000_000).rows) == 1


def test_a_row_with_thousands_of_keys_gets_as_many_columns_as_a_data_source_has() -> None:
    row = {f"k{number}": number for number in range(3000)}
    assert len(infer_ndjson(json.dumps(row).encode()).columns) == 500
    assert len(infer_csv(b",".join(b"%d" % number for number in range(3000))).columns) == 500


def test_titles_that_are_all_alike_once_they_are_plain_get_a_name_each() -> None:
    titles = ["".join(each) for each in itertools.product("!?", repeat=17)]
    assert column_names(titles)[:3] == ["_", "__2", "__3"]
    assert len(set(column_names(titles))) == len(titles)
    assert column_names(["a", "a_2", "a!", "a", "", "column", "2"]) == [
        "a",
        "a_2",
        "a_",
        "a_3",
        "column",
        "column_2",
        "_2",
    ]


def test_a_deeply_nested_row_is_passed_over() -> None:
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    assert len(infer_ndjson(deep + b'\n{"a":1}').rows) == 1


_KEYS = st.text("ab_1 .-é`[],'(", max_size=3)
_TEXTS = st.one_of(
    st.text(max_size=5),
    st.dates().map(str),
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z"),
    st.sampled_from(["true", "1", "-1.5", "null", "2024-02-30", "2024-01-01 25:00:00", "2106-02-08 00:00:00"]),
)
_SCALARS = st.none() | st.booleans() | st.integers(-(2**300), 2**300) | st.integers(-9, 9) | st.floats(allow_nan=False)
_VALUES = st.recursive(
    _SCALARS | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=_EXAMPLES, deadline=None)
@given(st.lists(st.dictionaries(_KEYS, _VALUES, max_size=4), min_size=1, max_size=5))
@example([{"a": [{"b": [1]}, None]}, {"a": [{"b": None}]}])
@example([{"a": [[], [{"b": 1}]]}, {"a": [None]}])
@example([{"a": [{}, {"b": {}}]}])
@example([{"a": {"b": []}, "a_b": 1}, {"a": []}])
def test_the_columns_of_any_rows_take_these_rows_in(rows: list[dict[str, object]]) -> None:
    body = "\n".join(json.dumps(row, allow_nan=True) for row in rows).replace("Infinity", "1")
    try:
        inference = infer_ndjson(body.encode())
    except NothingToInfer:
        return
    assert fits(inference), (inference.schema, verdicts_on(inference).quarantined)


_CELLS = _TEXTS.filter(lambda cell: "\0" not in cell) | st.integers().map(str) | st.floats().map(str) | st.just("\\N")


@settings(max_examples=_EXAMPLES, deadline=None)
@given(st.lists(st.lists(_CELLS, min_size=1, max_size=4), min_size=1, max_size=5), st.sampled_from(",;\t|"))
def test_the_columns_of_any_csv_take_its_rows_in(rows: list[list[str]], delimiter: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    try:
        inference = infer_csv(text.getvalue().encode(errors="replace"))
    except NothingToInfer:
        return
    assert fits(inference), (inference.schema, verdicts_on(inference).quarantined)


@settings(max_examples=_EXAMPLES, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_the_inference_fail(body: bytes) -> None:
    for infer in (infer_ndjson, infer_csv):
        with contextlib.suppress(NothingToInfer):
            assert infer(body).columns


def parquet(engine: ChdbEngine, statement: str) -> bytes:
    return engine.query(Query(statement, "default", "Parquet")).data


def test_a_parquet_file_keeps_the_types_that_it_declares(engine: ChdbEngine) -> None:
    statement = (
        "SELECT toUInt64(number) AS id, 'a' AS text, [1, 2] AS list, map('k', 1) AS counts, "
        "toDateTime64('2024-01-01 00:00:00', 3, 'UTC') AS moment, toDecimal64('1.25', 2) AS price, "
        "if(number = 1, NULL, 1.5) AS maybe, (1, 'x')::Tuple(a Int64, b String) AS record FROM numbers(3)"
    )
    inference = infer_parquet(engine, parquet(engine, statement))
    assert [column.definition for column in inference.columns] == [
        "id UInt64 `json:$.id`",
        "text String `json:$.text`",
        "list Array(UInt8) `json:$.list[:]`",
        "counts Map(String, UInt8) `json:$.counts`",
        "moment DateTime64(3, 'UTC') `json:$.moment`",
        "price Decimal(18, 2) `json:$.price`",
        "maybe Nullable(Float64) `json:$.maybe`",
        "record_a Int16 `json:$.record.a`",
        "record_b String `json:$.record.b`",
    ]
    assert fits(inference)
    assert msgspec.json.decode(inference.rows[0])["price"] == "1.25"


def test_a_parquet_file_with_values_that_events_can_not_have_of_its_types_gets_texts(engine: ChdbEngine) -> None:
    statement = "SELECT nan AS a, [1.5, -inf] AS b, 0.5 AS c, if(number = 1, inf, 1) AS d FROM numbers(2)"
    inference = infer_parquet(engine, parquet(engine, statement))
    assert [(column.name, column.type) for column in inference.columns] == [
        ("a", "String"),
        ("b", "Array(String)"),
        ("c", "Float64"),
        ("d", "String"),
    ]
    assert fits(inference)


def test_columns_of_parquet_whose_plain_names_are_alike_get_a_name_each(engine: ChdbEngine) -> None:
    statement = "SELECT 1 AS `a b`, 2 AS `a_b`, (3, 4)::Tuple(b UInt8, c UInt8) AS a, 5 AS `a_b_2`"
    inference = infer_parquet(engine, parquet(engine, statement))
    assert {column.name: column.path for column in inference.columns} == {
        "a_b": "$.a b",
        "a_b_2": "$.a_b",
        "a_b_3": "$.a.b",
        "a_c": "$.a.c",
        "a_b_2_2": "$.a_b_2",
    }
    assert fits(inference)


def test_columns_of_parquet_may_have_dots_in_their_names(engine: ChdbEngine) -> None:
    statement = "SELECT 1 AS `a.b`, [1] AS `l.x`, (2, 'x')::Tuple(`c.d` Int64, e String) AS r"
    inference = infer_parquet(engine, parquet(engine, statement))
    assert [column.definition for column in inference.columns] == [
        "a_b UInt8 `json:$['a.b']`",
        "l_x Array(UInt8) `json:$['l.x'][:]`",
        "r_c_d Int16 `json:$.r['c.d']`",
        "r_e String `json:$.r.e`",
    ]
    assert fits(inference)


def test_bytes_that_are_no_text_may_stand_in_a_parquet_file(engine: ChdbEngine) -> None:
    statement = (
        "SELECT unhex('FF00') AS raw, toFixedString(unhex('80'), 1) AS fixed, toInt128(-2) AS number, 'é' AS text"
    )
    inference = infer_parquet(engine, parquet(engine, statement))
    assert [column.definition for column in inference.columns] == [
        "raw String `json:$.raw`",
        "fixed FixedString(1) `json:$.fixed`",
        "number FixedString(16) `json:$.number`",
        "text String `json:$.text`",
    ]
    assert msgspec.json.decode(inference.rows[0])["raw"] == "\ufffd\0"


def test_what_is_no_parquet_is_refused_without_the_name_of_a_file(engine: ChdbEngine) -> None:
    for body in (b"PAR1", b"PAR1 nonsense PAR1", parquet(engine, "SELECT 1 AS x")[:-20], b""):
        with pytest.raises(NothingToInfer, match=r"^The file cannot be read as Parquet \([A-Z_]+\)$"):
            infer_parquet(engine, body)
    with pytest.raises(NothingToInfer, match="has no rows"):
        infer_parquet(engine, parquet(engine, "SELECT 1 AS x WHERE 0"))
