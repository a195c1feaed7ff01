"""What the door lets pass as it came, the engine reads as the door did, or it refuses it and takes the canonical form.

The texts here are those of senders who write JSON in ways of their own: escapes for any character, repeated keys, odd
spaces, numbers and times in every form that the door's strict reading takes.
"""

from __future__ import annotations

import json
import os
import uuid
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ingest.tables import canonical, create_tables, data_source

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import EngineFailure, Insert
from stonechat.ingest.destinations import insert_rows
from stonechat.ingest.rows import RowReader

_SPACES = st.sampled_from(["", "", "", " ", "\t", " \r "])


def _escaped(character: str, how: int) -> str:
    """A character of a JSON string: plain where it may be, else, or if told so, as escapes of UTF-16."""
    if how == 0 and character not in '"\\' and ord(character) >= 32:
        return character
    if how == 1 and character in '"\\/\b\f\n\r\t':
        return "\\" + dict(zip('"\\/\b\f\n\r\t', '"\\/bfnrt', strict=True))[character]
    units = character.encode("utf-16-be")
    codes = [units[index : index + 2].hex() for index in range(0, len(units), 2)]
    return "".join(f"\\u{code.upper() if how == 2 else code}" for code in codes)


_CHARACTERS = st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\/\b\f\n\r\t\0\x7f\u2028😀')
_TEXTS = st.lists(st.tuples(_CHARACTERS, st.integers(0, 3)), max_size=8).map(
    lambda parts: '"' + "".join(_escaped(character, how) for character, how in parts) + '"'
)
_DIGITS = st.text("0123456789", min_size=1, max_size=25)
_FLOATS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.builds(
        "{}{}.{}{}".format,
        st.sampled_from(["", "-"]),
        st.integers(0, 10**20),
        _DIGITS,
        st.sampled_from(["", "e5", "E-7", "e+3", "e-300"]),
    ),
    st.sampled_from(["0", "-0", "-0.0", "1e-400", "5e-324", "9007199254740993", "16777217"]),
)
_FIRST, _LAST = datetime.fromisoformat("1971-01-02"), datetime.fromisoformat("2299-01-01")
_MOMENTS = st.builds(
    lambda moment, separator, fraction, zone: f'"{moment:%Y-%m-%d}{separator}{moment:%H:%M:%S}{fraction}{zone}"',
    st.datetimes(_FIRST, _LAST.replace(year=2105)),
    st.sampled_from("T tT"),
    st.sampled_from(["", ".5", ".000001", ".999999", ".123", ".100", ".9999999", ".123456789", ".99999999999"]),
    st.sampled_from(["", "", "Z", "z", "+00:00", "-00:00", "+0530", "-11:45", "+14:00"]),
)
_INTEGERS = st.integers(-130, 300).map(str) | st.sampled_from(["-0", "0", "1.0", "1e2"])
_LARGE = st.integers(-(2**63) - 1, 2**64).map(str) | st.just("-0")
_KINDS: dict[str, st.SearchStrategy[str]] = {
    "String": _TEXTS,
    "LowCardinality(String)": _TEXTS,
    "LowCardinality(Nullable(String))": _TEXTS | st.just("null"),
    "FixedString(5)": _TEXTS,
    "Array(String)": st.lists(_TEXTS, max_size=3).map(lambda texts: f"[ {' , '.join(texts)} ]"),
    "Array(Nullable(UInt8))": st.lists(_INTEGERS | st.just("null"), max_size=3).map(lambda all_: f"[{','.join(all_)}]"),
    "UInt8": _INTEGERS,
    "Int8": _INTEGERS,
    "UInt64": _LARGE,
    "Int64": _LARGE,
    "Int128": _LARGE,
    "Nullable(Int64)": _LARGE | st.just("null"),
    "Float32": _FLOATS,
    "Float64": _FLOATS,
    "Nullable(Float64)": _FLOATS | st.just("null"),
    "Bool": st.sampled_from(["true", "false"]),
    "UUID": st.builds(
        lambda identifier, form: f'"{form(identifier)}"',
        st.uuids(),
        st.sampled_from([str, lambda identifier: identifier.hex, lambda identifier: str(identifier).upper()]),
    ),
    "Date": st.dates(_FIRST.date(), _LAST.date().replace(year=2149)).map('"{}"'.format),
    "Date32": st.dates(_FIRST.date().replace(year=1901), _LAST.date()).map('"{}"'.format),
    "DateTime": _MOMENTS,
    "DateTime('Europe/Berlin')": _MOMENTS,
    "DateTime64(3)": _MOMENTS,
    "DateTime64(6, 'Asia/Kolkata')": _MOMENTS,
    "DateTime64(9)": _MOMENTS,
    "Enum8('a' = 1, 'ü''s' = -3)": st.sampled_from(['"a"', '"\\u0061"', '"ü\'s"', '"\\u00fC\'s"']),
}
_DEFAULTED = ("Int8", "UInt8", "Nullable(Int64)", "Float32")


@st.composite
def _lines(draw: st.DrawFn) -> tuple[str, str, list[str]]:
    kind = draw(st.sampled_from(sorted(_KINDS)))
    default = draw(st.sampled_from(["", " DEFAULT 7"])) if kind in _DEFAULTED else ""
    lines = []
    for number in range(draw(st.integers(1, 4))):
        texts = draw(st.lists(_KINDS[kind] | st.just("null") if default else _KINDS[kind], min_size=1, max_size=2))
        members = [f'"n":{number}']
        for text in texts if draw(st.booleans()) else texts[:1]:
            key = draw(st.sampled_from(['"v"', '"v"', '"v"', '"\\u0076"']))
            members.append(f"{draw(_SPACES)}{key}{draw(_SPACES)}:{draw(_SPACES)}{text}{draw(_SPACES)}")
        if default and draw(st.booleans()):
            del members[1:]
        lines.append("{" + ",".join(members) + "}")
    return kind, default, lines


@settings(
    max_examples=int(os.environ.get("STONECHAT_EXAMPLES", "60")), deadline=None, suppress_health_check=list(HealthCheck)
)
@given(table=_lines())
def test_rows_as_they_came_are_stored_like_their_canonical_form(
    engine: ChdbEngine, database: str, table: tuple[str, str, list[str]]
) -> None:
    kind, default, lines = table
    source = data_source(f"n UInt32 `json:$.n`\nv {kind} `json:$.v`{default}")
    verdicts = RowReader.for_data_source(source).read("\n".join(lines).encode())
    if not verdicts.good_rows:
        return
    try:
        fed = create_tables(engine, database, source)
        columns = fed.destination.columns
        insert = Insert(database, "t", columns, "JSONEachRow", [verdicts.good], "as they came")
        insert_rows(engine, insert, fed.destination)
        stored = fed.rows()
        engine.command(f"TRUNCATE TABLE {database}.t")
        form = [canonical(source, verdicts.good)]
        engine.insert(Insert(database, "t", columns, "JSONEachRow", form, f"canonical {uuid.uuid4()}"))
        assert stored == fed.rows(), lines
        assert len(stored) == verdicts.good_rows
    finally:
        engine.command(f"DROP TABLE IF EXISTS {database}.t SYNC")
        engine.command(f"DROP TABLE IF EXISTS {database}.t_quarantine SYNC")


@pytest.mark.parametrize("line", ['{"v":1,"v":2}', '{"v":-0}'], ids=["a key twice", "a negative zero"])
def test_the_engine_refuses_a_text_and_takes_its_canonical_form_under_the_same_token(
    engine: ChdbEngine, database: str, line: str
) -> None:
    source = data_source("v UInt8 `json:$.v`")
    fed = create_tables(engine, database, source)
    verdicts = RowReader.for_data_source(source).read(f'{{"v":7}}\n{line}\n'.encode())
    insert = Insert(database, "t", ("v",), "JSONEachRow", [verdicts.good], "token")
    with pytest.raises(EngineFailure):
        engine.insert(insert)
    insert_rows(engine, insert, fed.destination)
    insert_rows(engine, insert, fed.destination)
    assert fed.rows() == ([{"v": 2}, {"v": 7}] if "2" in line else [{"v": 0}, {"v": 7}])


@pytest.mark.parametrize("unknown", [{}, {"more": 1}], ids=["no unknown field", "an unknown field beside"])
def test_a_fraction_finer_than_the_column_is_cut_and_not_rounded(
    engine: ChdbEngine, database: str, unknown: dict[str, int]
) -> None:
    source = data_source("a DateTime64(3, 'UTC') `json:$.a`\nb DateTime('UTC') `json:$.b`")
    fed = create_tables(engine, database, source)
    moment = "2026-01-31T23:59:59.999999999Z"
    body = json.dumps({"a": moment, "b": moment} | unknown).encode()
    verdicts = RowReader.for_data_source(source).read(body)
    engine.insert(Insert(database, "t", ("a", "b"), "JSONEachRow", [verdicts.good], "token"))
    assert fed.rows() == [{"a": "2026-01-31 23:59:59.999", "b": "2026-01-31 23:59:59"}]
