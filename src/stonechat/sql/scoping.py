"""Which names of a statement stand where a table may stand, and which of its own definitions each of them is.

A name after FROM, JOIN or IN is a table unless it is followed by a parenthesis or a point, or a common table expression
of that name is in its scope: one of the SELECT around it, outside that definition's own parentheses. Inside `view(...)`
no name from outside is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stonechat.sql.statements import Token, TokenKind

SET_OPERATORS = {"UNION", "EXCEPT", "INTERSECT"}
SET_QUANTIFIERS = {"ALL", "DISTINCT"}
NAMES = {TokenKind.WORD, TokenKind.QUOTED}
_BEGINS_SELECT = {"SELECT", "WITH", "FROM"}
_BEGINS_QUERY = {*_BEGINS_SELECT, "("}
# Keywords behind which no table stands until the next FROM or JOIN.
_TABLES_END = {
    *("SELECT", "WHERE", "PREWHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "UNION", "EXCEPT", "INTERSECT"),
    *("WINDOW", "QUALIFY", "SETTINGS", "FORMAT", "USING", "WITH", "ARRAY", "SAMPLE"),
}
# Directly behind these such a keyword is the name of a table, as in FROM settings.
_TABLE_FOLLOWS = {"FROM", "JOIN", "IN", ","}
# IN as a function: a name among its arguments may be a table. As an operator it follows a value, or NOT or GLOBAL.
_IN_FUNCTIONS = {
    f"{scope}{negation}{null}IN{ending}"
    for scope in ("", "GLOBAL")
    for negation in ("", "NOT")
    for null in ("", "NULL")
    for ending in ("", "IGNORESET")
}
_BEFORE_CALLS = {"", "(", ",", "SELECT", "WHERE", "PREWHERE", "HAVING", "QUALIFY", "BY", "ON", "AND", "OR", "WHEN"}
# Functions with a FROM among their arguments: `extract(DAY FROM x)`, `trim(BOTH 'a' FROM x)`.
_FROM_IS_AN_ARGUMENT = {"EXTRACT", "TRIM", "LTRIM", "RTRIM", "SUBSTRING", "SUBSTR", "POSITION", "OVERLAY"}


@dataclass(slots=True, eq=False)
class Member:
    """One SELECT of a query. `definitions` has for each name of its WITH the parenthesis of the definition.

    `aliases` are the names behind an AS in it, but for those in queries below.
    """

    definitions: dict[str, int] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)
    begins: bool = True
    has_with: bool = False
    recursive: bool = False


@dataclass(slots=True, eq=False)
class Level:
    """What stands inside one pair of parentheses, which token `opened` opens; -1 is the whole statement.

    `around` is the level and the SELECT that it stands in; `is_member` says whether it holds a part of the statement
    itself, such as a SELECT of its UNION, `is_query` whether it holds a query; `expects` is the keyword that a table
    would belong to next.
    """

    opened: int = -1
    around: tuple[Level, Member] | None = None
    function: str = ""
    is_member: bool = True
    is_query: bool = True
    first: Member = field(default_factory=Member)
    member: Member = field(init=False)
    expects: str = ""
    after_comma: str = ""

    def __post_init__(self) -> None:
        self.member = self.first


@dataclass(frozen=True, slots=True)
class Named:
    """Token `index` names something where a table may stand, behind a FROM (or JOIN) or an IN."""

    index: int
    name: str
    behind: str
    level: Level
    member: Member

    def definition(self) -> int | None:
        """The parenthesis of the definition that the name stands for, if there is one in scope.

        A recursive one is called by its name in the members after the first; in that one, the name is a table's.
        """
        level, member, inside, is_first = self.level, self.member, -1, True
        while True:
            inherited = {} if member.has_with else level.first.definitions
            opened = member.definitions.get(self.name, inherited.get(self.name))
            if opened is not None and (opened != inside or (member.recursive and not is_first)):
                return opened
            if level.around is None or level.function == "VIEW":
                return None
            inside, is_first = level.opened, member is level.first
            level, member = level.around

    def parentheses(self) -> Iterator[int]:
        """The parentheses around it, from the inside out."""
        level = self.level
        while level.around is not None:
            yield level.opened
            level, _ = level.around


@dataclass(slots=True)
class Scopes:
    """The names of a statement in the places of tables, and its definitions: parenthesis -> name.

    `outermost` are the names that the statement itself defines, or a member of its UNION; `aliases` those behind an AS.
    """

    named: list[Named] = field(default_factory=list)
    definitions: dict[int, str] = field(default_factory=dict)
    outermost: set[str] = field(default_factory=set)
    aliases: set[str] = field(default_factory=set)


def scopes_of(tokens: Sequence[Token]) -> Scopes:
    """Look through the meaningful tokens of any text. A definition is known when all of them were seen."""
    scopes = Scopes()
    level = Level()
    for index, token in enumerate(tokens):
        if token.text == "(":
            if (name := _definition_at(tokens, index)) is not None:
                level.member.definitions[name] = index
                scopes.definitions[index] = name
                scopes.outermost |= {name} if level.is_member else set()
            level = _opened(level, tokens, index)
        elif token.text == ")":
            level = level.around[0] if level.around else level
        elif token.text == ",":
            level.expects = level.after_comma
        elif token.kind in NAMES:
            if _text(tokens, index - 1) == "AS":
                _selecting(level).aliases.add(token.name)
                scopes.aliases.add(token.name)
            if behind := _step(level, tokens, index):
                scopes.named.append(Named(index, token.name, behind, level, level.member))
        else:
            level.member.begins = False
    return scopes


def _opened(level: Level, tokens: Sequence[Token], index: int) -> Level:
    before = tokens[index - 1] if index else None
    function = before.text.upper() if before and before.kind is TokenKind.WORD else ""
    is_query = _text(tokens, index + 1) in _BEGINS_SELECT
    inner = Level(index, (level, level.member), function, level.is_member and level.member.begins, is_query)
    if _calls_in(tokens[max(index - 2, 0) : index]):
        inner.after_comma = "IN"
    elif level.expects == "FROM":
        inner.expects = inner.after_comma = "FROM"
    elif level.expects == "IN" and ")" in {_text(tokens, index + 2), _behind_point(tokens, index + 2)}:
        inner.expects = "IN"
    level.member.begins = False
    level.expects = ""
    return inner


def _selecting(level: Level) -> Member:
    """The SELECT that an alias belongs to, whatever parentheses of an expression are around it."""
    member = level.member
    while not level.is_query and level.around is not None:
        level, member = level.around
    return member


def _definition_at(tokens: Sequence[Token], index: int) -> str | None:
    """The name whose definition a parenthesis opens: `name AS (SELECT ...`, `name (columns) AS MATERIALIZED (...`."""
    at = index - 1
    if _text(tokens, at) == "MATERIALIZED":
        at -= 1
    if _text(tokens, at) != "AS" or _text(tokens, index + 1) not in _BEGINS_QUERY:
        return None
    at -= 1
    if _text(tokens, at) == ")":
        while at > 0 and _text(tokens, at) != "(":
            at -= 1
        at -= 1
    return tokens[at].name if at >= 0 and tokens[at].kind in NAMES else None


def _step(level: Level, tokens: Sequence[Token], index: int) -> str:
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
    elif word in _TABLES_END and not (level.expects and before in _TABLE_FOLLOWS):
        level.expects = level.after_comma = ""
        if word in SET_OPERATORS and _begins_query(tokens, index):
            level.member = Member()
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


def _calls_in(before: Sequence[Token]) -> bool:
    """Whether the two tokens before a parenthesis make it the arguments of IN as a function."""
    *others, name = ["", *(token.text.upper() for token in before)]
    return name in _IN_FUNCTIONS and (name != "IN" or others[-1] in _BEFORE_CALLS)


def _behind_point(tokens: Sequence[Token], index: int) -> str:
    """What follows a name with a point in front, which stands there."""
    return _text(tokens, index + 2) if _text(tokens, index) == "." else ""


def _text(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text.upper() if 0 <= index < len(tokens) else ""
