"""Which names of a statement stand where a table may stand.

A superset of the tables, in microseconds: it decides which nodes and pipes are put in front of a statement, and a name
too many costs a definition that the engine does not evaluate. What a caller may read is decided by `sql.references`.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from stonechat.sql.definitions import definitions, leading_back
from stonechat.sql.skeletons import skeleton
from stonechat.sql.statements import Token, TokenKind, meaningful_tokens

_TABLES_BEGIN = {"FROM", "JOIN"}
_NAMES = {TokenKind.WORD, TokenKind.QUOTED}
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


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a statement names in the place of a table: `times` says how often, `listed` are those behind IN.

    `defined` are the names that its WITHs give to sub-queries, at whatever depth; `aliases` those behind an AS.
    """

    times: Mapping[str, int]
    listed: frozenset[str]
    defined: frozenset[str]
    aliases: frozenset[str]


@dataclass(slots=True)
class _Level:
    """What may come next inside one pair of parentheses."""

    in_tables: bool = False
    expects_table: bool = False
    behind_in: bool = False


_LONGEST_REMEMBERED = 20_000


def table_names(statement: str) -> frozenset[str]:
    """Names after FROM, JOIN and IN, and after commas between tables; without those that only its own WITH gives.

    Statements that differ in their strings alone, as the calls of an endpoint do, are looked through once.
    """
    return frozenset(mentions(statement).times)


def qualified_names(statement: str) -> frozenset[tuple[str, str]]:
    """Names with a point between them: tables with their databases are among them, and columns with their tables."""
    listed = meaningful_tokens(statement)
    return frozenset(
        (before.name, behind.name)
        for before, point, behind in zip(listed, listed[1:], listed[2:], strict=False)
        if point.text == "." and before.kind in _NAMES and behind.kind in _NAMES
    )


def mentions(statement: str) -> Mentions:
    """These names, and those that the statement gives itself."""
    found = skeleton(statement)
    return _remembered(found) if len(found) <= _LONGEST_REMEMBERED else _searched(found)


def _searched(statement: str) -> Mentions:
    listed = meaningful_tokens(statement)
    found = list(_mentioned(listed))
    own = [definition for definition in definitions(listed) if definition.outermost]
    places = [index for index, _, _ in found]
    leads: dict[str, set[str]] = {definition.name: set() for definition in own}
    for definition in own:
        within = found[bisect(places, definition.start) : bisect(places, definition.end)]
        leads[definition.name].update(
            name for index, name, _ in within if name != definition.name or index < definition.calls
        )
    # While a definition is being resolved, its name is free again: it may be that of a table.
    hidden = leads.keys() - leading_back(leads)
    return Mentions(
        Counter(name for _, name, _ in found if name not in hidden),
        frozenset(name for _, name, is_listed in found if is_listed),
        frozenset(definition.name for definition in definitions(listed)),
        frozenset(following.name for before, following in pairwise(listed) if _names(before, following)),
    )


def _mentioned(listed: Sequence[Token]) -> Iterator[tuple[int, str, bool]]:
    """The place of each name, the name, and whether it stands behind IN."""
    levels = [_Level()]
    for index, token in enumerate(listed):
        level = levels[-1]
        if token.text == "(":
            is_call = calls_in(listed[max(index - 2, 0) : index])
            in_tables = (level.in_tables and level.expects_table) or is_call
            levels.append(_Level(in_tables, level.expects_table or in_tables, is_call or level.behind_in))
            level.expects_table = False
        elif token.text == ")":
            if len(levels) > 1:
                levels.pop()
        elif token.text == ",":
            level.expects_table = level.in_tables
        elif token.kind in _NAMES:
            called = index + 1 < len(listed) and listed[index + 1].text == "("
            if _step(level, token, listed[index - 1] if index else None, called=called):
                yield index, token.name, level.behind_in


_remembered = lru_cache(2000)(_searched)


def _step(level: _Level, token: Token, before: Token | None, *, called: bool) -> bool:
    """Take a word or a name into account; says whether it stands in the place of a table."""
    keyword = token.text.upper() if token.kind is TokenKind.WORD else ""
    if keyword in _TABLES_BEGIN:
        # ARRAY JOIN takes columns.
        level.in_tables = level.expects_table = before is None or before.text.upper() != "ARRAY"
        level.behind_in = False
    elif keyword == "IN":
        level.expects_table = level.behind_in = True
    elif keyword in TABLES_END and not (level.expects_table and before and before.text.upper() in TABLE_FOLLOWS):
        level.in_tables = level.expects_table = False
    elif level.expects_table:
        level.expects_table = False
        return not called  # a table function is no table, whatever pipe has its name
    return False


def calls_in(before: Sequence[Token]) -> bool:
    """Whether the two tokens before a parenthesis make it the arguments of IN as a function."""
    *others, name = ["", *(token.text.upper() for token in before)]
    return name in _IN_FUNCTIONS and (name != "IN" or others[-1] in _BEFORE_CALLS)


def _names(before: Token, following: Token) -> bool:
    return before.text.upper() == "AS" and following.kind in {TokenKind.WORD, TokenKind.QUOTED}
