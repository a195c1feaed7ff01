"""The verdict at the door equals what the engine stores, for random schemas and rows.

Each type comes with an oracle of its own, written without the program's codecs: which JSON values fit, and as what
value they must come back from the engine.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ingest.tables import create_tables, data_source

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import Insert, Query
from stonechat.ingest.rows import RowReader

MISFIT: Final = object()
Case = tuple[str, Any]
"""JSON text that is sent, and the value that must come back, or MISFIT."""
Strategy = st.SearchStrategy[Case]


class _Float32(float):
    """A number that comes back as the nearest of four bytes."""


_LARGEST_FLOAT32 = 3.4028234663852886e38
_WIDE = Context(prec=200)


def _integers(bits: int, *, signed: bool) -> Strategy:
    low = -(2 ** (bits - 1)) if signed else 0
    high = 2 ** (bits - signed) - 1
    numbers = st.one_of(
        st.integers(low, high), st.integers(low - 3, low + 3), st.integers(high - 3, high + 3), st.integers()
    )

    def case(number: int, quoted: bool) -> Case:
        return (f'"{number}"' if quoted else str(number)), (number if low <= number <= high else MISFIT)

    return st.builds(case, numbers, st.booleans())


def _floats(bits: int) -> Strategy:
    def case(number: float) -> Case:
        if bits == 64:
            return repr(number), number
        if abs(number) > _LARGEST_FLOAT32:
            return repr(number), MISFIT
        return repr(number), _Float32(number)

    largest = 1e37 if bits == 32 else 1.7e308
    return st.floats(-largest, largest, allow_nan=False, allow_infinity=False).map(case)


def _decimals(precision: int, scale: int) -> Strategy:
    def case(digits: int, exponent: int, quoted: bool) -> Case:
        number = Decimal(digits).scaleb(exponent, _WIDE)
        text = format(number, "f") if quoted else str(number)
        fits = number.copy_abs() < Decimal(10) ** (precision - scale)
        stored = number.quantize(Decimal(1).scaleb(-scale), ROUND_DOWN, _WIDE) if fits else MISFIT
        return (f'"{text}"' if quoted else text.replace("+", "")), stored

    bound = 10 ** (precision + 1)
    return st.builds(case, st.integers(-bound, bound), st.integers(-scale - 3, 2), st.booleans())


def _texts() -> Strategy:
    text = st.text(st.characters(exclude_categories=["Cs"]))
    return st.builds(lambda value, ascii_only: (json.dumps(value, ensure_ascii=ascii_only), value), text, st.booleans())


def _dates(low: date, high: date) -> Strategy:
    def case(value: date) -> Case:
        return f'"{value}"', (str(value) if low <= value <= high else MISFIT)

    near = st.one_of(st.dates(low, high), st.dates(), st.dates(low - timedelta(3), low + timedelta(3)))
    return near.map(case)


def _moments(precision: int, low: datetime, high: datetime) -> Strategy:
    def case(value: datetime, minutes: int | None, separator: str) -> Case:
        offset = timedelta(minutes=minutes or 0)
        shift = (
            "" if minutes is None else f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
        )
        instant = value - offset
        text = f'"{value.isoformat(separator)}{shift}"'
        if not low <= instant <= high:
            return text, MISFIT
        stored = instant.isoformat(" ", "microseconds")
        return text, stored[: 19 + (precision + 1 if precision else 0)]

    spread = timedelta(days=2)
    near = st.one_of(
        st.datetimes(low, high), st.datetimes(low - spread, low + spread), st.datetimes(high - spread, high + spread)
    )
    minutes = st.one_of(st.none(), st.integers(-14 * 60, 14 * 60))
    return st.builds(case, near, minutes, st.sampled_from("T "))


def _naive(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC).replace(tzinfo=None)


def _integer_types() -> Iterator[tuple[str, Strategy]]:
    for bits in (8, 16, 32, 64, 128, 256):
        yield f"Int{bits}", _integers(bits, signed=True)
        yield f"UInt{bits}", _integers(bits, signed=False)


_SCALARS: dict[str, Strategy] = {
    **dict(_integer_types()),
    "Float32": _floats(32),
    "Float64": _floats(64),
    "Decimal(9, 4)": _decimals(9, 4),
    "Decimal(38, 0)": _decimals(38, 0),
    "Decimal(76, 20)": _decimals(76, 20),
    "String": _texts(),
    "LowCardinality(String)": _texts(),
    "Bool": st.booleans().map(lambda value: (json.dumps(value), value)),
    "UUID": st.uuids().map(lambda value: (f'"{value}"', str(value))),
    "IPv4": st.ip_addresses(v=4).map(lambda value: (f'"{value}"', str(value))),
    "Date": _dates(date(1970, 1, 1), date(2149, 6, 6)),
    "Date32": _dates(date(1900, 1, 1), date(2299, 12, 31)),
    "DateTime('UTC')": _moments(0, _naive(0), _naive(2**32 - 1)),
    "DateTime64(3, 'UTC')": _moments(3, _naive(-2208988800), _naive(10413791999)),
    "DateTime64(6, 'UTC')": _moments(6, _naive(-2208988800), _naive(10413791999)),
    "Enum8('a' = 1, 'ü''s' = -3)": st.sampled_from(
        [('"a"', "a"), ('"ü\'s"', "ü's"), ("-3", "ü's"), ('"b"', MISFIT), ("2", MISFIT)]
    ),
}


def _nested(name: str, element: Strategy) -> st.SearchStrategy[tuple[str, Strategy]]:
    """The scalar itself, or something that holds it."""

    def array(cases: list[Case]) -> Case:
        stored = [value for _, value in cases]
        return f"[{','.join(text for text, _ in cases)}]", (MISFIT if MISFIT in stored else stored)

    def mapping(cases: dict[str, Case]) -> Case:
        members = ",".join(f"{json.dumps(key)}:{text}" for key, (text, _) in cases.items())
        stored = {key: value for key, (_, value) in cases.items()}
        return f"{{{members}}}", (MISFIT if MISFIT in stored.values() else stored)

    shapes = {
        name: element,
        f"Array({name})": st.lists(element, max_size=3).map(array),
        f"Map(String, {name})": st.dictionaries(st.text("ab'ü", max_size=2), element, max_size=3).map(mapping),
        f"Tuple({name}, UInt8)": element.map(
            lambda case: (f"[{case[0]},7]", case[1] if case[1] is MISFIT else [case[1], 7])
        ),
    }
    if not name.startswith("LowCardinality"):
        shapes[f"Nullable({name})"] = st.one_of(element, st.just(("null", None)))
    return st.sampled_from(sorted(shapes)).map(lambda shape: (shape, shapes[shape]))


@st.composite
def _tables(draw: st.DrawFn) -> tuple[list[str], list[list[Case]]]:
    names = draw(st.lists(st.sampled_from(sorted(_SCALARS)), min_size=1, max_size=4))
    columns = [draw(_nested(name, _SCALARS[name])) for name in names]
    rows = draw(st.lists(st.tuples(*(cases for _, cases in columns)).map(list), min_size=1, max_size=6))
    return [kind for kind, _ in columns], rows


def _nearest(number: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


def _same(stored: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        return len(stored) == len(expected) and all(map(_same, stored, expected))
    if isinstance(expected, dict):
        return list(stored) == list(expected) and all(map(_same, stored.values(), expected.values()))
    if isinstance(expected, _Float32):
        return _nearest(float(stored)) == _nearest(expected)
    if isinstance(expected, float):
        return float(stored) == expected
    if isinstance(expected, Decimal):
        return Decimal(str(stored)) == expected
    return bool(stored == expected)


@settings(
    max_examples=int(os.environ.get("STONECHAT_EXAMPLES", "120")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(table=_tables(), nested=st.booleans())
def test_what_is_accepted_is_stored_with_its_value_and_the_rest_is_not_accepted(
    engine: ChdbEngine, database: str, table: tuple[list[str], list[list[Case]]], nested: bool
) -> None:
    kinds, rows = table
    prefix = "$.in." if nested else "$."
    source = data_source(
        "\n".join(
            ["number UInt32 `json:$.number`"]
            + [f"c{index} {kind} `json:{prefix}c{index}`" for index, kind in enumerate(kinds)]
        )
    )
    lines = []
    for number, row in enumerate(rows):
        members = ",".join(f'"c{index}":{text}' for index, (text, _) in enumerate(row))
        lines.append(f'{{"number":{number},"in":{{{members}}}}}' if nested else f'{{"number":{number},{members}}}')
    verdicts = RowReader.for_data_source(source).read("\n".join(lines).encode())

    expected = [(number, row) for number, row in enumerate(rows) if all(value is not MISFIT for _, value in row)]
    assert verdicts.good_rows == len(expected), lines
    assert verdicts.quarantined_rows == len(rows) - len(expected)

    fed = create_tables(engine, database, source)
    try:
        target = fed.destination
        if expected:
            engine.insert(Insert(database, "t", target.columns, "JSONEachRow", [verdicts.good], "token"))
        if verdicts.quarantined_rows:
            columns = target.quarantine_columns
            engine.insert(Insert(database, "t_quarantine", columns, "JSONEachRow", [verdicts.quarantined], "token"))
        assert fed.count("t_quarantine") == verdicts.quarantined_rows
        stored = engine.query(Query("SELECT * FROM t ORDER BY number", database, "JSONCompactEachRow")).data
    finally:
        engine.command(f"DROP TABLE {database}.t SYNC")
        engine.command(f"DROP TABLE {database}.t_quarantine SYNC")
    found = [json.loads(line, parse_float=Decimal) for line in stored.splitlines()]
    assert [values[0] for values in found] == [number for number, _ in expected]
    for values, (_, row) in zip(found, expected, strict=True):
        for value, (text, wanted) in zip(values[1:], row, strict=True):
            assert _same(value, wanted), (text, value, wanted)
