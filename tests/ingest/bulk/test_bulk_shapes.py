"""Events with objects in them, and with fields that no column is fed from, are read in bulk as they are elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.ingest.bulk.row_binary import encoded_events
from tests.ingest.bulk.storing import stored
from tests.ingest.conftest import Feed
from tests.ingest.tables import data_source

from stonechat.ingest.bulk.library import compiled_library
from stonechat.ingest.feeding import stored_form
from stonechat.ingest.rows import RowReader
from stonechat.ingest.verdicts import Verdicts

pytestmark = pytest.mark.skipif(compiled_library() is None, reason="nothing was compiled: there was no C compiler")

_PATHS = """
id UInt32 `json:$.event.id`
name String `json:$.event.user.name`
nick Nullable(String) `json:$.event.user.nick`
tags Array(String) `json:$.tags[:]`
at DateTime64(3) `json:$.event.at` DEFAULT now64(3)
`the-price` Decimal(9, 2) `json:$.price` DEFAULT 0
"""
_FLAT = "n UInt8 `json:$.n`\ntext Nullable(String) `json:$.text`"


def _reader(schema: str) -> RowReader:
    return RowReader(data_source(schema).columns)


def _in_bulk(schema: str, body: bytes) -> Verdicts:
    """The verdicts on a body that is read in bulk, which must be those of the other readings."""
    columns = data_source(schema).columns
    reader = RowReader(columns)
    found, elsewhere = reader.read_in_bulk(body), reader.read(body)
    assert found is not None
    assert (found.good_rows, 0, found.unknown) == (elsewhere.good_rows, elsewhere.quarantined_rows, elsewhere.unknown)
    assert found.binary == encoded_events(columns, body)
    for lines in (found.good, elsewhere.good):
        assert lines.count(b"\n") == found.good_rows
        assert encoded_events(stored_form(columns), lines) == found.binary
    return found


def _event(**members: Any) -> bytes:
    return json.dumps(members).encode() + b"\n"


def test_columns_are_fed_from_objects_in_objects_and_stored_as_their_lines_are(feed: Feed) -> None:
    fed = feed(_PATHS)
    at = "2026-11-27T01:02:03.9999999Z"
    body = (
        _event(event={"id": 1, "user": {"name": "ann", "nick": "a"}, "at": at}, tags=["x"], price="1.25")
        + _event(price=-0.01, tags=[], event={"at": at, "user": {"nick": None, "name": "\n\u2028"}, "id": 2})
        + b'{"event" : {"id":3, "user":{ "name":"" , "more":[{}] },"at":"2026-01-01 00:00:00"},"tags":[ ],"price":7 }'
    )
    verdicts = _in_bulk(_PATHS, body)
    rows = stored(fed, verdicts, binary=True)
    assert rows == stored(fed, verdicts, binary=False)
    assert [(row["id"], row["name"], row["nick"], row["at"]) for row in rows] == [
        (1, "ann", "a", "2026-11-27 01:02:03.999"),
        (2, "\n\u2028", None, "2026-11-27 01:02:03.999"),
        (3, "", None, "2026-01-01 00:00:00.000"),
    ]
    assert verdicts.good.splitlines()[2] == b'{"id":3,"name":"","tags":[ ],"at":"2026-01-01 00:00:00","the-price":7}'


def test_columns_that_are_fed_by_keys_of_other_columns_do_not_change_places(feed: Feed) -> None:
    schema = "a UInt8 `json:$.b`\nb UInt8 `json:$.a`"
    fed = feed(schema)
    verdicts = _in_bulk(schema, b'{"a":1,"b":2}\n')
    assert stored(fed, verdicts, binary=True) == stored(fed, verdicts, binary=False) == [{"a": 2, "b": 1}]


_OPTIONAL = "n UInt8 `json:$.n`\na Nullable(UInt8) `json:$.o.a`\nb UInt8 `json:$.o.p.b` DEFAULT 7"


def test_objects_that_are_null_or_not_there_leave_their_columns_without_values(feed: Feed) -> None:
    fed = feed(_OPTIONAL)
    body = b"".join(
        b'{"n":%d%s}\n' % (n, rest)
        for n, rest in enumerate(
            [
                *(
                    b"",
                    b',"o":null',
                    b',"o":{}',
                    b',"o":{"p":null}',
                    b',"o":{"p":{}}',
                    b',"o":{"a":null,"p":{"b":null}}',
                ),
                b',"o":{"p":{"b":1},"a":2}',
            ]
        )
    )
    verdicts = _in_bulk(_OPTIONAL, body)
    rows = stored(fed, verdicts, binary=True)
    assert rows == stored(fed, verdicts, binary=False)
    assert [(row["a"], row["b"]) for row in rows] == [(None, 7)] * 6 + [(2, 1)]


def test_fields_that_no_column_is_fed_from_are_counted_and_taken_out_where_they_are() -> None:
    usual = b' {"n" : 1, "text":"a"}\r\n'
    body = usual + b'{"new":{"n":2},"n":2,"\xc3\xbc":[1,{"n":3,"n":4}]}\n' + usual + b'{"n":3,"new":""}\n' + usual
    verdicts = _in_bulk(_FLAT, body)
    assert verdicts.good == usual + b'{"n":2}\n' + usual + b'{"n":3}\n' + usual
    assert verdicts.unknown == {"new": 2, "\u00fc": 1}
    assert _in_bulk(_FLAT, usual + b'{"new":1,"n":3}').good == usual + b'{"n":3}\n'
    assert _in_bulk(_FLAT, b'{"new":1,"n":3}\n{"n":4}').good == b'{"n":3}\n{"n":4}\n'


def test_unknown_fields_are_counted_at_the_top_alone_and_by_the_beginning_of_their_names() -> None:
    long = "x" * 200
    body = _event(event={"id": 1, "user": {"name": "n"}, "new": 1}, tags=[], **{long: 1, long + "y": 2, "": {}})
    assert _in_bulk(_PATHS, body).unknown == {long: 2, "": 1}


def test_keys_that_differ_in_case_or_begin_alike_are_others() -> None:
    body = b'{"N":2,"nn":3,"n":1,"":4,"tex":"","text":"a","texts":[],"n ":5}\n'
    verdicts = _in_bulk(_FLAT, body)
    assert verdicts.good == b'{"n":1,"text":"a"}\n'
    assert sum(verdicts.unknown.values()) == 6


def test_an_event_of_unknown_fields_alone_is_a_row_without_values() -> None:
    assert _in_bulk("a Nullable(UInt8) `json:$.a`", b'{"b":1}\n{}\n').good == b"{}\n{}\n"


@pytest.mark.parametrize(
    "value",
    [
        "-0",
        "1e400",
        "-1.5E+7",
        "9" * 500,
        '"\\ud83d\\ude00\\u0000"',
        "[ [ ] , { } ]",
        '{"":{"":null}}',
        "[" * 64 + "]" * 64,
    ],
)
def test_what_is_ignored_may_be_any_value(value: str) -> None:
    assert _in_bulk(_FLAT, f'{{"new":{value},"n":1}}\n'.encode()).good == b'{"n":1}\n'


_LEFT_TO_OTHERS = {
    "a key twice": '{"n":1,"n":2}',
    "an unknown key twice": '{"n":1,"new":1,"new":1}',
    "a key in an object twice": '{"n":1,"o":{"a":1,"a":2}}',
    "an object twice": '{"n":1,"o":{"a":1},"o":{"p":{"b":1}}}',
    "an object and null": '{"n":1,"o":{"a":1},"o":null}',
    "an object in an object twice": '{"n":1,"o":{"p":{},"p":{}}}',
    "a key that is written with escapes": '{"n":1,"\\u006f":{}}',
    "a key in an object that is written with escapes": '{"n":1,"o":{"\\u0061":1}}',
    "an unknown key with an escape": '{"n":1,"new\\n":1}',
    "an unknown key that is not UTF-8": b'{"n":1,"new\xff":1}',
    "an unknown key without an end": '{"n":1,"new',
    "an unknown key without a value": '{"n":1,"new"}',
    "an unknown key with nothing behind it": '{"n":1,"new":}',
    "a number for an object": '{"n":1,"o":1}',
    "an array for an object": '{"n":1,"o":[{"a":1}]}',
    "an object for a number": '{"n":{}}',
    "an object that is not ended": '{"n":1,"o":{"a":1',
    "an unknown object that is not ended": '{"n":1,"new":{"a":1',
    "an unknown string that is not ended": '{"n":1,"new":"',
    "an unknown string that ends in a backslash": '{"n":1,"new":"\\',
    "an unknown string with half a pair": '{"n":1,"new":"\\ud800"}',
    "an unknown string with an escape that is none": '{"n":1,"new":"\\x"}',
    "an unknown string that is not UTF-8": b'{"n":1,"new":"\xff"}',
    "an unknown number with a leading zero": '{"n":1,"new":01}',
    "an unknown number that ends in its point": '{"n":1,"new":1.}',
    "an unknown number that ends in its exponent": '{"n":1,"new":1e+}',
    "an unknown sign": '{"n":1,"new":-}',
    "an unknown word": '{"n":1,"new":nil}',
    "an unknown word that is cut off": '{"n":1,"new":tru',
    "an unknown array with a comma too many": '{"n":1,"new":[1,]}',
    "an unknown object with a comma too many": '{"n":1,"new":{"a":1,}}',
    "an unknown object without a colon": '{"n":1,"new":{"a" 1}}',
    "an unknown array that is closed as an object": '{"n":1,"new":[1}}',
    "unknown values that are nested far": '{"n":1,"new":' + "[" * 65 + "]" * 65 + "}",
    "unknown values that are nested without end": '{"n":1,"new":' + '{"a":[' * 100_000,
    "objects that are nested without end": '{"n":1,"o":' + '{"p":' * 100_000,
    "an unknown value over two lines": '{"n":1,"new":[1,\n2]}',
    "a NUL in an unknown value": '{"n":1,"new":\0}',
}


@pytest.mark.parametrize("line", _LEFT_TO_OTHERS.values(), ids=_LEFT_TO_OTHERS)
def test_what_is_odd_in_objects_or_unknown_fields_is_left_to_others(line: str | bytes) -> None:
    reader = _reader(_OPTIONAL)
    usual = b'{"n":1,"o":{"a":1,"p":{"b":2}},"new":3}\n'
    odd = line if isinstance(line, bytes) else line.encode()
    assert reader.read_in_bulk(usual * 2) is not None
    for body in (odd, usual + odd, odd + b"\n" + usual, usual + odd + b"\n" + usual):
        assert reader.read_in_bulk(body) is None


def test_a_column_of_an_object_that_is_null_needs_a_value_all_the_same() -> None:
    for event in ('{"n":1,"o":null}', '{"n":1,"o":{}}', '{"n":1}', '{"n":1,"o":{"a":null}}'):
        assert _reader("n UInt8 `json:$.n`\na UInt8 `json:$.o.a`").read_in_bulk(event.encode()) is None


def test_a_few_names_of_unknown_fields_are_known_and_no_more() -> None:
    reader = _reader(_FLAT)
    assert _in_bulk(_FLAT, b"".join(_event(n=1, **{f"x{index}": 1}) for index in range(64))).unknown["x63"] == 1
    assert reader.read_in_bulk(b"".join(_event(n=1, **{f"x{index}": 1}) for index in range(65))) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Decimal(9, 2)", "1.250"),
        ("Decimal(9, 2)", "10000000"),
        ("Decimal(2, 2)", "1"),
        ("Decimal(9, 2)", "1e2"),
        ("Decimal(9, 2)", '"1_0"'),
        ("Decimal(9, 2)", '" 1"'),
        ("Decimal(9, 2)", '"NaN"'),
        ("Decimal(9, 2)", '"1'),
        ("Decimal(38, 30)", "1"),
        ("Enum8('a' = 1, 'ab' = 2)", '"b"'),
        ("Enum8('a' = 1, 'ab' = 2)", '"A"'),
        ("Enum8('a' = 1, 'ab' = 2)", '"abc"'),
        ("Enum8('a' = 1, 'ab' = 2)", '""'),
        ("Enum8('a' = 1, 'ab' = 2)", "1"),
        ("Enum8('a' = 1, 'ab' = 2)", '"\\ud800"'),
        ("DateTime('Europe/Berlin')", '"2026-11-27 01:02:03"'),
        ("DateTime64(3, 'Europe/Berlin')", '"2026-11-27T01:02:03.5"'),
    ],
)
def test_values_that_it_does_not_know_are_left_to_others(kind: str, value: str) -> None:
    assert _reader(f"v {kind} `json:$.v`").read_in_bulk(f'{{"v":{value}}}\n'.encode()) is None


@pytest.mark.parametrize("value", ["-0", '"-0"', "-0.00", '"-0.0"'])
def test_a_negative_zero_of_a_decimal_is_stored_as_its_text_is(feed: Feed, value: str) -> None:
    schema = "v Decimal(9, 2) `json:$.v`"
    fed = feed(schema)
    verdicts = _in_bulk(schema, f'{{"v":{value}}}\n'.encode())
    assert stored(fed, verdicts, binary=True) == stored(fed, verdicts, binary=False) == [{"v": 0}]


def test_a_member_of_a_large_enum_is_found_by_its_name(feed: Feed) -> None:
    names = [f"{'x' * (number % 7)}{number}" for number in range(-500, 500)]
    members = ", ".join(f"'{name}' = {number}" for name, number in zip(names, range(-500, 500), strict=True))
    schema = f"v Enum16({members}) `json:$.v`"
    fed = feed(schema)
    verdicts = _in_bulk(schema, b"".join(_event(v=name) for name in names))
    assert stored(fed, verdicts, binary=True) == stored(fed, verdicts, binary=False)
