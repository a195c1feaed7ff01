from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.shared import shared_engine

from stonechat.engine.contract import EngineFailure, Query
from stonechat.sql.references import classify
from stonechat.sql.statements import (
    TokenKind,
    meaningful_tokens,
    tokens,
    without_format_clause,
    words_of,
)
from stonechat.sql.tables import table_names
from stonechat.sql.with_clauses import with_clause

DEFINITIONS = [("k y", "SELECT 7 AS a -- seven"), ("m", "SELECT a + 1 AS a FROM `k y` ; -- eight\n;")]


def answer(statement: str) -> str:
    return shared_engine().query(Query(statement, "default", "TSV")).data.decode()


@given(st.text() | st.text(alphabet="'\"`$-/*#\\\n a1.;()"))
def test_any_text_has_tokens_which_are_the_text(text: str) -> None:
    found = list(tokens(text))
    assert "".join(token.text for token in found) == text
    assert all(text[token.start :].startswith(token.text) for token in found)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-- a 'b'", TokenKind.COMMENT),
        ("# a", TokenKind.COMMENT),
        ("#! a", TokenKind.COMMENT),
        ("// a", TokenKind.COMMENT),
        ("/* a /* b */ c */", TokenKind.COMMENT),
        ("/* a /* b */", TokenKind.UNFINISHED),
        ("\u180e\u200b\ufeff\xa0", TokenKind.SPACE),
        ("'a''b\\'c\n'", TokenKind.STRING),
        ("$$ 'a' $ $$", TokenKind.STRING),
        ("$x$ $$ $y$ $x$", TokenKind.STRING),
        ("\u2018a'\\b\u2018\u2019", TokenKind.STRING),
        ("x'41'", TokenKind.STRING),
        ("“a\\”", TokenKind.QUOTED),
        ("“open", TokenKind.UNFINISHED),
        ("`a``b\\`c`", TokenKind.QUOTED),
        ('"a""b"', TokenKind.QUOTED),
        ("0xFf_0", TokenKind.NUMBER),
        ("1_000.5e-3", TokenKind.NUMBER),
        (".5", TokenKind.NUMBER),
        ("naive_1$x", TokenKind.WORD),
        ("2024_events", TokenKind.WORD),
        ("$x$", TokenKind.WORD),
        ("'open", TokenKind.UNFINISHED),
        ("/* open", TokenKind.UNFINISHED),
    ],
)
def test_a_token_is_what_the_engine_takes_it_for(text: str, kind: TokenKind) -> None:
    (token,) = tokens(text)
    assert token.kind is kind


@pytest.mark.parametrize(
    "quoted", [r"`a\qb\%\`\xc3\xa9\e\N\/\\``''`", r'''"a\tb\"""``\'"''', "“a\\n\u2018`b”", "`a``b`", '"é""b"']
)
def test_a_quoted_name_is_what_the_engine_takes_it_for(quoted: str) -> None:
    (token,) = tokens(quoted)
    query = Query(f"SELECT 1 AS {quoted}", "default", "JSONCompactEachRowWithNames")
    (name,) = msgspec.json.decode(shared_engine().query(query).data.splitlines()[0])
    assert token.name == name


@pytest.mark.parametrize("opening", ["$a{} ", "$a{}$ ", "\u2018{}", "/*{}", "'{}", "`{} ", "$${}"])
def test_what_is_never_closed_costs_no_time(opening: str) -> None:
    statement = "".join(opening.format(number) for number in range(50_000))
    started = time.process_time()
    assert sum(1 for _ in tokens(statement)) >= 1
    table_names(statement)
    assert time.process_time() - started < 5


def test_meaningful_tokens_know_where_they_stand() -> None:
    found = [(token.text, token.start) for token in meaningful_tokens("a /* b */ , -- c\n d")]
    assert found == [("a", 0), (",", 10), ("d", 18)]


def test_words_are_names_outside_strings_and_comments() -> None:
    statement = "SELECT a.b, `c d`, \"e``f\", 'g', $$h$$ -- i\n/* j */ FROM `k\\`l` WHERE m=1e5"
    assert words_of(statement) == {"SELECT", "a", "b", "c d", "e``f", "FROM", "k`l", "WHERE", "m"}


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT a FROM m -- x\n;", "8\n"),
        ("-- x\n/* y */ SELECT a FROM m /* z */", "8\n"),
        ("FROM m SELECT a", "8\n"),
        ("(SELECT a FROM m)", "8\n"),
        ("((SELECT a FROM m) UNION ALL WITH d AS (SELECT 1 AS a) SELECT m.a + d.a FROM m, d)", "8\n9\n"),
        ("SELECT a FROM m UNION ALL (SELECT a FROM m) UNION ALL SELECT 1", "8\n8\n1\n"),
        ("SELECT a FROM m EXCEPT (WITH 1 AS one SELECT a + one FROM `k y` UNION ALL SELECT a FROM m)", ""),
        ("-- x\nWITH z AS (SELECT a FROM m) SELECT a FROM z", "8\n"),
        ("with/**/z as (SELECT a FROM m UNION ALL WITH 1 AS a SELECT a) SELECT a FROM z", "8\n1\n"),
        ("WITH 3 AS three SELECT a + three FROM m", "11\n"),
        ("WITH RECURSIVE r AS (SELECT a FROM m UNION ALL SELECT a + 1 FROM r WHERE a < 9) SELECT a FROM r", "8\n9\n"),
        ("SELECT * EXCEPT (b) FROM (SELECT a, 1 AS b FROM m)", "8\n"),
        ("SELECT a FROM (WITH m AS (SELECT 5 AS a) SELECT a FROM m)", "5\n"),
        ("SELECT 'WITH x' AS s, a FROM m ORDER BY a LIMIT 1 FORMAT CSV", '"WITH x",8\n'),
    ],
)
def test_a_statement_sees_the_definitions_put_in_front_of_it(statement: str, rows: str) -> None:
    lines = answer(with_clause(DEFINITIONS, statement)).splitlines(keepends=True)
    assert sorted(lines) == sorted(rows.splitlines(keepends=True))
    assert {(None, "m"), (None, "k y")}.isdisjoint(
        classify(with_clause(DEFINITIONS, statement), shared_engine().explain).tables
    )


def test_without_definitions_only_closing_semicolons_go() -> None:
    assert with_clause([], "SELECT ';' -- a;\n ; ;; ") == "SELECT ';' -- a;"
    assert with_clause([], "") == ""


def test_a_definition_cannot_close_its_parenthesis_with_a_comment() -> None:
    statement = with_clause([("a", "SELECT 1 AS x -- )")], "SELECT x FROM a")
    assert statement == "WITH\n`a` AS (\nSELECT 1 AS x -- )\n)\nSELECT x FROM a"
    assert answer(statement) == "1\n"


def test_what_is_no_statement_stays_none() -> None:
    for text in ("", ")", "((", "SELECT 'open", "WITH"):
        with pytest.raises(EngineFailure):
            answer(with_clause(DEFINITIONS, text))


@pytest.mark.parametrize(
    ("statement", "without"),
    [
        ("SELECT 1 FORMAT JSON", "SELECT 1 "),
        ("SELECT 1 FORMAT JSON;  -- FORMAT CSV", "SELECT 1 ;  -- FORMAT CSV"),
        ("SELECT a AS format FROM t ORDER BY format format csv", "SELECT a AS format FROM t ORDER BY format "),
        ("SELECT (1) Format CSV SETTINGS final = 1", "SELECT (1)  SETTINGS final = 1"),
        ("SELECT 1 SETTINGS final = 1 FORMAT CSV", "SELECT 1 SETTINGS final = 1 "),
    ],
)
def test_a_format_at_the_end_goes(statement: str, without: str) -> None:
    assert without_format_clause(statement) == without


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT format('{}', 1)",
        "SELECT 1 AS format FROM t FINAL",
        "SELECT 1 FROM format final",
        "SELECT a FROM t AS format FINAL",
        "SELECT a FROM t ORDER BY format DESC",
        "SELECT a FROM t ORDER BY 2 * format DESC, format ASC",
        "SELECT a FROM t ORDER BY NOT format DESC",
        "SELECT CASE WHEN a THEN 1 ELSE format END",
        "SELECT a, format f",
        "SELECT 'FORMAT JSON'",
        "SELECT 1 -- FORMAT JSON",
        "SELECT format",
        "SELECT * FROM (SELECT 1 FORMAT JSON)",
    ],
)
def test_a_name_is_no_format(statement: str) -> None:
    assert without_format_clause(statement) == statement
