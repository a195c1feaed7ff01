"""Writing databases in front of the tables of a statement, at the places where it names them.

The engine finds a table without a database in the one that the statement runs in. A table that lies elsewhere gets its
database written in front of its name; everything else in the statement, comments and line breaks included, stays. So
does the name of a database that stands for another: the other one takes its place.

A name after FROM, JOIN or IN is a table unless it is followed by a parenthesis or a point, or a common table expression
of that name is in its scope: one of the SELECT around it, outside that definition's own parentheses. Inside `view(...)`
no name from outside is known. After IN, an alias or a column of that name comes before the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from stonechat.sql.definitions import SET_OPERATORS, definition_at
from stonechat.sql.quoting import identifier
from stonechat.sql.statements import Token, TokenKind, meaningful_tokens
from stonechat.sql.tables import TABLE_FOLLOWS, TABLES_END, calls_in

_NAMES = {TokenKind.WORD, TokenKind.QUOTED}
_BEGINS_QUERY = {"SELECT", "WITH", "FROM", "("}
#: Functions with a FROM among their arguments: `extract(DAY FROM x)`, `trim(BOTH 'a' FROM x)`.
_FROM_IS_AN_ARGUMENT = {"EXTRACT", "TRIM", "LTRIM", "RTRIM", "SUBSTRING", "SUBSTR", "POSITION", "OVERLAY"}
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
        assert len(pieces) == len(strings) + 1
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
    parts: list[str] = []
    done = 0
    for token, table in _tables(meaningful_tokens(statement), places.keys(), columns):
        if table is None:
            parts += statement[done : token.start], f"{identifier(places[token.name])}."
            done = token.start
        elif (database := tables.get((token.name, table), spaces.get(token.name))) is not None:
            parts += statement[done : token.start], identifier(database)
            done = token.start + len(token.text)
    return "".join([*parts, statement[done:]])


_remembered = lru_cache(2000)(_placed)


@dataclass(slots=True, eq=False)
class _Member:
    """One SELECT of a query. `definitions` has for each name of its WITH the parenthesis of the definition."""

    definitions: dict[str, int] = field(default_factory=dict)
    begins: bool = True
    has_with: bool = False
    recursive: bool = False


@dataclass(slots=True, eq=False)
class _Level:
    """What stands inside one pair of parentheses, which token `opened` opens; -1 is the whole statement.

    `around` is the level and the SELECT that it stands in; `expects` the keyword that a table would belong to next.
    """

    opened: int = -1
    around: tuple[_Level, _Member] | None = None
    function: str = ""
    first: _Member = field(default_factory=_Member)
    member: _Member = field(init=False)
    expects: str = ""
    after_comma: str = ""

    def __post_init__(self) -> None:
        self.member = self.first


def _tables(
    tokens: Sequence[Token], names: AbstractSet[str], columns: AbstractSet[str]
) -> Iterator[tuple[Token, str | None]]:
    """The tokens that name one of the tables, or a database: then with the name of the table behind it."""
    aliases = _aliases(tokens)
    found: list[tuple[Token, _Level, _Member]] = []
    qualified: list[tuple[Token, str | None]] = []
    level = _Level()
    for index, token in enumerate(tokens):
        if token.text == "(":
            level = _opened(level, tokens, index)
        elif token.text == ")":
            level = level.around[0] if level.around else level
        elif token.text == ",":
            level.expects = level.after_comma
        elif token.kind in _NAMES:
            expected = _step(level, tokens, index)
            is_alias = expected == "IN" and token.name in aliases
            listed = is_alias or (expected == "IN" and token.name in columns)
            if expected and not listed and token.name in names and _stands_alone(tokens, index):
                found.append((token, level, level.member))
            elif expected and not is_alias and _text(tokens, index + 1) == "." and index + 2 < len(tokens):
                qualified.append((token, tokens[index + 2].name))
        else:
            level.member.begins = False
    # Definitions hold in what stands before them, too.
    alone: list[tuple[Token, str | None]] = [
        (token, None) for token, place, member in found if not _is_defined(token.name, place, member)
    ]
    return iter(sorted([*alone, *qualified], key=lambda item: item[0].start))


def _opened(level: _Level, tokens: Sequence[Token], index: int) -> _Level:
    before = tokens[index - 1] if index else None
    function = before.text.upper() if before and before.kind is TokenKind.WORD else ""
    inner = _Level(index, (level, level.member), function)
    if calls_in(tokens[max(index - 2, 0) : index]):
        inner.after_comma = "IN"
    elif level.expects == "FROM":
        inner.expects = inner.after_comma = "FROM"
    elif level.expects == "IN" and ")" in {_text(tokens, index + 2), _behind_point(tokens, index + 2)}:
        inner.expects = "IN"
    if (name := definition_at(tokens, index)) is not None:
        level.member.definitions[name] = index
    level.member.begins = False
    level.expects = ""
    return inner


def _step(level: _Level, tokens: Sequence[Token], index: int) -> str:
    """Take a word or a name into account; says to which keyword a table in its place would belong."""
    token, member = tokens[index], level.member
    word = token.text.upper() if token.kind is TokenKind.WORD else ""
    before = _text(tokens, index - 1)
    if word in {"ALL", "DISTINCT"} and member.begins:
        return ""
    if word == "WITH" and member.begins:
        member.has_with = True
        member.recursive = _text(tokens, index + 1) == "RECURSIVE"
    member.begins = False
    if word in {"FROM", "JOIN"}:
        argument = before in {"ARRAY", "DISTINCT"} or level.function in _FROM_IS_AN_ARGUMENT
        level.expects = level.after_comma = "" if argument else "FROM"
    elif word == "IN":
        level.expects = "IN"
    elif word in TABLES_END and not (level.expects and before in TABLE_FOLLOWS):
        level.expects = level.after_comma = ""
        if word in SET_OPERATORS and _begins_query(tokens, index):
            level.member = _Member()
    else:
        expected, level.expects = level.expects, ""
        return expected
    return ""


def _begins_query(tokens: Sequence[Token], index: int) -> bool:
    """Whether a word that may be a set operator is one: in `* EXCEPT (a)` it is not."""
    following = [token.text.upper() for token in tokens[index + 1 : index + 5]]
    while following and following[0] in {"ALL", "DISTINCT", "("}:
        following.pop(0)
    return bool(following) and following[0] in _BEGINS_QUERY


def _stands_alone(tokens: Sequence[Token], index: int) -> bool:
    return _text(tokens, index + 1) not in {".", "("} and _text(tokens, index - 1) != "."


def _is_defined(name: str, level: _Level, member: _Member) -> bool:
    """Whether a definition of the name is in scope."""
    inside = None
    while True:
        inherited = {} if member.has_with else level.first.definitions
        opened = member.definitions.get(name, inherited.get(name))
        if opened is not None and (opened != inside or member.recursive):
            return True
        if level.around is None or level.function == "VIEW":
            return False
        inside = level.opened
        level, member = level.around


def _aliases(tokens: Sequence[Token]) -> AbstractSet[str]:
    """Names behind AS that no parenthesis follows."""
    return {token.name for before, token in pairwise(tokens) if before.text.upper() == "AS" and token.kind in _NAMES}


def _behind_point(tokens: Sequence[Token], index: int) -> str:
    """What follows a name with a point in front, which stands there."""
    return _text(tokens, index + 2) if _text(tokens, index) == "." else ""


def _text(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text.upper() if 0 <= index < len(tokens) else ""
