"""Bodies for the reading in bulk: events of every type that it knows, changed at random, and what must become of them.

It imports no engine, so that a process whose memory is watched can run it.
"""

from __future__ import annotations

import json
import random
from typing import Any, Final

from tests.fuzz.mutation import Mutation
from tests.fuzz.odd_events import odd_event
from tests.ingest.bulk.row_binary import encoded_events

from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import DataSource
from stonechat.ingest.bulk.library import Library
from stonechat.ingest.bulk.reader import BulkReader
from stonechat.ingest.feeding import fed_columns, stored_form
from stonechat.ingest.rows import RowReader
from stonechat.ingest.unknown_fields import named_counts

_VALUES: Final[dict[str, list[object]]] = {
    "String": ["plain", "", "ü 你好 😀", 'a "quote", a \\ and \n\t', "x" * 130],
    "LowCardinality(Nullable(String))": ["a", None],
    "FixedString(6)": ["123456", "", "ü"],
    "Bool": [True, False],
    "Int8": [-128, 127, 0],
    "UInt16": [0, 65535],
    "Int64": [-(2**63), 2**63 - 1],
    "Nullable(UInt64)": [None, 9999999999999999999],
    "Float32": [0.5, -1677.7216, 3, 0.30000001192092896, 3.4028234663852886e38, 1e-45],
    "Float64": [0.1, -123456.789012345, 9007199254740992, 0.30000000000000004, 5e-324, 1.7976931348623157e308, -1e-7],
    "Date": ["1971-01-01", "2148-12-31", "2024-02-29"],
    "Date32": ["2298-12-31", "2000-02-29"],
    "DateTime": ["1971-01-01 00:00:00", "2105-12-31T23:59:59Z", "2026-11-27T01:02:03+05:30"],
    "DateTime64(3)": ["2026-11-27 01:02:03.999999", "2298-12-31T23:59:59.123Z"],
    "UUID": ["61f0c404-5cb3-11e7-907b-a6006ad3dba0"],
    "Array(String)": [[], ["a", "ü"], ["x"] * 130],
    "Array(UInt8)": [[], [1, 255]],
    "Enum8('a' = 1, 'ab' = 2, 'b' = -3, 'ü' = 0)": ["a", "ab", "b", "ü"],
    "Enum16('on' = 300)": ["on"],
    "Decimal(9, 2)": [1.25, "-0.01", 9999999.99, 0],
    "Decimal(38, 18)": ["0.000000000000000001", 7, "-1234567.5"],
    "DateTime('Europe/Berlin')": ["2026-10-25T01:30:00Z", "2026-10-25 02:30:00.9+02:00"],
    "Array(DateTime64(6))": [[], ["2026-11-27 01:02:03.9999999", "2026-11-27T01:02:03.9999999Z"]],
}
_PIECES: Final = r"""
{ } [ ] , : " null true false 0 -0 1 -1 255 256 65536 0.5 -0.0 1e5 1.5 18446744073709551615 18446744073709551616 ""
"\u0000" "\ud83d\ude00" "\ud800" "\udc00" "\" "\\" "\u00" "2024-02-30" "2024-02-29" "2024-01-01T00:00:00.123Z"
"2024-01-01T23:59:60" "2024-01-01T00:00:00-23:59" \ÿ \Ã é \ð \í "c1":1, "c11":{}, "c":0, "\u0063": "C1":1, "":[],
"o":{ "o":null, "o":{}, "p":{"c2":1}, "p":{ }, "q":null "new":{"a":[{}]}, "new":1, "1.250" -0.5 01.5 "\u0061\u0062"
[[[[[[[[[[[[ ]]]]]]]]]]]] {"c0":{"c0":{"c0":{"c0":{"c0":{"c0":
"""
_NAMES: Final = [f"c{index}" for index in range(len(_VALUES))]
_OBJECTS: Final = ((), ("o",), ("o", "p"), ("q",))
"""Where in events with objects the columns' keys are, in turn."""
_STRANGERS: Final[list[dict[str, object]]] = [{}, {}, {"new": [{"c1": "\\", "": None}, True, -1.5e7]}, {"c": {}}]


class Bodies:
    """Bodies for one schema, with or without DEFAULTs, of flat events or of such with `objects` in them."""

    def __init__(self, *, defaults: bool, objects: bool) -> None:
        self._objects = objects
        default = " DEFAULT '7'" if defaults else ""
        prefix = "n" if objects else ""  # so that no column is called as its key
        schema = ",\n".join(
            f"    {prefix}{name} {kind} `json:$.{'.'.join((*self._place(index), name))}`{default}"
            for index, (name, kind) in enumerate(zip(_NAMES, _VALUES, strict=True))
        )
        source = read_datafile("t.datasource", f"SCHEMA >\n{schema}\n")
        assert isinstance(source, DataSource)
        self._columns = source.columns
        self._stored = stored_form(source.columns)
        self._others = RowReader(source.columns)
        self._corpus = [json.dumps(self._event(random.Random(seed)), ensure_ascii=seed % 2 > 0) for seed in range(40)]
        self._change = Mutation([text.encode().decode("latin-1") for text in self._corpus], _PIECES.split())

    def _place(self, index: int) -> tuple[str, ...]:
        return _OBJECTS[index % len(_OBJECTS)] if self._objects else ()

    def _event(self, chance: random.Random) -> dict[str, object]:
        members = [(index, chance.choice(values)) for index, values in enumerate(_VALUES.values())]
        if chance.random() < 0.3:
            chance.shuffle(members)
        event: dict[str, Any] = {}
        for index, value in members:
            inner = event
            for key in self._place(index):
                inner = inner.setdefault(key, dict(chance.choice(_STRANGERS)))
            inner[_NAMES[index]] = value
        return event | chance.choice(_STRANGERS)

    def body(self, chance: random.Random) -> bytes:
        """A few events, one of them often changed."""
        lines = [chance.choice(self._corpus).encode() for _ in range(chance.randrange(3))]
        kind = chance.random()
        if kind < 0.4:
            lines.insert(chance.randrange(len(lines) + 1), self._change(chance).encode("latin-1", "replace"))
        elif kind < 0.9:
            lines.insert(chance.randrange(len(lines) + 1), odd_event(self._event(chance), chance).encode())
        return b"\n".join(lines)

    def reader(self, library: Library) -> BulkReader:
        """The reading that is put to the test."""
        reader = BulkReader.of(fed_columns(self._columns), library)
        assert reader is not None
        return reader

    def check(self, reader: BulkReader, body: bytes) -> bool:
        """Whether a body is read in bulk; if so its rows must be those that the other readings find."""
        found = reader.read(body, longest_row=1_000_000)
        if found is None:
            return False
        assert found.data == encoded_events(self._columns, body)
        verdicts = self._others.read(body)
        assert (verdicts.good_rows, verdicts.quarantined_rows) == (found.rows, 0)
        assert named_counts(found.strangers) == verdicts.unknown
        for lines in (found.lines or body, verdicts.good):
            assert found.data == encoded_events(self._stored, lines)
        return True
