"""Sub-queries in the place of definitions, where a name stands for a table in one use and for a definition in another.

In `WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a, b` over tables `a` and `b`, the `b` within `a`
is the definition where the statement reads `a`, and the table where it reads `b`. No database in front of a name says
both. So each use of a definition becomes a sub-query of its own, in which every name has one meaning. The definitions
stay, under names that nobody uses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from stonechat.sql.levels import Named, Scopes
from stonechat.sql.quoting import identifier
from stonechat.sql.resolving import Use, may_be_alias, names_by_definition, need_uses, resolved, uses_of
from stonechat.sql.scoping import NAMES, NO_ALIASES, scopes_of
from stonechat.sql.statements import Token, TokenKind

_MOST_USES = 200


class _TooManyUses(Exception):
    """Definitions of definitions have no end."""


def unrolled(statement: str, tokens: Sequence[Token], databases: Mapping[str, str], columns: AbstractSet[str]) -> str:
    """The statement with its definitions unrolled, and the databases of tables in front of their names.

    It comes back as it is where no name of these tables has two meanings, or where definitions are recursive or too
    many. After IN, a name of `columns` is a column.
    """
    scopes = scopes_of(tokens)
    if not need_uses(scopes, databases):
        return statement
    uses = uses_of(scopes)
    if all(tokens[index].name not in databases for index in uses.tables & uses.definitions):
        return statement
    plain = all(tokens[opened - 2].name == name for opened, name in scopes.definitions.items())
    if not plain or any(named.member.recursive for named in scopes.named):
        return statement
    try:
        return _Unrolling(statement, tokens, scopes, databases, columns).text(None, Use())
    except _TooManyUses:
        return statement


class _Unrolling:
    """One statement on its way to sub-queries."""

    def __init__(
        self,
        statement: str,
        tokens: Sequence[Token],
        scopes: Scopes,
        databases: Mapping[str, str],
        columns: AbstractSet[str],
    ) -> None:
        self._statement = statement
        self._tokens = tokens
        self._scopes = scopes
        self._databases = databases
        self._columns = columns
        self._named_in = names_by_definition(scopes)
        self._defined_in = self._definitions_by_definition()
        self._left = _MOST_USES

    def text(self, definition: int | None, use: Use) -> str:
        """What a definition stands for in one use of it, or the statement itself."""
        self._left -= 1
        if self._left < 0:
            raise _TooManyUses
        done, end = self._bounds(definition)
        parts: list[str] = []
        for index, instead in self._instead(definition, use):
            token = self._tokens[index]
            parts += self._statement[done : token.start], instead
            done = token.start + len(token.text)
        return "".join([*parts, self._statement[done:end]])

    def _definitions_by_definition(self) -> Mapping[int | None, Sequence[int]]:
        """The definitions by the innermost one that they stand in."""
        found: dict[int | None, list[int]] = defaultdict(list)
        open_ones: list[int] = []
        for opened in sorted(self._scopes.definitions):
            while open_ones and self._bounds(open_ones[-1])[1] < self._tokens[opened].start:
                open_ones.pop()
            found[open_ones[-1] if open_ones else None].append(opened)
            open_ones.append(opened)
        return found

    def _bounds(self, definition: int | None) -> tuple[int, int]:
        if definition is None:
            return 0, len(self._statement)
        depth = 0
        for token in self._tokens[definition:]:
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                return self._tokens[definition].start + 1, token.start
        return self._tokens[definition].start + 1, len(self._statement)

    def _instead(self, definition: int | None, use: Use) -> Iterator[tuple[int, str]]:
        """The tokens that are replaced, in their order, and by what: names of tables, and of definitions."""
        named = {each.index: each for each in self._named_in.get(definition, ())}
        defined = {opened - 2: opened for opened in self._defined_in[definition]}
        for index in sorted(named.keys() | defined.keys()):
            if index in defined:
                yield index, identifier(f"{self._tokens[index].name} {defined[index]}")
            elif (said := self._said(named[index], use)) is not None:
                yield index, said

    def _said(self, named: Named, use: Use) -> str | None:
        """What to write for a name; None for what keeps its place."""
        if self._text(named.index + 1) in {".", "("} or self._text(named.index - 1) == ".":
            return None
        if named.behind == "IN" and (named.name in self._columns or may_be_alias(named, self._scopes)):
            return None
        definition = resolved(named, use)
        if definition is None:
            database = self._databases.get(named.name)
            return None if database is None else f"{identifier(database)}.{self._tokens[named.index].text}"
        inner = self.text(definition, Use(definition, (named.level, named.member), use))
        alias = "" if named.behind == "IN" or self._has_alias(named.index) else f" AS {identifier(named.name)}"
        return f"({inner}\n){alias}"

    def _has_alias(self, index: int) -> bool:
        if index + 1 == len(self._tokens):
            return False
        following = self._tokens[index + 1]
        is_word = following.kind is TokenKind.WORD and following.text.upper() in NO_ALIASES
        return following.kind in NAMES and not is_word

    def _text(self, index: int) -> str:
        return self._tokens[index].text if 0 <= index < len(self._tokens) else ""
