"""What a statement defines by its WITHs: where the common table expressions stand in it.

The engine looks their names up where they are used, and while a definition is being resolved its name is free again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from stonechat.sql.statements import Token, TokenKind

SET_OPERATORS = {"UNION", "EXCEPT", "INTERSECT"}
SET_QUANTIFIERS = {"ALL", "DISTINCT"}
_NAMES = {TokenKind.WORD, TokenKind.QUOTED}
_BEGINS_QUERY = {"SELECT", "WITH", "FROM", "("}


@dataclass(frozen=True, slots=True)
class Definition:
    """`name AS (...)`: its parentheses are the tokens `start` and `end`.

    `outermost` ones belong to the statement itself, or to a member of its UNION. From token `calls` on, which is `end`
    where it is not recursive, the name stands for itself.
    """

    name: str
    start: int
    end: int
    outermost: bool
    calls: int


@dataclass(slots=True)
class _Opened:
    """An open parenthesis: whether it holds a member of the statement, and where the first set operator in it is."""

    start: int
    is_member: bool
    name: str | None
    operator: int | None = None


def definition_at(tokens: Sequence[Token], index: int) -> str | None:
    """The name whose definition a parenthesis opens: `name AS (SELECT ...`, `name (columns) AS MATERIALIZED (...`."""
    at = index - 1
    if _word(tokens, at) == "MATERIALIZED":
        at -= 1
    if _word(tokens, at) != "AS" or _word(tokens, index + 1) not in _BEGINS_QUERY:
        return None
    at -= 1
    if _word(tokens, at) == ")":
        while at > 0 and _word(tokens, at) != "(":
            at -= 1
        at -= 1
    return tokens[at].name if at >= 0 and tokens[at].kind in _NAMES else None


def definitions(tokens: Sequence[Token]) -> Iterator[Definition]:
    """Those of all WITHs of a statement's meaningful tokens, inner ones before those that they stand in."""
    opened: list[_Opened] = []
    at_start, recursive = True, False
    for index in range(len(tokens)):
        word = _word(tokens, index)
        if word == "(":
            at_start = at_start and _in_member(opened)
            opened.append(_Opened(index, at_start, definition_at(tokens, index)))
            continue
        if word == ")" and opened:
            last = opened.pop()
            if last.name is not None:
                outermost = _in_member(opened)
                calls = last.operator if outermost and recursive and last.operator is not None else index
                yield Definition(last.name, last.start, index, outermost, calls)
        elif word == "WITH" and _in_member(opened):
            recursive = _word(tokens, index + 1) == "RECURSIVE"
        elif word in SET_OPERATORS and opened and opened[-1].operator is None:
            opened[-1].operator = index
        at_start = word in SET_OPERATORS or (at_start and word in SET_QUANTIFIERS)


def _in_member(opened: Sequence[_Opened]) -> bool:
    return not opened or opened[-1].is_member


def leading_back(leads: Mapping[str, AbstractSet[str]]) -> set[str]:
    """The names that use themselves, directly or through others; `leads` has for each of them those that it uses."""
    return {name for name in leads if _leads_back(name, leads)}


def _leads_back(start: str, leads: Mapping[str, AbstractSet[str]]) -> bool:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for name in leads.get(todo.pop(), ()):
            if name == start:
                return True
            if name not in seen:
                seen.add(name)
                todo.append(name)
    return False


def _word(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text.upper() if 0 <= index < len(tokens) else ""
