"""What of a statement decides which columns it has: all but which rows there are, how many, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

from stonechat.sql.statements import Token, TokenKind, ends_an_expression, meaningful_tokens

_ABOUT_ROWS = frozenset({"WHERE", "PREWHERE", "HAVING", "LIMIT", "OFFSET", "ORDER"})
_OTHER_CLAUSES = frozenset(
    {"SELECT", "FROM", "GROUP", "WINDOW", "QUALIFY", "UNION", "EXCEPT", "INTERSECT", "SETTINGS", "FORMAT"}
)
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


def without_conditions(statement: str) -> str:
    """The statement without its conditions, limits and orders. Two that are alike without them have the same columns.

    What gives names stays: they may be read elsewhere. The text is for comparing, and need not be a statement.
    """
    words = meaningful_tokens(statement)
    kept: list[str] = []
    place = 0
    while place < len(words):
        end = _end(words, place) if _begins(words, place) else place
        if any(word.text.upper() in {"AS", "WITH"} for word in words[place:end]):
            end = place
        if end == place:
            kept.append(words[place].text)
            end += 1
        place = end
    return " ".join(kept)


def _begins(words: Sequence[Token], place: int) -> bool:
    """Whether a clause about rows begins with a word, which could as well be a name."""
    if words[place].kind is not TokenKind.WORD or words[place].text.upper() not in _ABOUT_ROWS or not place:
        return False
    before = words[place - 1]
    return ends_an_expression(before) or (before.text == "(" and words[place].text.upper() == "ORDER")


def _end(words: Sequence[Token], begin: int) -> int:
    """Where the clause ends: with another one, or with what is around it."""
    depth = 0
    for place in range(begin + 1, len(words)):
        text = words[place].text
        if depth == 0 and words[place].kind is TokenKind.WORD and text.upper() in _ABOUT_ROWS | _OTHER_CLAUSES:
            return place
        if text in _OPENING:
            depth += 1
        elif text in _CLOSING:
            depth -= 1
            if depth < 0:
                return place
    return len(words)
