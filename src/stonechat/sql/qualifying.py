"""Writing databases in front of the tables of a statement, at the places where it names them.

The engine finds a table without a database in the one that the statement runs in. A table that lies elsewhere gets its
database written in front of its name; everything else in the statement, comments and line breaks included, stays. So
does the name of a database that stands for another: the other one takes its place.

What is a table and what a name of the statement's own is told by `sql.scoping`, and where one name is both,
`sql.unrolling` gives each use a text of its own. After IN, an alias or a column of that
name comes before the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache

from stonechat.sql.quoting import identifier
from stonechat.sql.resolving import Uses, may_be_alias, need_uses, reads_table, uses_of
from stonechat.sql.scoping import scopes_of
from stonechat.sql.statements import Token, meaningful_tokens
from stonechat.sql.unrolling import unrolled

_LONGEST_REMEMBERED = 20_000
# Statements that differ in plain strings alone are looked through once. What only the lexer can read ends the search.
_STRING = re.compile(r"""--|//|\#[ !]|/\*|[`"$\u2018“]|\b[xXbB](?=')|'(?P<string>[^'\\]*+)'(?!')|'""")
_MARK = "'\0'"


@dataclass(frozen=True, slots=True)
class Placing:
    """Where the tables are that are not in the database which statements run in: table name -> database.

    `columns` has those names among them that are names of columns too; `namespaces` the databases that statements name
    and what they stand for; `qualified` the same of single tables in them: (database, table) -> database.
    """

    databases: Mapping[str, str] = field(default_factory=dict)
    columns: AbstractSet[str] = frozenset()
    namespaces: Mapping[str, str] = field(default_factory=dict)
    qualified: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def apply(self, statement: str) -> str:
        """The statement with a database in front of each of these tables."""
        words = (*self.databases, *self.namespaces, *(namespace for namespace, _ in self.qualified))
        if not any(name in statement for name in words):
            return statement
        key = (
            tuple(self.databases.items()),
            frozenset(self.columns),
            tuple(self.namespaces.items()),
            tuple(self.qualified.items()),
        )
        skeleton, strings = _without_strings(statement)
        if len(skeleton) > _LONGEST_REMEMBERED:
            return _placed(statement, *key)
        placed = _remembered(skeleton, *key)
        if not strings:
            return placed
        pieces = placed.split(_MARK)
        if len(pieces) != len(strings) + 1:  # some stand there twice
            return _placed(statement, *key)
        return "".join(part for pair in zip(pieces, [*strings, ""], strict=True) for part in pair)


def _without_strings(statement: str) -> tuple[str, Sequence[str]]:
    """The statement with a mark in the place of each plain string, and the strings; nothing taken out if unsure."""
    if "\0" in statement:
        return statement, ()
    pieces: list[str] = []
    strings: list[str] = []
    done = 0
    for match in _STRING.finditer(statement):
        if match["string"] is None:
            break
        pieces.append(statement[done : match.start()])
        strings.append(match.group())
        done = match.end()
    return _MARK.join([*pieces, statement[done:]]), strings


def _placed(
    statement: str,
    databases: Sequence[tuple[str, str]],
    columns: AbstractSet[str],
    namespaces: Sequence[tuple[str, str]],
    qualified: Sequence[tuple[tuple[str, str], str]],
) -> str:
    places, spaces, tables = dict(databases), dict(namespaces), dict(qualified)
    tokens = meaningful_tokens(statement)
    if (said := unrolled(statement, tokens, places, columns)) is not statement:
        statement, tokens = said, meaningful_tokens(said)
    parts: list[str] = []
    done = 0
    for token, table in _tables(tokens, places.keys(), columns):
        if table is None:
            parts += statement[done : token.start], f"{identifier(places[token.name])}."
            done = token.start
        elif (database := tables.get((token.name, table), spaces.get(token.name))) is not None:
            parts += statement[done : token.start], identifier(database)
            done = token.start + len(token.text)
    return "".join([*parts, statement[done:]])


_remembered = lru_cache(2000)(_placed)


def _tables(
    tokens: Sequence[Token], names: AbstractSet[str], columns: AbstractSet[str]
) -> Iterator[tuple[Token, str | None]]:
    """The tokens that name one of the tables, or a database: then with the name of the table behind it."""
    scopes = scopes_of(tokens)
    uses = uses_of(scopes) if need_uses(scopes, names) else Uses(frozenset(), frozenset())
    for each in scopes.named:
        token = tokens[each.index]
        is_alias = each.behind == "IN" and each.name in scopes.aliases and may_be_alias(each, scopes)
        listed = is_alias or (each.behind == "IN" and each.name in columns)
        if not listed and each.name in names and _stands_alone(tokens, each.index):
            if reads_table(each, uses):
                yield token, None
        elif not is_alias and _text(tokens, each.index + 1) == "." and each.index + 2 < len(tokens):
            yield token, tokens[each.index + 2].name


def _stands_alone(tokens: Sequence[Token], index: int) -> bool:
    return _text(tokens, index + 1) not in {".", "("} and _text(tokens, index - 1) != "."


def _text(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text.upper() if 0 <= index < len(tokens) else ""
