"""The lexer takes any text as the engine's own lexer does, in linear time, and what is built on it never fails."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise, takewhile
from typing import Any

import msgspec
from tests.engine.shared import shared_engine
from tests.fuzz.mutation import STARTERS, TESTS, Mutation, texts
from tests.fuzz.running import fuzz

from stonechat.engine.contract import EngineFailure, Query
from stonechat.sql.leftmost import fed_by_table, leftmost
from stonechat.sql.quoting import parameter_text
from stonechat.sql.references import References, SeveralStatements, UnreadableStatement, classify, tree_of
from stonechat.sql.resolving import uses_of
from stonechat.sql.skeletons import plain_skeleton, skeleton
from stonechat.sql.statements import Token, TokenKind, tokens, words_of
from stonechat.sql.tables import table_names
from stonechat.sql.tree_scopes import scopes_of_tree
from stonechat.sql.with_clauses import with_clause

_PIECES = r"""
SELECT FROM WITH RECURSIVE AS UNION ALL DISTINCT EXCEPT INTERSECT JOIN ON USING IN GLOBAL ARRAY WHERE PREWHERE GROUP BY
ORDER LIMIT SETTINGS FORMAT FINAL SAMPLE t u messages events a b x'41' b'01' `q` "r" “v” 's' '' \' \\ ` " ' “ ”
$$ $$ $a$ $a $ -- # #! // /* */ /*/ 1 1_0 0x1f 0b01 1.5 .5 1e5 1e 2024_t . .. ( ) [ ] { } {p:Identifier} , ; ; :: ->
"""
_MUTATION = Mutation(
    texts(TESTS / "sql" / "corpus", TESTS / "http" / "corpus_sql", STARTERS, suffixes=[".sql", ".txt", ".pipe"]),
    [*_PIECES.split(), "\u2018", "\u2019", "\u2018s\u2019", "\u2212", "\u200b"],
)
_DEFINITIONS = [("k y", "SELECT 7 AS a -- seven"), ("m", "SELECT a + 1 AS a FROM `k y` ; -- eight\n;")]
_KINDS = {
    "Whitespace": TokenKind.SPACE,
    "Comment": TokenKind.COMMENT,
    "StringLiteral": TokenKind.STRING,
    "HereDoc": TokenKind.STRING,
    "QuotedIdentifier": TokenKind.QUOTED,
    "BareWord": TokenKind.WORD,
}
_COMPARED = frozenset(_KINDS.values())
_BATCH = 100
# The engine's parser takes many times as long as everything else here: it gets one input of so many.
_PARSER_SHARE = 10


def _texts(chance: random.Random) -> list[str]:
    """Many at once: asking the engine costs more than what is asked."""
    return [_MUTATION(chance) for _ in range(_BATCH)]


def test_any_text_has_tokens_names_and_room_for_definitions() -> None:
    fuzz(_MUTATION, _check)


def test_tokens_are_what_the_engine_takes_them_for() -> None:
    fuzz(_texts, _compare, inputs_at_once=_BATCH)


def test_every_table_that_a_statement_reads_is_among_its_table_names() -> None:
    fuzz(_MUTATION, _names, inputs_at_once=_PARSER_SHARE)


def test_statements_of_one_plain_skeleton_name_the_same() -> None:
    fuzz(_MUTATION, _alike, inputs_at_once=_PARSER_SHARE)


def _check(text: str) -> None:
    listed = list(tokens(text))
    assert "".join(token.text for token in listed) == text
    assert all(token.start == before.start + len(before.text) for before, token in pairwise(listed))
    words_of(text)
    table_names(text)
    skeleton(text)
    for table in leftmost(text).united_tables:
        fed_by_table(text, table)
    assert with_clause([], text) == text.rstrip() or ";" in text
    with_clause(_DEFINITIONS, text)


def _compare(several: list[str]) -> None:
    # A line break behind each: the last character of a text is special to the engine in numbers.
    written = [text.encode("utf-8", "replace").decode() + "\n" for text in several]
    statement = "SELECT tokenizeQuery(arrayJoin({texts:Array(String)})) AS tokens"
    query = Query(statement, "default", "JSONEachRow", {"texts": parameter_text(written)})
    answer = shared_engine().query(query).data.splitlines()
    for text, line in zip(written, answer, strict=True):
        theirs, end = _engine_tokens(text, msgspec.json.decode(line)["tokens"])
        listed = list(tokens(text))
        if not _has_numbers_after_dots(listed):
            ours = list(takewhile(lambda token: token.start + len(token.text) <= end, listed))  # noqa: B023 - used at once
            assert [(t.kind, t.text) for t in _merged(ours)] == theirs, text


def _engine_tokens(text: str, listed: list[dict[str, Any]]) -> tuple[list[tuple[TokenKind, str]], int]:
    """What the engine makes of the text up to the first fault, and where, in characters, that is."""
    raw = text.encode()
    sound = list(takewhile(lambda token: not token["type"].startswith("Error"), listed))
    end = len(raw[: sound[-1]["end"]].decode()) if sound else 0
    found = [
        Token(_KINDS.get(token["type"], TokenKind.PUNCTUATION), raw[token["begin"] : token["end"]].decode(), 0)
        for token in sound
    ]
    return [(token.kind, token.text) for token in _merged(found)], end


def _merged(listed: list[Token]) -> Iterator[Token]:
    """Without numbers and punctuation, adjacent spaces as one."""
    before: Token | None = None
    for token in listed:
        if before is not None and token.kind is before.kind is TokenKind.SPACE:
            before = Token(token.kind, before.text + token.text, 0)
            continue
        if before is not None and before.kind in _COMPARED:
            yield before
        before = token
    if before is not None and before.kind in _COMPARED:
        yield before


def _has_numbers_after_dots(listed: list[Token]) -> bool:
    """Whether a number meets a dot: which of both it belongs to depends, for the engine, on what stands before."""
    meant = [token.text for token in listed if token.kind not in {TokenKind.SPACE, TokenKind.COMMENT}]
    return any("." in text and (following[0].isdigit() or text[0] == ".") for text, following in pairwise(meant))


def _names(text: str) -> None:
    try:
        tree = tree_of(text, shared_engine().explain)
    except (UnreadableStatement, SeveralStatements, EngineFailure):
        return
    if tree["type"] == "SelectWithUnionQuery":
        scopes = scopes_of_tree(tree).scopes
        uses = uses_of(scopes)
        assert {named.name for named in scopes.named if named.index in uses.tables} <= table_names(text)


def _alike(text: str) -> None:
    shape = plain_skeleton(text)
    if shape is not None and shape != text:
        assert _reading(text) == _reading(shape)


def _reading(text: str) -> References | None:
    """What a statement names; None for what is no statement, which numbers that are too large make of some."""
    try:
        return classify(text, shared_engine().explain)
    except (UnreadableStatement, SeveralStatements, EngineFailure):
        return None
