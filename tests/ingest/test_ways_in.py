"""A value gets one verdict and is stored as one value, whichever way it comes in.

The ways: events in masses (compiled), alone, with unknown fields beside, in an array (`format=json`), from an inner
object, and files of NDJSON, CSV and, for what was stored, Parquet.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from tests.ingest.tables import Fed, create_tables, data_source

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import Insert, Query
from stonechat.ingest.destinations import insert_rows
from stonechat.ingest.files.formats import FileFormat
from stonechat.ingest.files.reading import RowFile
from stonechat.ingest.rows import RowReader
from stonechat.ingest.verdicts import Verdicts

_MOMENTS = [
    '"1970-01-01 00:00:00"', '"1970-01-01T00:00:00Z"', '"1969-12-31T23:59:59Z"', '"2106-02-07T06:28:15Z"',
    '"2106-02-07T06:28:16Z"', '"2024-02-29 12:00:00"', '"2023-02-29 12:00:00"', '"2024-01-01T23:59:59.9999999Z"',
    '"2024-01-01 00:00:00.123456789"', '"2024-01-01T12:00:00+05:30"', '"1900-01-01 00:00:00"', '"1899-12-31T23:59:59Z"',
    '"2299-12-31T23:59:59Z"', '"2300-01-01T00:00:00Z"', '"2262-04-11T23:47:16Z"', '"2262-04-11T23:47:17Z"', "0", "1.5",
    "-1", "1704067200", "1704067200123", '"1704067200"', '"2024-01-01"', '"01/02/2024"', '"2024-01-01 24:00:00"',
    '"2024-01-01T00:00:60Z"', '"now"', "true",
]  # fmt: skip
_DATES = [
    '"1970-01-01"', '"1969-12-31"', '"2149-06-06"', '"2149-06-07"', '"1900-01-01"', '"1899-12-31"', '"2299-12-31"',
    '"2300-01-01"', '"2024-02-29"', '"2023-02-29"', '"2024-1-1"', "0", "19000", "-1", "65535", "65536",
    '"2024-01-01 10:00:00"',
]  # fmt: skip
_FLOATS = [
    "-0", "-0.0", "0", '"-0"', "-0e0", "1e-50", "3.4028235e38", "3.5e38", "1.7976931348623157e308", "1e309", "-1e309",
    "5e-324", "16777217", "0.1", "9007199254740993", '"1.5"', '"nan"', '"inf"', "true", "[]",
    "123456789012345678901234",
]  # fmt: skip
_TEXTS = [
    '""',
    '"a"',
    '"é€😀"',
    '"\\u0000"',
    '"a\\nb"',
    '"\\"\\\\/"',
    '" "',
    '"null"',
    '"true"',
    '"NULL"',
    '"5"',
    '"\\ud83d\\ude00"',
]


def _integers(bits: int, *, signed: bool) -> list[str]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    bounds = [low, low - 1, high, high + 1, 0]
    return [*map(str, bounds), f'"{high}"', f'"{high + 1}"', "-0", "1.0", "1.5", "1e2", '"1e2"', '"a"', '"01"', "true"]


_CASES: Mapping[str, Sequence[str]] = {
    **{f"Int{bits}": _integers(bits, signed=True) for bits in (8, 16, 32, 64, 128, 256)},
    **{f"UInt{bits}": _integers(bits, signed=False) for bits in (8, 16, 32, 64, 128, 256)},
    "Nullable(Int128)": ["null", "-1", str(2**127 - 1), str(2**127), "0"],
    "Nullable(IPv6)": ["null", '"::1"', '"1.2.3.4"'],
    "LowCardinality(Nullable(String))": [*_TEXTS, "null"],
    "SimpleAggregateFunction(sum, Float64)": _FLOATS,
    "Nullable(DateTime64(3, 'Europe/Berlin'))": [*_MOMENTS, "null"],
    "Float32": _FLOATS,
    "Float64": _FLOATS,
    "Nullable(Float64)": [*_FLOATS, "null"],
    "Decimal(9, 2)": ["9999999.99", "10000000", "-9999999.99", "0.005", "-0", '"1.5"', "1e3", "1e-9", '"1,5"', "true"],
    "Decimal(76, 10)": ["9" * 66, "9" * 67, f'"-{"9" * 66}.0123456789"', "0.00000000019"],
    "Bool": ["true", "false", "1", "0", "2", '"-0"', '"true"', '"false"', '"1"', '"yes"', '"True"', "null"],
    "String": _TEXTS,
    "LowCardinality(String)": _TEXTS,
    "FixedString(4)": ['"abcd"', '"abcde"', '"é€"', '"éé"', '""', '"a"', '"\\u0000\\u0000"', '"😀"', '"😀a"'],
    "Date": _DATES,
    "Date32": _DATES,
    "DateTime": _MOMENTS,
    "DateTime('America/New_York')": _MOMENTS,
    "DateTime64(3)": _MOMENTS,
    "DateTime64(6)": _MOMENTS,
    "DateTime64(9)": _MOMENTS,
    "DateTime64(0, 'Asia/Kolkata')": _MOMENTS,
    "UUID": [
        '"61f0c404-5cb3-11e7-907b-a6006ad3dba0"', '"61F0C4045CB311E7907BA6006AD3DBA0"', '"61f0c404"', '""', "0",
        '"{61f0c404-5cb3-11e7-907b-a6006ad3dba0}"', '"61f0c404-5cb3-11e7-907b-a6006ad3dbag"',
    ],
    "IPv4": ['"127.0.0.1"', '"255.255.255.255"', '"256.0.0.1"', '"1.2.3"', '"::1"', '"01.2.3.4"', "1", '""'],
    "IPv6": ['"::1"', '"2001:db8::ff"', '"127.0.0.1"', '"5"', '"1:2"', "5", '"gg::"', '"::ffff:1.2.3.4"'],
    "Enum8('a' = 1, 'b' = -128, '' = 3)": ['"a"', '"b"', '""', "1", "-128", "127", '"1"', '"c"', '"A"'],
    "Enum16('x' = 1000, 'y' = -1000)": ['"x"', '"y"', "1000", "1", '"-1000"'],
    "Array(Int8)": ["[]", "[1,-128,127]", "[128]", "[null]", '["1"]', "[1.0]", "5", '"[1]"', "[[1]]"],
    "Array(Float64)": ["[-0,0,1.5]", "[-0.0]", '["-0"]', "[1e309]"],
    "Array(DateTime64(6))": ['["2024-01-01T23:59:59.9999999Z"]', '["2024-01-01 00:00:00.1234567"]'],
    "Array(Nullable(String))": ['["a",null,""]', '["\\u0000"]', "[]", "[1]", "null"],
    "Map(String, Float64)": ['{"a":-0,"b":1}', "{}", '{"":1}', '{"a":"x"}', "[]", '{"a":null}'],
    "Map(UInt8, String)": ['{"1":"a"}', '{"256":"a"}', '{"x":"a"}', '{"1":null}'],
    "Tuple(a Float64, b Nullable(Int8))": ['{"a":-0,"b":1}', '{"a":1}', "[1,2]", '{"a":1,"b":200}', '{"b":1}', "{}"],
    "Tuple(Int8, String)": ['[1,"a"]', '{"1":1,"2":"a"}', '{"1":1}', '{"a":1,"b":"a"}', '[1,"a",2]'],
    "JSON": ['{"a":1}', "{}", '{"a":{"b":[1,"x",null]}}', "[]", '"a"', "1"],
    "Point": ["[1,2]", "[1.5,-2.5]", "[1]", '["1","2"]'],
}  # fmt: skip
_DOCUMENTS = ("Array", "Map", "Tuple", "JSON", "Point")
Way = Callable[[Fed, str, Sequence[str], Path], Verdicts]


def _alone(fed: Fed, _kind: str, values: Sequence[str], _folder: Path) -> Verdicts:
    reader = RowReader.for_data_source(fed.source)
    return Verdicts.joined([reader.read(f'{{"n":{n},"v":{value}}}'.encode()) for n, value in enumerate(values)])


def _together(fed: Fed, _kind: str, values: Sequence[str], _folder: Path) -> Verdicts:
    lines = (f'{{"n":{n},"v":{value}}}' for n, value in enumerate(values))
    return RowReader.for_data_source(fed.source).read("\n".join(lines).encode())


def _with_unknown_fields(fed: Fed, _kind: str, values: Sequence[str], _folder: Path) -> Verdicts:
    reader = RowReader.for_data_source(fed.source)
    return Verdicts.joined(
        [reader.read(f'{{"n":{n},"v":{value},"other":"-0"}}'.encode()) for n, value in enumerate(values)]
    )


def _in_bulk(fed: Fed, _kind: str, values: Sequence[str], _folder: Path) -> Verdicts:
    """What compiled code does not take goes the other way, as it does in the server."""
    reader = RowReader.for_data_source(fed.source)
    lines = (f'{{"n":{n},"v":{value}}}'.encode() for n, value in enumerate(values))
    return Verdicts.joined([reader.read_in_bulk(line) or reader.read(line) for line in lines])


def _in_an_array(fed: Fed, _kind: str, values: Sequence[str], _folder: Path) -> Verdicts:
    documents = ",".join(f'{{"n":{n},"v":{value}}}' for n, value in enumerate(values))
    return RowReader.for_data_source(fed.source).read(f"[{documents}]".encode(), "json")


def _from_an_inner_object(_fed: Fed, kind: str, values: Sequence[str], _folder: Path) -> Verdicts:
    reader = RowReader.for_data_source(data_source(f"n UInt32 `json:$.n`\nv {kind} `json:$.o.v`"))
    return Verdicts.joined([reader.read(f'{{"n":{n},"o":{{"v":{value}}}}}'.encode()) for n, value in enumerate(values)])


def _file(fed: Fed, path: Path, form: FileFormat) -> Verdicts:
    batches = RowFile(path, 1_000_000, form).batches(fed.source.columns, fed.engine)
    return Verdicts.joined([batch.judge() for batch in batches])


def _as_ndjson(fed: Fed, _kind: str, values: Sequence[str], folder: Path) -> Verdicts:
    path = folder / "rows.ndjson"
    path.write_text("".join(f'{{"n":{n},"v":{value}}}\n' for n, value in enumerate(values)))
    return _file(fed, path, FileFormat.NDJSON)


def _as_csv(fed: Fed, kind: str, values: Sequence[str], folder: Path) -> Verdicts:
    """Cells have no types: the characters of a string, the text of anything else."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["n", "v"])
    for n, value in enumerate(values):
        plain = json.loads(value) if value.startswith('"') else value
        writer.writerow([n, value if kind.startswith(_DOCUMENTS) and value.startswith('"') else plain])
    path = folder / "rows.csv"
    path.write_text(text.getvalue())
    return _file(fed, path, FileFormat.CSV)


_WAYS: Mapping[str, Way] = {
    "together": _together,
    "with unknown fields": _with_unknown_fields,
    "in bulk": _in_bulk,
    "in an array": _in_an_array,
    "from an inner object": _from_an_inner_object,
    "as NDJSON": _as_ndjson,
    "as CSV": _as_csv,
}
# Cells have no types: an empty one is no value, `null` neither, and a number is a moment only where it looks like one.
_ONLY_IN_JSON = {"null", '""', '"null"', '"NULL"', '" "'}


def _typeless(kind: str) -> set[str]:
    """Values that cells cannot tell from others."""
    return {'"True"'} if kind == "Bool" else {"0", "1.5", "-1"} if "Date" in kind else set()


_tokens = map(str, itertools.count())


def _stored(fed: Fed, verdicts: Verdicts) -> Iterator[bytes]:
    """The rows that a table has once it was given these, each with its number, in order."""
    insert = Insert(fed.database, "t", fed.destination.columns, "JSONEachRow", [verdicts.good], next(_tokens))
    if verdicts.good_rows:
        insert_rows(fed.engine, insert, fed.destination, [verdicts.binary] if verdicts.binary else [])
    found = fed.engine.query(Query("SELECT n, v FROM t ORDER BY n", fed.database, "JSONEachRow")).data
    fed.engine.command(f"TRUNCATE TABLE {fed.database}.t")
    yield from found.splitlines()


@pytest.mark.parametrize("kind", _CASES)
def test_a_value_is_stored_as_one_value_whichever_way_it_comes(
    kind: str, engine: ChdbEngine, database: str, tmp_path: Path
) -> None:
    fed = create_tables(engine, database, data_source(f"n UInt32 `json:$.n`\nv {kind} `json:$.v`"))
    values = _CASES[kind]
    expected = list(_stored(fed, _alone(fed, kind, values, tmp_path)))
    assert expected
    for name, way in _WAYS.items():
        taken = list(_stored(fed, way(fed, kind, values, tmp_path)))
        odd = _ONLY_IN_JSON | _typeless(kind) if name == "as CSV" else set()
        numbers = {n for n, value in enumerate(values) if value not in odd}
        assert _of(taken, numbers) == _of(expected, numbers), name


def _of(rows: Sequence[bytes], numbers: set[int]) -> list[bytes]:
    return [row for row in rows if json.loads(row)["n"] in numbers]


@pytest.mark.parametrize("kind", _CASES)
def test_a_value_comes_back_from_parquet_as_it_was(
    kind: str, engine: ChdbEngine, database: str, tmp_path: Path
) -> None:
    fed = create_tables(engine, database, data_source(f"n UInt32 `json:$.n`\nv {kind} `json:$.v`"))
    good = _alone(fed, kind, _CASES[kind], tmp_path)
    expected = list(_stored(fed, good))
    insert_rows(
        fed.engine, Insert(database, "t", fed.destination.columns, "JSONEachRow", [good.good], "p"), fed.destination
    )
    path = tmp_path / "rows.parquet"
    path.write_bytes(fed.engine.query(Query("SELECT n, v FROM t ORDER BY n", database, "Parquet")).data)
    fed.engine.command(f"TRUNCATE TABLE {database}.t")
    assert list(_stored(fed, _file(fed, path, FileFormat.PARQUET))) == expected
