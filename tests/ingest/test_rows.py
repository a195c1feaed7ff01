"""What the corpus cannot say about the reading of rows: limits, slices, paths, and that the fast reading is taken."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.tables import canonical, data_source

from stonechat.ingest.jsonpaths import UnsupportedJsonPath
from stonechat.ingest.rows import RowReader, slices
from stonechat.ingest.unknown_fields import MOST_NAMES, UnknownFields
from stonechat.ingest.verdicts import Verdicts

_PLAIN = "a UInt8 `json:$.a`\nb String `json:$.b` DEFAULT ''"


def reader(schema: str, *, longest_row: int = 10_000_000) -> RowReader:
    return RowReader(data_source(schema).columns, longest_row=longest_row, clock=lambda: 0.0)


def reasons(verdicts: Verdicts) -> list[list[str]]:
    return [json.loads(line)["c__error"] for line in verdicts.quarantined.splitlines()]


@pytest.mark.parametrize("depth", [150, 5_000, 200_000])
def test_a_deeply_nested_row_harms_nobody(depth: int) -> None:
    deep = b'{"a":1,"b":' + b"[" * depth + b"]" * depth + b"}"
    verdicts = reader(_PLAIN).read(b'{"a":1}\n' + deep + b'\n{"a":2}')
    if depth < sys.getrecursionlimit() // 2:
        assert verdicts.good_rows == 3
    else:
        assert verdicts.good_rows == 2
        assert reasons(verdicts) == [["the line nests too deep"]]


@pytest.mark.parametrize("path", ["$.unknown", "$.b"])
def test_a_deeply_nested_document_harms_nobody(path: str) -> None:
    deep = b'{"unknown":' + b'{"x":' * 3_000 + b"1" + b"}" * 3_000 + b',"a":1}'
    verdicts = reader(f"a UInt8 `json:$.a`\nb JSON `json:{path}`").read(deep, "json")
    assert (verdicts.good_rows, verdicts.quarantined_rows) == (0, 1)


def test_a_row_longer_than_allowed_is_quarantined_with_its_beginning() -> None:
    long = b'{"a":1,"b":"' + b"x" * 100_000 + b'"}'
    verdicts = reader(_PLAIN, longest_row=90_000).read(b'{"a":1}\n' + long + b'\n{"a":2}')
    assert verdicts.good_rows == 2
    assert reasons(verdicts) == [["the row is longer than 90000 bytes; only its beginning is kept"]]
    assert len(json.loads(verdicts.quarantined)["c__raw"]) == 65_536


def test_a_number_of_a_million_digits_costs_no_time() -> None:
    body = (
        b'{"a":' + b"9" * 1_000_000 + b"}\n" + b'{"a":"' + b"9" * 1_000_000 + b'"}\n{"a":1e' + b"9" * 1_000_000 + b"}"
    )
    verdicts = reader("a Decimal(76, 10) `json:$.a`").read(body)
    assert (verdicts.good_rows, verdicts.quarantined_rows) == (0, 3)


@pytest.mark.parametrize(
    ("path", "event", "value"),
    [
        ("$['user.id']", {"user.id": "x"}, "x"),
        ("$.user['first name'].short", {"user": {"first name": {"short": "x"}}}, "x"),
        ('$.["a"]["b.c"]', {"a": {"b.c": "x"}}, "x"),
        ("$['list.l'][:]['key.k']", {"list.l": [{"key.k": "x"}, {"key.k": "y"}]}, ["x", "y"]),
    ],
)
def test_keys_between_brackets_may_hold_what_bare_ones_may_not(path: str, event: object, value: object) -> None:
    kind = "Array(String)" if isinstance(value, list) else "String"
    column = replace(data_source(f"a {kind}").columns[0], jsonpath=path)
    verdicts = RowReader([column]).read(json.dumps(event).encode())
    assert json.loads(verdicts.good) == {"a": value}


@pytest.mark.parametrize(
    "path", ["$.a[-1]", "$[0]", "$.", "$..a", "a", "$.a[:].", "$[:].a", "$.a[*]", "@.a", "$['a", "$['']"]
)
def test_a_path_that_cannot_be_read_is_refused_with_its_column(path: str) -> None:
    column = replace(data_source("a String").columns[0], jsonpath=path)
    with pytest.raises(UnsupportedJsonPath, match="of column 'a' is not supported") as caught:
        RowReader([column])
    assert caught.value.position is not None


@pytest.mark.parametrize("key", ['we"ird', "back\\slash"])
def test_a_key_that_needs_escapes_is_read(key: str) -> None:
    column = replace(data_source("a UInt8").columns[0], jsonpath=f"$.{key}")
    verdicts = RowReader([column]).read(json.dumps({key: 5}).encode())
    assert verdicts.good == b'{"a":5}\n'


@given(st.lists(st.binary(max_size=30)), st.integers(1, 60))
def test_slices_are_the_body_cut_where_lines_end(lines: list[bytes], size: int) -> None:
    body = b"\n".join(line.replace(b"\n", b"") for line in lines)
    pieces = list(slices(body, size))
    assert b"".join(pieces) == body
    for piece in pieces[:-1]:
        assert piece.endswith(b"\n")
    for piece in pieces:
        assert len(piece) <= size or b"\n" not in piece[:-1]


@given(st.binary(max_size=200))
def test_no_body_makes_the_reader_fail(body: bytes) -> None:
    for verdicts in (reader(_PLAIN).read(body, "ndjson"), reader(_PLAIN).read(body, "json")):
        assert verdicts.good_rows == verdicts.good.count(b"\n")
        assert verdicts.quarantined_rows == verdicts.quarantined.count(b"\n")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abxyz"), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), _JSON, max_size=4), min_size=1, max_size=4))
def test_any_document_gets_a_verdict_for_each_row_and_a_reason_for_each_rejection(events: list[object]) -> None:
    schema = (
        "a Array(Tuple(x UInt8, y Nullable(String))) `json:$.a[:]`\n"
        "b Map(String, DateTime64(9)) `json:$.b` DEFAULT map()\n"
        "c Array(Decimal(9, 2)) `json:$.c[:].x` DEFAULT []\n"
        "d Nullable(Enum8('a' = 1)) `json:$.d.x.y`"
    )
    verdicts = reader(schema).read("\n".join(map(json.dumps, events)).encode())
    assert verdicts.good_rows + verdicts.quarantined_rows == len(events)
    assert all(reasons(verdicts))


_EVENTS = st.lists(st.dictionaries(st.sampled_from("abxy"), st.integers(-1, 300)), max_size=30)


@given(_EVENTS, st.sampled_from([_PLAIN, "a UInt8 `json:$.a`\nb String `json:$.b.c` DEFAULT ''"]))
def test_unknown_fields_change_no_verdict_and_are_counted_exactly(events: list[dict[str, int]], schema: str) -> None:
    lines = [json.dumps(event).encode() for event in events]
    stripped = [json.dumps({key: event[key] for key in event if key in "ab"}).encode() for event in events]
    verdicts, without = reader(schema).read(b"\n".join(lines)), reader(schema).read(b"\n".join(stripped))
    source = data_source(schema)
    assert canonical(source, verdicts.good) == canonical(source, without.good)
    assert verdicts.quarantined_rows == without.quarantined_rows
    counted = {name: sum(name in event for event in events) for name in ("x", "y")}
    assert dict(verdicts.unknown) == {name: count for name, count in counted.items() if count}


def test_slices_add_up_their_unknown_fields() -> None:
    one, two = reader(_PLAIN).read(b'{"a":1,"x":1}'), reader(_PLAIN).read(b'{"a":1,"x":1,"y":2}')
    assert dict(Verdicts.joined([one, two]).unknown) == {"x": 2, "y": 1}


def test_a_column_that_takes_the_whole_event_leaves_no_field_unknown() -> None:
    assert not reader("a UInt8 `json:$.a`\nall String `json:$`").read(b'{"a":1,"x":1}').unknown


def test_made_up_names_do_not_fill_the_memory() -> None:
    counts = UnknownFields()
    for number in range(300):
        names = [f"{number}_{index}" for index in range(5)]
        body = json.dumps({"a": 1, **dict.fromkeys(names, 1)}).encode()
        counts.add("t_1", reader(_PLAIN).read(body).unknown)
    assert len(counts.of("t_1")) == MOST_NAMES
    wide = json.dumps({"a": 1, **{f"k{index}{'x' * 300}": 1 for index in range(5000)}}).encode()
    unknown = reader(_PLAIN).read(wide).unknown
    assert len(unknown) == MOST_NAMES
    assert max(map(len, unknown)) == 200
