"""Which names of a statement stand where a table may stand.

A superset of the tables, in microseconds: it decides which nodes and pipes are put in front of a statement, and a name
too many costs a definition that the engine does not evaluate. What a caller may read is decided by `sql.references`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from stonechat.sql.scoping import NAMES, scopes_of
from stonechat.sql.skeletons import skeleton
from stonechat.sql.statements import Token, meaningful_tokens


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a statement names in the place of a table: `times` says how often, `listed` are those behind IN.

    `defined` are the names that its WITHs give to sub-queries, at whatever depth; `aliases` those behind an AS.
    """

    times: Mapping[str, int]
    listed: frozenset[str]
    defined: frozenset[str]
    aliases: frozenset[str]


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
        if point.text == "." and before.kind in NAMES and behind.kind in NAMES
    )


def mentions(statement: str) -> Mentions:
    """These names, and those that the statement gives itself."""
    found = skeleton(statement)
    return _remembered(found) if len(found) <= _LONGEST_REMEMBERED else _searched(found)


def _searched(statement: str) -> Mentions:
    listed = meaningful_tokens(statement)
    scopes = scopes_of(listed)
    # A table function is no table, whatever pipe has its name.
    named = [each for each in scopes.named if each.index + 1 == len(listed) or listed[each.index + 1].text != "("]
    meant = [(each, each.definition()) for each in named]
    leads: dict[int, set[int]] = {opened: set() for opened in scopes.definitions}
    for each, definition in meant:
        if definition is not None:
            for opened in leads.keys() & set(each.parentheses()) - {definition}:
                leads[opened].add(definition)
    # While a definition is being resolved, its name is free again: it may be that of a table.
    free = _leading_back(leads) | {None}
    open_names = [each for each, definition in meant if definition in free]
    return Mentions(
        Counter(each.name for each in open_names),
        frozenset(each.name for each in open_names if each.behind == "IN"),
        frozenset(scopes.definitions.values()),
        frozenset(following.name for before, following in pairwise(listed) if _names(before, following)),
    )


_remembered = lru_cache(2000)(_searched)


def _leading_back(leads: Mapping[int, AbstractSet[int]]) -> set[int | None]:
    """Those that use themselves through others; `leads` has for each of them those that it uses."""
    return {start for start in leads if _leads_back(start, leads)}


def _leads_back(start: int, leads: Mapping[int, AbstractSet[int]]) -> bool:
    seen: set[int] = set()
    todo = [start]
    while todo:
        for other in leads[todo.pop()]:
            if other == start:
                return True
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return False


def _names(before: Token, following: Token) -> bool:
    return before.text.upper() == "AS" and following.kind in NAMES
