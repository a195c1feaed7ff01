"""Values in another form than that of their column are read in bulk as the lenient reading takes them."""

from __future__ import annotations

import json
import random
import struct

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


def _in_bulk(schema: str, body: bytes) -> Verdicts:
    """The verdicts on a body that is read in bulk, which must be those of the other readings."""
    columns = data_source(schema).columns
    reader = RowReader(columns)
    found, elsewhere = reader.read_in_bulk(body), reader.read(body)
    assert found is not None
    assert (found.good_rows, 0) == (elsewhere.good_rows, elsewhere.quarantined_rows)
    assert found.binary == encoded_events(columns, body)
    for lines in (found.good, elsewhere.good):
        assert encoded_events(stored_form(columns), lines) == found.binary
    return found


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        ("UInt8", "true", "1"),
        ("UInt8", "false", "0"),
        ("Int64", '"-9223372036854775808"', "-9223372036854775808"),
        ("UInt64", '"9999999999999999999"', "9999999999999999999"),
        ("Nullable(UInt8)", '"7"', "7"),
        ("Float64", '"-1.5e-7"', "-1.5e-7"),
        ("Float32", '"0.5"', "0.5"),
        ("Bool", "1", "true"),
        ("Bool", "0", "false"),
        ("Bool", '"1"', "true"),
        ("Bool", '"0"', "false"),
        ("Bool", '"true"', "true"),
        ("Bool", '"false"', "false"),
        ("String", "1.50", '"1.50"'),
        ("String", "1e400", '"1e400"'),
        ("String", "false", '"false"'),
        ("String", "[ ]", '"[ ]"'),
        (
            "String",
            '{"a":\t"\\"\\\\\\n",\r"\u00fc":[{}, null]}',
            '"{\\"a\\":\\t\\"\\\\\\"\\\\\\\\\\\\n\\",\\r\\"\u00fc\\":[{}, null]}"',
        ),
        ("LowCardinality(Nullable(String))", "{}", '"{}"'),
    ],
)
def test_the_line_gets_the_form_of_the_column(feed: Feed, kind: str, given: str, line: str) -> None:
    schema = f"n UInt8 `json:$.n`\nv {kind} `json:$.v`"
    fed = feed(schema)
    usual = {"String": '"a"', "Bool": "true"}.get(kind, "1" if "String" not in kind else '"a"')
    body = f'{{"n":1,"v":{usual}}}\n{{"v":{given} ,"n":2}}\n{{"n":3,"v":{usual}}}\n'.encode()
    verdicts = _in_bulk(schema, body)
    assert verdicts.good == body.replace(f'{{"v":{given} ,"n":2}}'.encode(), f'{{"n":2,"v":{line}}}'.encode())
    assert stored(fed, verdicts, binary=True) == stored(fed, verdicts, binary=False)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("UInt8", '"256"'),
        ("UInt8", '"-0"'),
        ("UInt8", '"1.0"'),
        ("UInt8", '" 1"'),
        ("UInt8", '"1'),
        ("UInt8", '"\\u0031"'),
        ("UInt8", '"true"'),
        ("UInt8", "tru"),
        ("Float64", "true"),
        ("Float64", '"-0"'),
        ("Float64", '"nan"'),
        ("Float64", '"1.5 "'),
        ("Float64", '"0x1"'),
        ("Bool", "2"),
        ("Bool", "10"),
        ("Bool", '"10"'),
        ("Bool", '"True"'),
        ("Bool", '"1'),
        ("String", "null"),
        ("String", "nul"),
        ("String", "{"),
        ("String", "01"),
        ("FixedString(2)", "1"),
        ("Array(String)", "[1]"),
        ("Array(String)", "[null]"),
        ("Array(UInt8)", "[true]"),
        ("Array(String)", "{}"),
    ],
)
def test_forms_that_it_does_not_know_are_left_to_others(kind: str, value: str) -> None:
    reader = RowReader(data_source(f"v {kind} `json:$.v`").columns)
    assert reader.read_in_bulk(f'{{"v":{value}}}\n'.encode()) is None


def _random_float(chance: random.Random) -> str:
    match chance.randrange(5):
        case 0:
            return repr(chance.uniform(-1e6, 1e6))
        case 1:
            return json.dumps(struct.unpack("<d", chance.randbytes(7) + bytes([chance.randrange(0x7F)]))[0])
        case 2:
            return f"{chance.randrange(10**19)}.{chance.randrange(10**9)}e{chance.randrange(-40, 19)}"
        case 3:
            return f"-{chance.randrange(10**9)}.{chance.randrange(10**17):017d}"
        case _:
            return f"{chance.randrange(1, 10**17)}E{chance.randrange(-330, 20)}"


def test_floats_of_all_digits_and_exponents_are_stored_as_their_text_is(feed: Feed) -> None:
    schema = "n UInt32 `json:$.n`\nwide Float64 `json:$.wide`\nnarrow Float32 `json:$.narrow`"
    fed = feed(schema)
    chance = random.Random(7)
    texts = [_random_float(chance) for _ in range(5_000)]
    texts = [text for text in texts if abs(float(text)) < 3.4e38]
    texts += ["5e-324", "1e-400", "2.2250738585072011e-308", "9007199254740993", "-0.0", "1e22", "1e23", "-1e-05"]
    texts += ["16777217", "0.000000059604644775390625", "1.00000017881393432617187499", "3.4028234663852886e38"]
    body = "".join(f'{{"n":{n},"wide":{text},"narrow":{text}}}\n' for n, text in enumerate(texts)).encode()
    reader = RowReader.for_data_source(fed.source)
    # A few are not the same when they are rounded twice, and are left to others.
    lines = [line for line in body.splitlines(keepends=True) if reader.read_in_bulk(line) is not None]
    assert len(lines) > len(texts) - 5
    verdicts = _in_bulk(schema, b"".join(lines))
    assert verdicts.good == b"".join(lines)
    bits = "reinterpretAsUInt64(wide) AS w, reinterpretAsUInt32(narrow) AS s"
    assert stored(fed, verdicts, bits, binary=True) == stored(fed, verdicts, bits, binary=False)
