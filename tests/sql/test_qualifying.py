"""Tables get their database where a statement names them, and nowhere else.

A case of the corpus is a statement, a line `---`, and the statement as it must be with `m`, `n`, `odd name` and
`settings` in the database `d5`, `d6` in the place of the database `tinybird`, and `d7` in that of `origin` where its
table is `visits`. The engine's own parser is the judge:
no table that it names without a database may be one of these afterwards, and all others must be as they were.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.shared import shared_engine

from stonechat.sql import qualifying
from stonechat.sql.qualifying import Placing
from stonechat.sql.references import classify

_CASES = sorted((Path(__file__).parent / "corpus" / "qualifying").glob("*.sql"))
_PLACING = Placing(
    dict.fromkeys(("m", "n", "odd name", "settings"), "d5"),
    frozenset({"n"}),
    {"tinybird": "d6"},
    {("origin", "visits"): "d7"},
)


@pytest.mark.parametrize("path", _CASES, ids=lambda path: path.stem)
def test_a_case_of_the_corpus(path: Path) -> None:
    statement, expected = path.read_text().split("\n---\n")
    placed = _PLACING.apply(statement)
    assert placed == expected.rstrip("\n")
    named = classify(statement, shared_engine().explain).tables
    before = {("d6" if database == "tinybird" else database, name) for database, name in named}
    # Behind IN, an alias comes before a table to the engine, and not to its parser.
    if "AS origin" not in statement:
        before = {
            ("d7", name) if (database, name) == ("origin", "visits") else (database, name) for database, name in before
        }
    after = classify(placed, shared_engine().explain).tables
    moved = {(None, name) for database, name in after if database == "d5"}
    # A column after IN is a table to the parser, which does not know columns.
    assert after - {(None, "n")} == (before - moved - {(None, "n")}) | {("d5", name) for _, name in moved}


def test_the_table_is_told_from_a_definition_of_its_name_that_reads_it_through_another() -> None:
    placed = _PLACING.apply("WITH raw AS (SELECT * FROM m), m AS (SELECT * FROM raw) SELECT * FROM m")
    assert placed == "WITH raw AS (SELECT * FROM `d5`.m), m AS (SELECT * FROM raw) SELECT * FROM m"


def test_definitions_become_sub_queries_where_a_name_is_a_table_and_a_definition() -> None:
    placed = _PLACING.apply("WITH n AS (SELECT * FROM m), m AS (SELECT 'a' FROM n) SELECT 'b' FROM m x, n, m")
    # What the WITH defines is not used any more.
    definitions = "WITH `n 3` AS (SELECT * FROM `d5`.m), `m 12` AS (SELECT 'a' FROM `d5`.n) "
    assert placed == definitions + (
        "SELECT 'b' FROM (SELECT 'a' FROM (SELECT * FROM `d5`.m\n) AS `n`\n) x,"
        " (SELECT * FROM (SELECT 'a' FROM `d5`.n\n) AS `m`\n) AS `n`,"
        " (SELECT 'a' FROM (SELECT * FROM `d5`.m\n) AS `n`\n) AS `m`"
    )


def test_a_definition_takes_no_place_of_a_table_that_has_not_moved() -> None:
    placed = _PLACING.apply("WITH u AS (SELECT * FROM u, m), m AS (SELECT * FROM m, u) SELECT * FROM u, m")
    assert "(SELECT * FROM u, (SELECT * FROM `d5`.m, u\n) AS `m`\n) AS `u`" in placed
    assert " u AS (" not in placed


def test_an_alias_counts_where_a_definition_is_used() -> None:
    # The engine's parser, which judges the corpus, does not look there; the engine does.
    placed = _PLACING.apply(
        "WITH a AS (SELECT one FROM t WHERE one IN m), b AS (SELECT [1] AS m FROM a),"
        " c AS (SELECT one FROM t WHERE one IN m) SELECT * FROM b, c"
    )
    assert placed == (
        "WITH a AS (SELECT one FROM t WHERE one IN m), b AS (SELECT [1] AS m FROM a),"
        " c AS (SELECT one FROM t WHERE one IN `d5`.m) SELECT * FROM b, c"
    )


def test_a_statement_that_names_none_of_the_tables_is_left_alone() -> None:
    statement = "SELECT 1 FROM t"
    assert _PLACING.apply(statement) is statement
    assert Placing().apply("SELECT 1 FROM m") == "SELECT 1 FROM m"


def test_calls_that_differ_in_their_strings_are_looked_through_once() -> None:
    before = qualifying._remembered.cache_info()
    for value in ("x", "y; FROM m", "ü", ""):
        assert _PLACING.apply(f"SELECT 7 FROM m WHERE a = '{value}'") == f"SELECT 7 FROM `d5`.m WHERE a = '{value}'"
    after = qualifying._remembered.cache_info()
    assert after.misses - before.misses == 1


@pytest.mark.parametrize(
    "statement", ["SELECT '\0' FROM m", "SELECT 'a\0b', 'c' FROM m", "FROM m '", "(((m", ")) FROM m"]
)
def test_odd_text_is_kept_whole(statement: str) -> None:
    assert _PLACING.apply(statement).replace("`d5`.", "") == statement
