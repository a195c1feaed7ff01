"""Which names of a statement stand where a table may stand.

A superset of the tables, in microseconds: it decides which nodes and pipes are put in front of a statement, and a name
too many costs a definition that the engine does not evaluate. What a caller may read is decided by `sql.references`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from stonechat.sql.skeletons import skeleton
from stonechat.sql.statements import Token, TokenKind, meaningful_tokens

_TABLES_BEGIN = {"FROM", "JOIN"}
#: Keywords behind which no table stands until the next FROM or JOIN.
TABLES_END = {
    *("SELECT", "WHERE", "PREWHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "UNION", "EXCEPT", "INTERSECT"),
    *("WINDOW", "QUALIFY", "SETTINGS", "FORMAT", "USING", "WITH", "ARRAY", "SAMPLE"),
}
#: Directly behind these such a keyword is the name of a table, as in FROM settings.
TABLE_FOLLOWS = {"FROM", "JOIN", "IN", ","}
# IN as a function: a name among its arguments may be a table. As an operator it follows a value, or NOT or GLOBAL.
_IN_FUNCTIONS = {
    f"{scope}{negation}{null}IN{ending}"
    for scope in ("", "GLOBAL")
    for negation in ("", "NOT")
    for null in ("", "NULL")
    for ending in ("", "IGNORESET")
}
_BEFORE_CALLS = {"", "(", ",", "SELECT", "WHERE", "PREWHERE", "HAVING", "QUALIFY", "BY", "ON", "AND", "OR", "WHEN"}


@dataclass(slots=True)
class _Level:
    """What may come next inside one pair of parentheses."""

    in_tables: bool = False
    expects_table: bool = False


_LONGEST_REMEMBERED = 20_000


def table_names(statement: str) -> frozenset[str]:
    """Names after FROM, JOIN and IN, and after commas between tables; without those that it defines itself.

    Statements that differ in their strings alone, as the calls of an endpoint do, are looked through once.
    """
    return _found(statement)[0]


def table_mentions(statement: str) -> Mapping[str, int]:
    """How often each of these names stands there."""
    return _found(statement)[1]


def _found(statement: str) -> tuple[frozenset[str], Mapping[str, int]]:
    found = skeleton(statement)
    return _remembered(found) if len(found) <= _LONGEST_REMEMBERED else _searched(found)


def _searched(statement: str) -> tuple[frozenset[str], Mapping[str, int]]:
    listed = meaningful_tokens(statement)
    found: Counter[str] = Counter()
    levels = [_Level()]
    for index, token in enumerate(listed):
        level = levels[-1]
        if token.text == "(":
            in_tables = (level.in_tables and level.expects_table) or calls_in(listed[max(index - 2, 0) : index])
            levels.append(_Level(in_tables, level.expects_table or in_tables))
            level.expects_table = False
        elif token.text == ")":
            if len(levels) > 1:
                levels.pop()
        elif token.text == ",":
            level.expects_table = level.in_tables
        elif token.kind in {TokenKind.WORD, TokenKind.QUOTED}:
            called = index + 1 < len(listed) and listed[index + 1].text == "("
            _step(level, token, listed[index - 1] if index else None, found, called=called)
    for name in _defined(listed):
        del found[name]
    return frozenset(found), found


_remembered = lru_cache(2000)(_searched)


def _step(level: _Level, token: Token, before: Token | None, found: Counter[str], *, called: bool) -> None:
    keyword = token.text.upper() if token.kind is TokenKind.WORD else ""
    if keyword in _TABLES_BEGIN:
        # ARRAY JOIN takes columns.
        level.in_tables = level.expects_table = before is None or before.text.upper() != "ARRAY"
    elif keyword == "IN":
        level.expects_table = True
    elif keyword in TABLES_END and not (level.expects_table and before and before.text.upper() in TABLE_FOLLOWS):
        level.in_tables = level.expects_table = False
    elif level.expects_table:
        if not called:  # a table function is no table, whatever pipe has its name
            found[token.name] += 1
        level.expects_table = False


def calls_in(before: Sequence[Token]) -> bool:
    """Whether the two tokens before a parenthesis make it the arguments of IN as a function."""
    *others, name = ["", *(token.text.upper() for token in before)]
    return name in _IN_FUNCTIONS and (name != "IN" or others[-1] in _BEFORE_CALLS)


def _defined(listed: list[Token]) -> set[str]:
    """Names that the outermost WITH gives to sub-queries: `name AS (SELECT ...`."""
    defined: set[str] = set()
    depth = 0
    for index, token in enumerate(listed):
        depth += (token.text == "(") - (token.text == ")")
        following = [item.text.upper() for item in listed[index + 1 : index + 4]]
        if depth == 0 and following[:2] == ["AS", "("] and following[2:] in (["SELECT"], ["WITH"], ["("]):
            defined.add(token.name)
    return defined
