"""Which names of a statement stand where a table may stand, and which of its own definitions each of them is.

A name after FROM, JOIN or IN is a table unless it is followed by a parenthesis or a point, or a common table expression
of that name is in its scope: one of the SELECT around it, outside that definition's own parentheses. Inside `view(...)`
no name from outside is known.
"""

from __future__ import annotations

from collections.abc import Sequence

from stonechat.sql.levels import Level, Member, Named, Scopes, Source, leave_captured, selecting
from stonechat.sql.statements import Token, TokenKind, ends_an_expression

SET_OPERATORS = {"UNION", "EXCEPT", "INTERSECT"}
SET_QUANTIFIERS = {"ALL", "DISTINCT"}
NAMES = {TokenKind.WORD, TokenKind.QUOTED}
#: Words behind a table, or behind an expression, that are no alias of it.
NO_ALIASES = frozenset(
    {
        *("FINAL", "SAMPLE", "WHERE", "PREWHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "HAVING", "WINDOW", "QUALIFY"),
        *("JOIN", "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "ANY", "ALL", "ASOF", "SEMI", "ANTI", "GLOBAL"),
        *("LOCAL", "PASTE", "NATURAL", "ARRAY", "ON", "USING", "UNION", "EXCEPT", "INTERSECT", "SETTINGS", "FORMAT"),
        *("INTO", "SELECT", "WITH", "STEP"),
    }
)
_BEGINS_SELECT = {"SELECT", "WITH", "FROM"}
_BEGINS_QUERY = {*_BEGINS_SELECT, "("}
# Keywords behind which no table stands until the next FROM or JOIN.
_TABLES_END = {
    *("SELECT", "WHERE", "PREWHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "UNION", "EXCEPT", "INTERSECT"),
    *("WINDOW", "QUALIFY", "SETTINGS", "FORMAT", "USING", "WITH", "ARRAY", "SAMPLE"),
}
# What stands behind an alias without AS.
_BEHIND_AN_ALIAS = {",", ")", "FROM", "WHERE", *SET_OPERATORS, "ORDER", "LIMIT", "FORMAT", "SETTINGS"}
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
            level = _closed(level, _text(tokens, index + 1))
        elif token.text == ",":
            level.expects, level.source = level.after_comma, None
        elif token.kind in NAMES:
            if not _names_source(level, tokens, index):
                _note_name(scopes, level, tokens, index)
        else:
            if level.source is not None and token.text == ".":
                level.source.name = ""
            else:
                level.source = None
            level.member.begins = False
    leave_captured(scopes)
    return scopes


def _note_name(scopes: Scopes, level: Level, tokens: Sequence[Token], index: int) -> None:
    name = tokens[index].name
    if _is_alias(tokens, index):
        selecting(level, level.member).aliases.add(name)
        scopes.aliases.add(name)
    if behind := _step(level, tokens, index):
        scopes.named.append(Named(index, name, behind, level, level.member))
        if behind == "FROM":
            _add_source(level, name, index)


def _opened(level: Level, tokens: Sequence[Token], index: int) -> Level:
    before = tokens[index - 1] if index else None
    function = before.text.upper() if before and before.kind is TokenKind.WORD else ""
    is_query = _text(tokens, index + 1) in _BEGINS_SELECT
    inner = Level(index, (level, level.member), function, level.is_member and level.member.begins, is_query)
    inner.is_operand = level.member.begins
    if _calls_in(tokens[max(index - 3, 0) : index]):
        inner.after_comma = "IN"
    elif level.expects == "FROM":
        inner.expects = inner.after_comma = "FROM"
    elif level.expects == "IN" and ")" in {_text(tokens, index + 2), _behind_point(tokens, index + 2)}:
        inner.expects = "IN"
    if level.expects == "FROM":
        _add_source(level)
    elif level.source is not None:
        level.source.name = ""  # a table function
    level.member.begins = False
    level.expects = ""
    return inner


def _closed(level: Level, following: str) -> Level:
    """The level around one that ends. A first SELECT in parentheses gives its WITH to the others like one in none."""
    if level.around is None:
        return level
    outer, member = level.around
    if level.is_operand and level.member is level.first and member is outer.first and following in SET_OPERATORS:
        outer.first_operand = level.first
        member.aliases |= level.first.aliases
    return outer


def _add_source(level: Level, name: str = "", index: int = -1) -> None:
    level.source = Source(name, index)
    selecting(level, level.member).sources.append(level.source)


def _names_source(level: Level, tokens: Sequence[Token], index: int) -> bool:
    """Whether a word or a name is the alias of the table in front of it, or the AS between them."""
    source, token = level.source, tokens[index]
    if source is None:
        return False
    before = _text(tokens, index - 1)
    if before == ".":
        return False
    if token.kind is TokenKind.WORD and token.text.upper() == "AS":
        return True
    level.source = None
    if before != "AS" and token.kind is TokenKind.WORD and token.text.upper() in NO_ALIASES:
        return False
    source.alias = token.name
    return True


def _is_alias(tokens: Sequence[Token], index: int) -> bool:
    """Whether a name is the alias of an expression: behind an AS, or at the end of one in a list."""
    if index == 0:
        return False
    before = tokens[index - 1]
    if before.kind is TokenKind.WORD and before.text.upper() == "AS":
        return True
    is_last = index + 1 == len(tokens) or tokens[index + 1].text.upper() in _BEHIND_AN_ALIAS
    return is_last and before.text != "." and ends_an_expression(before)


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
            level.member, level.is_query = Member(), True
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
    """Whether the three tokens before a parenthesis make it the arguments of IN as a function."""
    words = ["", "", *[token.text.upper() for token in before]]
    name = words.pop()
    if words[-1] == "NOT":
        words.pop()
    return name in _IN_FUNCTIONS and (name != "IN" or words[-1] in _BEFORE_CALLS)


def _behind_point(tokens: Sequence[Token], index: int) -> str:
    """What follows a name with a point in front, which stands there."""
    return _text(tokens, index + 2) if _text(tokens, index) == "." else ""


def _text(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text.upper() if 0 <= index < len(tokens) else ""
