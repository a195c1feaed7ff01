"""Which names of a statement stand where a table may stand.

A superset of the tables, in microseconds: it decides which nodes and pipes are put in front of a statement, and a name
too many costs a definition that the engine does not evaluate. What a caller may read is decided by `sql.references`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from stonechat.sql.resolving import may_be_alias, uses_of
from stonechat.sql.scoping import NAMES, scopes_of
from stonechat.sql.skeletons import skeleton
from stonechat.sql.statements import meaningful_tokens


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a statement names in the place of a table, and `times` says how often.

    `listed` are the names behind IN, its own included; `unsure` those that are behind IN alone and may be an alias;
    `defined` those that its WITHs give to sub-queries, at whatever depth; `aliases` those of its expressions.
    """

    times: Mapping[str, int]
    listed: frozenset[str]
    unsure: frozenset[str]
    defined: frozenset[str]
    aliases: frozenset[str]


_LONGEST_REMEMBERED = 20_000


def table_names(statement: str) -> frozenset[str]:
    """Names after FROM, JOIN and IN, and after commas between tables; without those that only its own WITH gives, and
    those in definitions that it does not use.

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
    # A definition that nothing uses is not looked into. While one is being resolved, its name is free again: it may be
    # that of a table.
    tables = uses_of(scopes).tables if scopes.definitions else {each.index for each in named}
    open_names = [each for each in named if each.index in tables]
    unsure = {each for each in open_names if each.behind == "IN" and may_be_alias(each, scopes)}
    return Mentions(
        Counter(each.name for each in open_names),
        frozenset(each.name for each in named if each.behind == "IN") | scopes.called,
        frozenset(each.name for each in unsure).difference(each.name for each in open_names if each not in unsure),
        frozenset(scopes.definitions.values()),
        frozenset(scopes.aliases),
    )


_remembered = lru_cache(2000)(_searched)
