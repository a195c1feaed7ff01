"""Column types: text to a tree and back, in the spelling of the engine itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sql.conftest import Ask

from stonechat.sql.quoting import literal
from stonechat.sql.types import MAXIMUM_DEPTH, DataType, InvalidType, NamedType, parse_type

CANONICAL = [
    "String",
    "FixedString(16)",
    "UUID",
    "Int8",
    "UInt256",
    "Float64",
    "Decimal(18, 4)",
    "Bool",
    "Date32",
    "DateTime",
    "DateTime('Europe/Madrid')",
    "DateTime64(3)",
    "DateTime64(6, 'UTC')",
    "IPv6",
    "Enum8('b\\'s' = -2, 'a' = 1)",
    "Array(Nullable(DateTime64(3, 'UTC')))",
    "Map(LowCardinality(String), Array(UInt8))",
    "LowCardinality(Nullable(String))",
    "Nullable(Decimal(10, 0))",
    "AggregateFunction(uniqExact, String)",
    "AggregateFunction(quantiles(0.5, 0.9), Float64)",
    "AggregateFunction(argMax, String, DateTime64(3, 'UTC'))",
    "AggregateFunction(count)",
    "AggregateFunction(1, sumMap, Array(String), Array(UInt8))",
    "SimpleAggregateFunction(sum, UInt64)",
    "SimpleAggregateFunction(groupArrayArray(3), Array(String))",
    "Tuple(Int8, String)",
    "Variant(Array(String), UInt8)",
    "JSON",
    "Point",
]

OTHER_SPELLINGS = {
    "Array(Int)": "Array(Int32)",
    "varchar(10)": "String",
    "INT": "Int32",
    "bigint": "Int64",
    "datetime( 'UTC' )": "DateTime('UTC')",
    "DECIMAL(10,2)": "Decimal(10, 2)",
    "Decimal": "Decimal(10, 0)",
    "numeric(5)": "Decimal(5, 0)",
    "Map(String,Array( UInt8 ))": "Map(String, Array(UInt8))",
    "Enum8('a'=1,'b' = 2)": "Enum8('a' = 1, 'b' = 2)",
    "AggregateFunction(quantiles(0.5,0.9),Float64)": "AggregateFunction(quantiles(0.5, 0.9), Float64)",
    "DateTime()": "DateTime",
}

REFUSED = [
    ("", 0, "Expected a type"),
    ("Strin", 0, "Unknown data type family: Strin"),
    ("Array(Foo)", 6, "Unknown data type family: Foo"),
    ("Nullable(boolean)", 9, "Boolean is not supported"),
    ("Int", 0, "Int needs a width"),
    ("UInt", 0, "UInt needs a width"),
    ("Array(UInt)", 6, "UInt needs a width"),
    ("DateTime64", 0, "DateTime64 needs a precision"),
    ("DateTime64(12)", 11, "DateTime64 does not take 12"),
    ("DateTime(UTC)", 9, "DateTime does not take UTC"),
    ("FixedString(0)", 12, "FixedString does not take 0"),
    ("FixedString", 0, "FixedString takes 1 argument"),
    ("Enum8", 0, "Enum8 takes at least 1 argument"),
    ("Enum8(a = 1)", 6, "Enum8 does not take a = 1"),
    ("Map(String)", 0, "Map takes 2 arguments"),
    ("UInt8(3)", 0, "UInt8 takes no arguments"),
    ("Decimal(1, 2, 3)", 0, "Decimal takes 0 to 2 arguments"),
    ("SimpleAggregateFunction(sum)", 0, "SimpleAggregateFunction takes at least 2 arguments"),
    ("Nullable(Array(String))", 9, "Nested type Array(String) cannot be inside Nullable type"),
    ("LowCardinality(Nullable(Map(UInt8, UInt8)))", 24, "Nested type Map(UInt8, UInt8) cannot be inside Nullable type"),
    ("LowCardinality(Array(String))", 15, "Nested type Array(String) cannot be inside LowCardinality type"),
    ("Array(String", 5, "Expected closing )"),
    ("Array(", 5, "Expected closing )"),
    ("Array(String,)", 13, "Expected a type, found ')'"),
    ("Array(String]", 12, "Unexpected ']'"),
    ("DateTime('UTC)", 9, "Expected closing '"),
    ("Enum8()", 0, "Enum8 takes at least 1 argument"),
    ("Enum8('a',)", 10, "Expected an argument"),
    ("String String", 7, "Unexpected 'String' after the type"),
]


@pytest.mark.parametrize("text", CANONICAL)
def test_canonical_spelling_is_kept_and_is_the_engines_own(ask: Ask, text: str) -> None:
    assert str(parse_type(text)) == text
    assert _engine_spelling(ask, text) == text


@pytest.mark.parametrize(("text", "canonical"), OTHER_SPELLINGS.items())
def test_other_spellings_become_the_engines_own(ask: Ask, text: str, canonical: str) -> None:
    assert str(parse_type(text)) == canonical
    assert _engine_spelling(ask, text) == canonical


@pytest.mark.parametrize(("text", "offset", "message"), REFUSED)
def test_what_is_no_type_is_refused_at_its_place(text: str, offset: int, message: str) -> None:
    with pytest.raises(InvalidType) as caught:
        parse_type(text)
    assert (caught.value.offset, caught.value.message) == (offset, message)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Boolean", "Use Bool or UInt8"),
        ("DateTime64", "Use DateTime64(3)"),
        ("UInt", "Use one of UInt8, UInt16, UInt32, UInt64, UInt128, UInt256"),
        ("Strng", "Did you mean String?"),
        ("Xyzzy", None),
    ],
)
def test_hint_says_what_to_write(text: str, hint: str | None) -> None:
    with pytest.raises(InvalidType) as caught:
        parse_type(text)
    assert caught.value.hint == hint


def test_every_family_of_the_engine_is_known(ask: Ask) -> None:
    row = ask("""
        SELECT
            groupArrayIf(name, NOT case_insensitive) AS exact,
            groupArrayIf(lower(name), case_insensitive) AS in_any_case
        FROM system.data_type_families
        WHERE name NOT LIKE '% %' AND lower(name) != 'boolean' AND alias_to != 'Geometry'
    """)
    assert [name for name in [*row["exact"], *row["in_any_case"]] if _is_unknown(name)] == []


def test_named_elements_keep_their_names() -> None:
    parsed = parse_type(r"Tuple(x Int8, `y z` Array(Tuple(`a\`b\n` String)))")
    inner = NamedType("a`b\n", DataType("String"))
    array = DataType("Array", (DataType("Tuple", (inner,)),))
    assert parsed == DataType("Tuple", (NamedType("x", DataType("Int8")), NamedType("y z", array)))
    assert parse_type(str(parsed)) == parsed


def test_json_hints_stay_as_written() -> None:
    text = "JSON(max_dynamic_paths = 3, a.b UInt32, SKIP c, SKIP REGEXP '^d')"
    assert str(parse_type(text)) == text


def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> str:
        return "Array(" * (depth - 1) + "UInt8" + ")" * (depth - 1)

    assert str(parse_type(nested(MAXIMUM_DEPTH))) == nested(MAXIMUM_DEPTH)
    for depth in (MAXIMUM_DEPTH + 1, 100_000):
        with pytest.raises(InvalidType, match="nest at most"):
            parse_type(nested(depth))


_LEAVES = st.sampled_from([*map(DataType, ["String", "UInt8", "Date"]), DataType("DateTime64", ("3", "'UTC'"))])
_NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


def _composites(inner: st.SearchStrategy[DataType]) -> st.SearchStrategy[DataType]:
    named = st.builds(NamedType, _NAMES, inner)
    return st.one_of(
        inner.map(lambda item: DataType("Array", (item,))),
        st.tuples(inner, inner).map(lambda pair: DataType("Map", pair)),
        st.lists(named, min_size=1, max_size=3).map(lambda items: DataType("Tuple", tuple(items))),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: DataType("Tuple", tuple(items))),
        inner.map(lambda item: DataType("AggregateFunction", ("argMax", item, DataType("DateTime")))),
    )


@given(st.recursive(_LEAVES, _composites, max_leaves=10))
def test_printed_type_reads_back_equal(data_type: DataType) -> None:
    assert parse_type(str(data_type)) == data_type


_PIECES = st.sampled_from(
    "Array( Map( Tuple( Enum8( JSON( DateTime( AggregateFunction( ) ( [ ] , = . - "  # noqa: SIM905 - a list of words
    "String UInt8 a 1 0.5 'x' `y` ' ` \\".split()
)


@given(st.one_of(st.text(max_size=40), st.lists(_PIECES, max_size=15).map(" ".join)))
def test_any_text_is_a_type_or_refused_inside_itself(text: str) -> None:
    try:
        parsed = parse_type(text)
    except InvalidType as error:
        offset = error.offset
    else:
        offset = 0
        assert parse_type(str(parsed)) == parsed
    assert 0 <= offset <= len(text)


def _engine_spelling(ask: Ask, text: str) -> str:
    return str(ask(f"SELECT toTypeName(defaultValueOfTypeName({literal(text)})) AS name")["name"])


def _is_unknown(name: str) -> bool:
    try:
        parse_type(name)
    except InvalidType as error:
        return "Unknown" in error.message
    return False
