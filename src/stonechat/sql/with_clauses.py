"""Definitions in front of a statement, whatever WITH it has itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stonechat.sql.quoting import identifier, literal
from stonechat.sql.scoping import SET_OPERATORS, SET_QUANTIFIERS, scopes_of
from stonechat.sql.statements import Token, TokenKind, meaningful_tokens, without_end, without_format_clause

# What most statements are like, told without cutting them into tokens, which is most of an endpoint's overhead.
_PLAIN_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_WITH_WORD = re.compile(r"\bWITH\b", re.IGNORECASE)


def apart(name: str) -> str:
    """What to begin the query of a `view(...)` with, so that the engine takes it for no other one in the statement.

    It makes a table function once for all calls that are alike, and holds queries for that which differ in their
    aliases, in SAMPLE or in the frames of their windows alone.
    """
    return f"WITH {literal(name)}"


def with_clause(added: Sequence[tuple[str, str]], statement: str) -> str:
    """Put `name AS (sql)` in front of a statement, before the definitions that its own WITH has.

    Names are plain and get quoted here. Each text may end in a comment or semicolons. The members of a UNION see the
    first member's WITH unless they have their own, so those get the definitions too. Where the statement itself defines
    one of the names, it becomes a sub-query: the engine takes the name for that of the statement, and within what it
    stands for there, for the one in front.
    """
    body = without_end(statement)
    if not added:
        return body
    listed = ",\n".join(f"{identifier(name)} AS (\n{without_end(sql)}\n)" for name, sql in added)
    # The pattern alone would take half of a composition: few statements have the letters at all.
    if _PLAIN_SELECT.match(body) and not ("with" in body.lower() and _WITH_WORD.search(body)):
        return f"WITH\n{listed}\n{body}"
    meant = meaningful_tokens(body)
    if not scopes_of(meant).outermost.isdisjoint(name for name, _ in added):
        return f"WITH\n{listed}\nSELECT * FROM (\n{without_end(without_format_clause(body))}\n)"
    parts: list[str] = []
    done = 0
    for start, end, head in _member_heads(meant):
        separator = "," if end > start else "\n"
        parts += [body[done:start], f"{head}\n{listed}{separator}"]
        done = end
    return "".join([*parts, body[done:]])


def _member_heads(meant: Sequence[Token]) -> Iterator[tuple[int, int, str]]:
    """Where definitions belong: (start, end) of the WITH to replace, empty where there is none, and what to write."""
    at_start, first = True, True
    opened: list[bool] = []  # for each open parenthesis: does it hold a member, not an expression?
    for token, following in zip(meant, [*meant[1:], None], strict=False):
        word = token.text.upper() if token.kind is TokenKind.WORD else token.text
        if word == "(":
            opened.append(at_start)
        elif at_start and word == "WITH":
            recursive = following is not None and following.text.upper() == "RECURSIVE"
            last = following if recursive and following is not None else token
            yield token.start, last.start + len(last.text), "WITH RECURSIVE" if recursive else "WITH"
            at_start, first = False, False
        elif at_start and word not in SET_QUANTIFIERS:
            if first:
                yield token.start, token.start, "WITH"
            at_start, first = False, False
        elif word in SET_OPERATORS and all(opened):
            at_start = True
        elif word == ")" and opened:
            opened.pop()
