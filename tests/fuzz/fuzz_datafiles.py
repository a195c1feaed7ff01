"""No text makes the reader of datafiles, of types or the formatter fail; a formatted file says the same, and stays."""

from __future__ import annotations

import random
import re

from tests.fuzz.mutation import STARTERS, TESTS, Mutation, texts
from tests.fuzz.running import fuzz

from stonechat.datafile.formatting import formatted
from stonechat.datafile.problems import InvalidDatafile
from stonechat.datafile.reading import read_datafile
from stonechat.sql.types import InvalidType, parse_type

_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_KINDS = (".datasource", ".pipe", ".connection")
_FOLDERS = (TESTS / "datafile", TESTS / "project" / "corpus", STARTERS)
_PIECES = """
SCHEMA DESCRIPTION NODE SQL TYPE ENDPOINT MATERIALIZED COPY SINK DATASOURCE TARGET_DATASOURCE ENGINE TOKEN TAGS INDEXES
ENGINE_SORTING_KEY ENGINE_PARTITION_KEY ENGINE_TTL ENGINE_VER ENGINE_SETTINGS MergeTree ReplacingMergeTree KAFKA_TOPIC
IMPORT_SCHEDULE @on-demand @auto COPY_SCHEDULE COPY_MODE FORWARD_QUERY SHARED_WITH INCLUDE VERSION ` json:$. [:] --
/* */ # > >\n \n \n\n DEFAULT CODEC TTL ZSTD(1) Nullable( LowCardinality( Array( Map( Enum8('a'=1)
DateTime64(3,'UTC') ' ''
\\' toDate(t) tuple() % {{ }} {% if end %} tb_secret("a","b") granularity minmax READ APPEND test_token FROM SELECT * \t
""".replace("\\n", "\n").split(" ")
_TYPES = """
Array( Nullable( LowCardinality( Map( Tuple( Nested( Variant( JSON( Dynamic Enum8( Enum16( Enum( AggregateFunction(
SimpleAggregateFunction( FixedString( Decimal( Decimal64( DateTime64( DateTime( String UInt8 Int256 varchar double
precision unsigned ) ) ) ) , , 'a' = 1 -1 3 76 10 'UTC' a b `c` quantiles(0.5) sum max_dynamic_paths=5 SKIP REGEXP
"""
_SUFFIX_SHARES = (_KINDS[0], _KINDS[0], _KINDS[1], _KINDS[1], _KINDS[2])

_CORPUS = {kind: texts(*_FOLDERS, suffixes=[kind]) for kind in _KINDS}
_MUTATIONS = {kind: Mutation(corpus, _PIECES) for kind, corpus in _CORPUS.items()}
_TYPE = Mutation(
    [
        *("Array(Nullable(DateTime64(3, 'UTC')))", "Map(LowCardinality(String), Tuple(a UInt8, `b c` Array(Int64)))"),
        *("Enum8('a' = 1, 'b\\'c' = -2)", "AggregateFunction(quantiles(0.5, 0.9), Nullable(Float64), UInt8)"),
        *("SimpleAggregateFunction(sum, Decimal(38, 10))", "JSON(max_dynamic_paths=8, a.b UInt32, SKIP x)", "Point"),
        *("Nested(x UInt8, y Array(Array(FixedString(16))))", "Variant(String, Array(UInt8))", "double precision"),
    ],
    _TYPES.split(),
)


def _datafile(chance: random.Random) -> tuple[str, str]:
    kind = chance.choice(_SUFFIX_SHARES)
    return f"fuzzed{kind}", _MUTATIONS[kind](chance)


def test_every_text_is_a_datafile_or_has_problems_at_their_places() -> None:
    fuzz(_datafile, lambda case: _read(*case))


def test_what_can_be_formatted_says_the_same_and_stays() -> None:
    fuzz(_datafile, lambda case: _format(*case))


def test_every_text_is_a_type_or_has_a_fault_at_its_place() -> None:
    fuzz(_TYPE, _parse_type)


def _read(path: str, text: str) -> None:
    try:
        read_datafile(path, text)
    except InvalidDatafile as refusal:
        problems = refusal.problems
    else:
        return
    assert problems
    for problem in problems:
        assert problem.explanation()
        assert problem.position is not None
        assert 1 <= problem.position.line <= len(_LINE_ENDS.findall(text)) + 1
        assert problem.position.column >= 1


def _format(path: str, text: str) -> None:
    try:
        once = formatted(path, text)
    except InvalidDatafile:
        return
    assert formatted(path, once) == once
    assert read_datafile(path, once) == read_datafile(path, text)


def _parse_type(text: str) -> None:
    try:
        parsed = parse_type(text)
    except InvalidType as refusal:
        offset = refusal.offset
    else:
        assert parse_type(str(parsed)) == parsed
        return
    assert 0 <= offset <= len(text)
