"""A type fits another if no value changes on the way, which the engine is asked about."""

from __future__ import annotations

import pytest
from tests.engine.shared import shared_engine

from stonechat.engine.contract import EngineFailure
from stonechat.sql.conversions import fits
from stonechat.sql.quoting import literal

_FITTING = [
    ("UInt8", "UInt64", "255"),
    ("UInt32", "Int64", "4294967295"),
    ("Int8", "Int256", "-128"),
    ("UInt64", "Nullable(UInt64)", "18446744073709551615"),
    ("Int32", "Float64", "-2147483648"),
    ("UInt16", "Float32", "65535"),
    ("Float32", "Float64", "0.1"),
    ("Bool", "UInt8", "true"),
    ("String", "LowCardinality(String)", "'ü'"),
    ("LowCardinality(Nullable(String))", "Nullable(String)", "NULL"),
    ("FixedString(3)", "String", "'abc'"),
    ("Enum8('a' = 1, 'ü' = 2)", "String", "'ü'"),
    ("Date", "Date32", "'2149-06-06'"),
    ("Date", "DateTime", "'2100-01-01'"),
    ("DateTime", "DateTime('Europe/Berlin')", "'2106-02-07 06:28:15'"),
    ("DateTime('Asia/Tokyo')", "DateTime64(3)", "'2001-01-01 00:00:00'"),
    ("DateTime64(3)", "DateTime64(6, 'UTC')", "'2001-01-01 00:00:00.123'"),
    ("Decimal(9, 2)", "Decimal(18, 4)", "1234567.89"),
    ("Array(UInt8)", "Array(Nullable(UInt16))", "[255]"),
    ("Map(String, UInt8)", "Map(String, UInt64)", "map('a', 255)"),
    ("Tuple(a UInt8, b String)", "Tuple(a UInt64, b String)", "(255, 'x')"),
]
_NOT_FITTING = [
    ("UInt64", "UInt32"),
    ("UInt64", "Int64"),
    ("Int8", "UInt64"),
    ("UInt32", "Int32"),
    ("Nullable(String)", "String"),
    ("Int64", "Float64"),
    ("Float64", "Float32"),
    ("Float64", "Decimal(18, 4)"),
    ("String", "UInt8"),
    ("DateTime64(3)", "DateTime"),
    ("DateTime64(6)", "DateTime64(3)"),
    ("DateTime", "Date"),
    ("Decimal(18, 4)", "Decimal(18, 2)"),
    ("Decimal(18, 2)", "Decimal(18, 4)"),
    ("Array(UInt64)", "Array(UInt8)"),
    ("Tuple(UInt8, UInt8)", "Tuple(UInt8)"),
    ("AggregateFunction(sum, UInt64)", "AggregateFunction(max, UInt64)"),
    ("AggregateFunction(sum, UInt64)", "UInt64"),
]


@pytest.mark.parametrize(("given", "stored", "value"), _FITTING)
def test_a_type_that_fits_keeps_its_values(given: str, stored: str, value: str) -> None:
    assert fits(given, stored)
    back = f"CAST(CAST(CAST({value}, {literal(given)}), {literal(stored)}), {literal(given)})"
    statement = f"SELECT {back} IS NOT DISTINCT FROM CAST({value}, {literal(given)}) AS same"
    assert shared_engine().fetch(statement) == [{"same": 1}]


@pytest.mark.parametrize(("given", "stored"), _NOT_FITTING)
def test_a_type_that_may_lose_something_does_not_fit(given: str, stored: str) -> None:
    assert not fits(given, stored)


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        ("Date", "soon"),
        ("DateTime", "never"),
        ("DateTime64(3)", ""),
        ("UUID", "1"),
        ("IPv4", "1.2.3.400"),
        ("Enum8('a' = 1)", "b"),
        ("FixedString(3)", "abcd"),
    ],
)
def test_a_text_that_is_no_value_of_the_type_is_refused_by_the_engine(stored: str, value: str) -> None:
    assert fits("String", stored)
    with pytest.raises(EngineFailure):
        shared_engine().fetch(f"SELECT toString(CAST({literal(value)}, {literal(stored)})) AS x")


def test_what_stores_alike_fits_both_ways() -> None:
    alike = ["String", "LowCardinality(String)", "SimpleAggregateFunction(any, String)"]
    assert all(fits(one, other) for one in alike for other in alike)
    assert fits("Nullable(Nothing)", "Nullable(Date)")
    assert fits("Array(Nothing)", "Array(Date)")
    assert fits("AggregateFunction(uniq, String)", "AggregateFunction(uniq, String)")
