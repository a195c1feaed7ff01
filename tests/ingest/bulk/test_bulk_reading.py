"""A body that is read in bulk gives the rows that its lines give; one that holds anything unusual is left to others."""

from __future__ import annotations

import ctypes
import itertools
import json
import random
from collections.abc import Mapping

import pytest
from tests.ingest.bulk.row_binary import encoded_events
from tests.ingest.bulk.storing import stored
from tests.ingest.conftest import Feed
from tests.ingest.tables import data_source

from stonechat.engine.contract import EngineFailure, Insert
from stonechat.ingest.bulk import library
from stonechat.ingest.bulk.library import compiled_library
from stonechat.ingest.rows import RowReader

pytestmark = pytest.mark.skipif(compiled_library() is None, reason="nothing was compiled: there was no C compiler")

_MOMENT = "2026-11-27T01:02:03"
_EVERY_TYPE: dict[str, list[object]] = {
    "String": ["plain", "", "ü 你好 😀", 'a "quote", a \\ and \n\t\0', "x" * 300],
    "LowCardinality(String)": ["a", "b", "", "ü", "long" * 40],
    "LowCardinality(Nullable(String))": ["a", None, "", "ü", None],
    "Nullable(String)": ["a", None, "", "ü", "b"],
    "FixedString(8)": ["12345678", "", "ü", "abc", "é" * 4],
    "Bool": [True, False, True, True, False],
    "Int8": [-128, 127, 0, -1, 1],
    "Int16": [-32768, 32767, 0, -1, 1],
    "Int32": [-(2**31), 2**31 - 1, 0, -1, 1],
    "Int64": [-(2**63), 2**63 - 1, 0, -1, 1],
    "UInt8": [0, 255, 1, 2, 3],
    "UInt16": [0, 65535, 1, 2, 3],
    "UInt32": [0, 2**32 - 1, 1, 2, 3],
    "UInt64": [0, 9999999999999999999, 1, 2, 3],
    "Nullable(UInt64)": [0, None, 1, None, 3],
    "SimpleAggregateFunction(sum, UInt64)": [0, 7, 1, 2, 3],
    "Float32": [0.5, -1.25, 3, 1677.7216, 0.1],
    "Float64": [0.1, -2.5, 3, 123456.789012345, 9007199254740992],
    "Nullable(Float64)": [0.1, None, 3, -0.0, 12],
    "Date": ["1971-01-01", "2148-12-31", "2024-02-29", "2000-02-29", "2026-11-27"],
    "Date32": ["1971-01-01", "2298-12-31", "2024-02-29", "2000-03-01", "2100-02-28"],
    "DateTime": ["1971-01-01 00:00:00", "2105-12-31T23:59:59Z", "2024-02-29 12:00:00.9", f"{_MOMENT}+05:30"] * 2,
    "DateTime('UTC')": [_MOMENT, f"{_MOMENT}-11:45", "2000-01-01 00:00:00"] * 2,
    "DateTime64(3)": [f"{_MOMENT}.999999", f"{_MOMENT}.1", "2298-12-31T23:59:59.123Z"] * 2,
    "DateTime64(9, 'UTC')": [f"{_MOMENT}.123456789", "2261-12-31 23:59:59", "2000-01-01 00:00:00.000000001"] * 2,
    "UUID": ["61f0c404-5cb3-11e7-907b-a6006ad3dba0", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"] * 3,
    "DateTime32": [_MOMENT, f"{_MOMENT}Z", f"{_MOMENT}.999999999"] * 2,
    "DateTime('Etc/UTC')": [_MOMENT, f"{_MOMENT}-11:45", "2000-01-01 00:00:00"] * 2,
    "DateTime('Europe/Berlin')": ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25 02:30:00+02:00"] * 2,
    "DateTime64(6, 'America/New_York')": [f"{_MOMENT}.1234567-05:00", "2100-07-01T00:00:00Z"] * 3,
    "Decimal(9, 2)": [1.25, -9999999.99, 0, "1234567.8", "-0.01"],
    "Decimal(18, 18)": ["0.123456789012345678", "-0.000000000000000001", 0, "0.5", 0.25],
    "Decimal32(4)": [1.25, -99999.9999, 0, 7, "-0.0001"],
    "Decimal(38, 18)": ["1234567.89", "-1", "1234567890123456789", "-99999999999999999.99", 7.5],
    "Decimal(76, 10)": ["1234567.89", "-1", "1234567890123456789", "-0.0000000001", 7.5],
    "Nullable(Decimal(18, 0))": [None, 999999999999999999, "-999999999999999999", 1, 2],
    "Enum8('a' = 1, 'ü' = -128, '' = 0, 'abc' = 127)": ["a", "ü", "", "abc", "a"],
    "Enum8('on', 'off')": ["on", "off", "on", "off", "on"],
    "Enum16('b' = 300, 'a' = -32768)": ["a", "b", "a", "b", "a"],
    "Enum('z' = 1, 'y' = 2)": ["z", "y", "z", "y", "z"],
    "LowCardinality(Nullable(FixedString(2)))": ["a", None, "bc", "", None],
    "Nullable(Enum8('a' = 1))": ["a", None, "a", None, None],
    "Array(DateTime64(3))": [[], [f"{_MOMENT}.9999999Z"], [_MOMENT] * 2, [], []],
    "Array(Enum8('a' = 1, 'b' = 2))": [[], ["a"], ["b", "a"], [], []],
    "Array(Decimal(9, 2))": [[], [1.5], ["1.5", -2], [], []],
    "Array(String)": [[], ["a"], ["ü", "", 'b"'], ["x" * 200] * 150, ["\n"]],
    "Array(UInt32)": [[], [1], [1, 2, 3], [7] * 128, [2**32 - 1]],
}  # fmt: skip
_SCHEMA = "\n".join(f"c{index} {kind} `json:$.c{index}`" for index, kind in enumerate(_EVERY_TYPE))
_EVENTS = [{f"c{index}": values[row] for index, values in enumerate(_EVERY_TYPE.values())} for row in range(5)]


def _body(*events: Mapping[str, object], ascii_only: bool = False) -> bytes:
    return "".join(json.dumps(event, ensure_ascii=ascii_only) + "\n" for event in events).encode()


def _reader(schema: str) -> RowReader:
    return RowReader.for_data_source(data_source(schema))


@pytest.mark.parametrize("ascii_only", [False, True], ids=["plain characters", "escapes"])
def test_every_type_that_it_knows_is_stored_as_its_text_is(feed: Feed, ascii_only: bool) -> None:
    fed = feed(_SCHEMA)
    body = _body(*_EVENTS, ascii_only=ascii_only)
    in_bulk = RowReader.for_data_source(fed.source).read_in_bulk(body)
    assert in_bulk is not None
    assert in_bulk.binary == encoded_events(fed.source.columns, body)
    found = stored(fed, in_bulk, binary=True)
    assert found == stored(fed, in_bulk, binary=False)
    assert len(found) == 5


_DEFAULTS = """
n UInt32 `json:$.n`
text String `json:$.text` DEFAULT 'none'
twice UInt64 `json:$.twice` DEFAULT n * 2
note Nullable(String) `json:$.note` DEFAULT 'empty'
kept Nullable(Int8) `json:$.kept`
"""


def test_what_is_missing_or_null_takes_the_same_default_as_from_text(feed: Feed) -> None:
    fed = feed(_DEFAULTS)
    body = _body(
        {"n": 1},
        {"n": 2, "text": None, "twice": None, "note": None, "kept": None},
        {"kept": 3, "note": "n", "twice": 1, "text": "t", "n": 3},
        {"twice": 5, "n": 4},
    )
    in_bulk = RowReader.for_data_source(fed.source).read_in_bulk(body)
    assert in_bulk is not None
    assert in_bulk.binary == encoded_events(fed.source.columns, body)
    found = stored(fed, in_bulk, binary=True)
    assert found == stored(fed, in_bulk, binary=False)
    assert [(row["n"], row["text"], row["twice"], row["note"], row["kept"]) for row in found] == [
        (1, "none", 2, "empty", None),
        (2, "none", 4, None, None),
        (3, "t", 1, "n", 3),
        (4, "none", 5, "empty", None),
    ]


def test_keys_may_come_in_any_order_and_lines_with_spaces_around(feed: Feed) -> None:
    fed = feed("a UInt8 `json:$.a`\n`select` String `json:$.select`\n`ü_b` Array(Int8) `json:$.ü_b`")
    body = b' {"select" : "x","a":1, "\xc3\xbc_b":[ 1 ,\t2 ] } \r\n{"\xc3\xbc_b":[],"a":2,"select":""}'
    in_bulk = RowReader.for_data_source(fed.source).read_in_bulk(body)
    assert in_bulk is not None
    assert in_bulk.good_rows == 2
    assert stored(fed, in_bulk, binary=True) == [
        {"a": 1, "select": "x", "ü_b": [1, 2]},
        {"a": 2, "select": "", "ü_b": []},
    ]


def test_each_line_may_have_other_keys_in_another_order() -> None:
    source = data_source("\n".join(f"{name} Nullable(UInt8) `json:$.{name}`" for name in "abcd"))
    orders = [keys for count in range(5) for keys in itertools.permutations("abcd", count)]
    random.Random(1).shuffle(orders)
    body = _body(*({key: index for index, key in enumerate(keys)} for keys in orders))
    in_bulk = RowReader.for_data_source(source).read_in_bulk(body)
    assert in_bulk is not None
    assert in_bulk.binary == encoded_events(source.columns, body)


_UNUSUAL = {
    "a key twice": '{"n":1,"n":2}',
    "a key that is written with escapes": '{"\\u006e":1}',
    "a missing value": '{"text":"a"}',
    "null for a column that has none": '{"n":null}',
    "a number out of range": '{"n":256}',
    "a number of too many digits": '{"n":18446744073709551617}',
    "a negative number without a sign in its type": '{"n":-1}',
    "a leading zero": '{"n":01}',
    "a number with a fraction": '{"n":1.0}',
    "a number with an exponent": '{"n":1e0}',
    "a sign and nothing behind it": '{"n":-}',
    "a number in an array as a string": '{"n":1,"numbers":["1"]}',
    "a string that is not ended": '{"n":1,"text":"a',
    "a string that ends in a backslash": '{"n":1,"text":"a\\',
    "a control character in a string": '{"n":1,"text":"a\tb"}',
    "a NUL in a string": '{"n":1,"text":"a\0b"}',
    "an escape that is none": '{"n":1,"text":"\\x"}',
    "half a pair of surrogates": '{"n":1,"text":"\\ud800"}',
    "the other half of a pair": '{"n":1,"text":"\\udc00\\ud800"}',
    "an escape that is cut off": '{"n":1,"text":"\\u00"}',
    "a character that is too long": b'{"n":1,"text":"\xc0\x80"}',
    "a surrogate in UTF-8": b'{"n":1,"text":"\xed\xa0\x80"}',
    "a character beyond the last": b'{"n":1,"text":"\xf4\x90\x80\x80"}',
    "a character that is cut off": b'{"n":1,"text":"\xf0\x9f\x98"}',
    "Latin-1": b'{"n":1,"text":"\xfc"}',
    "a blank line": '\n{"n":1}',
    "a line of spaces": '{"n":1}\n \t\r\n',
    "no object": "[1]",
    "two objects in one line": '{"n":1}{"n":2}',
    "something behind the object": '{"n":1} x',
    "a comma too many": '{"n":1,}',
    "a colon too few": '{"n" 1}',
    "an object over two lines": '{"n":1,\n"text":"a"}',
    "a byte order mark": '\ufeff{"n":1}',
    "a NUL between lines": '{"n":1}\n\0\n{"n":1}',
    "a word that is cut off": '{"n":1,"flag":tru}',
    "a word that goes on": '{"n":1,"flag":trueish}',
    "null that goes on": '{"n":1,"note":nullx}',
    "a day that is not there": '{"n":1,"day":"2023-02-29"}',
    "a month that is not there": '{"n":1,"day":"2023-13-01"}',
    "a day before the time": '{"n":1,"day":"1969-12-31"}',
    "an hour that is not there": '{"n":1,"moment":"2023-01-01 24:00:00"}',
    "a leap second": '{"n":1,"moment":"2016-12-31 23:59:60"}',
    "a small t": '{"n":1,"moment":"2023-01-01t00:00:00"}',
    "a fraction of no digits": '{"n":1,"moment":"2023-01-01 00:00:00."}',
    "a fraction of ten digits": '{"n":1,"moment":"2023-01-01 00:00:00.0123456789"}',
    "an offset without a colon": '{"n":1,"moment":"2023-01-01 00:00:00+0100"}',
    "a float that is too large": '{"n":1,"ratio":1e400}',
    "a float of very many digits": '{"n":1,"ratio":0.%s}' % ("1" * 64),
    "an integer that is a negative zero": '{"n":1,"ratio":-0}',
    "a float that is infinite": '{"n":1,"ratio":Infinity}',
    "a float in hexadecimal": '{"n":1,"ratio":0x1p3}',
    "a float that begins with its point": '{"n":1,"ratio":.5}',
    "a string that is too long": '{"n":1,"code":"12345"}',
    "characters that are too many bytes": '{"n":1,"code":"üüü"}',
    "an identifier without hyphens": '{"n":1,"id":"61f0c4045cb311e7907ba6006ad3dba0"}',
    "null in an array": '{"n":1,"tags":["a",null]}',
    "an array that is not ended": '{"n":1,"tags":["a"',
    "an array in an array": '{"n":1,"tags":[["a"]]}',
}
_PLAIN = """
n UInt8 `json:$.n`
text Nullable(String) `json:$.text`
flag Nullable(Bool) `json:$.flag`
note Nullable(String) `json:$.note`
day Nullable(Date) `json:$.day`
moment Nullable(DateTime64(3)) `json:$.moment`
ratio Nullable(Float64) `json:$.ratio`
code Nullable(FixedString(4)) `json:$.code`
id Nullable(UUID) `json:$.id`
tags Array(String) `json:$.tags[:]` DEFAULT []
numbers Array(UInt8) `json:$.numbers[:]` DEFAULT []
"""


@pytest.mark.parametrize("line", _UNUSUAL.values(), ids=_UNUSUAL)
def test_a_body_with_anything_unusual_in_it_is_left_to_others(line: str | bytes) -> None:
    reader = _reader(_PLAIN)
    usual = b'{"n":1,"text":"a","tags":[]}\n' * 20
    unusual = line if isinstance(line, bytes) else line.encode()
    assert reader.read_in_bulk(usual) is not None
    for body in (unusual, usual + unusual, unusual + b"\n" + usual, usual + unusual + b"\n" + usual):
        assert reader.read_in_bulk(body) is None


@pytest.mark.parametrize(
    "schema",
    [
        "n UInt128 `json:$.n`",
        "n Array(Nullable(UInt8)) `json:$.n[:]`",
        "n Array(Array(UInt8)) `json:$.n`",
        "n Map(String, UInt8) `json:$.n`",
        "n Enum8('it''s' = 1) `json:$.n`",
        "n Enum8('a' = 1, 'b') `json:$.n`",
        "n UInt8 `json:$.a[0]`",
        "n Array(UInt8) `json:$.a[:].n`",
        "n UInt8 `json:$.a`\nm UInt8 `json:$.a`",
        "n String `json:$.a`\nm UInt8 `json:$.a.m`",
        "n String `json:$`",
    ],
)
def test_columns_of_other_types_or_other_keys_are_left_to_others(schema: str) -> None:
    reader = _reader(schema)
    assert reader.bulk is None
    assert reader.read_in_bulk(b'{"n":1}') is None


def test_rows_that_are_far_larger_than_their_events_are_left_to_others() -> None:
    many = "\n".join(f"c{index} Nullable(UInt64) `json:$.c{index}`" for index in range(300))
    assert _reader(many).read_in_bulk(b"{}\n" * 100_000) is None
    assert _reader("c FixedString(60000) `json:$.c`").read_in_bulk(b'{"c":""}\n' * 100_000) is None


def test_a_size_of_more_than_32_bits_is_never_taken_for_a_small_one() -> None:
    some = ctypes.create_string_buffer(8)
    assert library.bytes_at(ctypes.addressof(some), 8) == bytes(8)
    with pytest.raises(MemoryError):
        library.bytes_at(ctypes.addressof(some), 2**62 + 8)


def test_nothing_is_no_rows() -> None:
    assert _reader("n UInt8 `json:$.n`").read_in_bulk(b"") is None


def test_a_line_that_is_too_long_is_left_to_others() -> None:
    source = data_source("text String `json:$.text`")
    short, long = (b'{"text":"' + b"x" * size + b'"}\n' for size in (90, 91))
    reader = RowReader(source.columns, longest_row=101)
    assert reader.read_in_bulk(short * 3) is not None
    assert reader.read_in_bulk(short + long + short) is None


def test_rows_of_another_table_are_refused_and_not_taken_for_its_own(feed: Feed) -> None:
    fed = feed("a UInt32 `json:$.a`\nb UInt32 `json:$.b`")
    other = _reader("b Int32 `json:$.b`\na Int32 `json:$.a`").read_in_bulk(b'{"b":1,"a":2}\n')
    assert other is not None
    bulk = RowReader.for_data_source(fed.source).bulk
    assert bulk is not None
    other_bulk = _reader("b Int32 `json:$.b`\na Int32 `json:$.a`").bulk
    assert other_bulk is not None
    insert = Insert(fed.database, "t", ("a", "b"), bulk.format, [other_bulk.head, other.binary], "token")
    with pytest.raises(EngineFailure):
        fed.engine.insert(insert)
    assert fed.rows() == []
