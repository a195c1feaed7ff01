"""Statements that differ in values alone have one skeleton, and others do not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.shared import shared_engine

from stonechat.sql.references import References, SeveralStatements, UnreadableStatement, classify
from stonechat.sql.skeletons import plain_skeleton, skeleton
from stonechat.sql.statements import TokenKind, tokens

_MARKS = ["'", "''", "\\'", "\\", "`", '"', "--", "/*", "*/", "//", "# ", "#", "$", "$$", "\u2018", "\u2019", "“", "”"]
_PIECES = st.sampled_from([*_MARKS, "x'", "X'61'", "b'", "a", "'a'", "t", " ", "\n", "1", "-", "/", "{p:String}", ";"])
_TEXTS = st.lists(_PIECES, max_size=12).map("".join)
_VALUES = st.text(st.sampled_from('ab 1.-/*;`"“\u2018é{}$#'), max_size=8)


@given(_TEXTS)
def test_a_skeleton_leaves_out_what_is_in_strings_and_nothing_else(text: str) -> None:
    listed = list(tokens(text))
    after = list(tokens(skeleton(text)))
    if any(token.kind is TokenKind.UNFINISHED for token in listed):
        return
    plain = [token for token in listed if token.kind is not TokenKind.STRING]
    assert [token.text for token in after if token.kind is not TokenKind.STRING] == [token.text for token in plain]
    assert len(after) == len(listed)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'a' -- 'b'",
        "SELECT /* ' */ 1",
        "SELECT `a'b`, 1",
        'SELECT "a\'b"',
        "SELECT 'a\\'b'",
        "SELECT x'61'",
        "SELECT $$ ' $$",
        "SELECT \u2018a\u2019",
        "SELECT {p:String}",
        "SELECT 'a' // 'b'",
        "SELECT 'a' # 'b'",
        "SELECT 'open",
        "SELECT 'nul \0'",
        "SELECT é",
    ],
)
def test_what_could_be_read_in_two_ways_has_no_plain_skeleton(text: str) -> None:
    assert plain_skeleton(text) is None


def test_names_are_no_values() -> None:
    assert plain_skeleton("SELECT t1.a2, x.1, 1e5, 0x1f FROM t2 WHERE a = 'b' AND c > 1.5 LIMIT 10") == (
        "SELECT t1.a2, x.1, 1e5, 0x1f FROM t2 WHERE a = '' AND c > 0 LIMIT 0"
    )


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["SELECT '{0}', '{1}' FROM t, 'u'", "SELECT '{0}' IN ('{1}', u) FROM t", "SELECT f('{0}'{1})"]),
    _VALUES,
    _VALUES,
)
def test_statements_of_one_plain_skeleton_are_one_to_the_engine(form: str, first: str, second: str) -> None:
    one, other = form.format(first, "x"), form.format("y", second)
    if plain_skeleton(one) is not None and plain_skeleton(one) == plain_skeleton(other):
        assert _read(one) == _read(other)


def _read(statement: str) -> References | str:
    try:
        return classify(statement, shared_engine().explain)
    except (UnreadableStatement, SeveralStatements) as error:
        return type(error).__name__
