"""Where the rows of a statement come from first: what a materialized view is fed by.

ClickHouse feeds a view with the rows of the leftmost table of its query, wherever that table stands in it. So a UNION
within it takes part as long as its members begin with that same table; where the query itself is one, only its first
member runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stonechat.sql.statements import Token, TokenKind, meaningful_tokens

_SET_OPERATORS = {"UNION", "EXCEPT", "INTERSECT"}
_SELECTS_BEGIN = {"SELECT", "WITH", "FROM"}
_Definitions = Mapping[str, Sequence[Token]]


@dataclass(frozen=True, slots=True)
class Leftmost:
    """The leftmost table of a statement, or of each member of its set operations; None stands for one without a table.

    `operators` are the set operators on the way to them.
    """

    tables: tuple[str | None, ...]
    operators: tuple[Token, ...] = ()


def leftmost(statement: str) -> Leftmost:
    """Follow the first FROM of a statement into sub-queries, and into what its own WITH defines."""
    return _leftmost(meaningful_tokens(statement), {})


def as_one_select(statement: str) -> str:
    """The statement, with a SELECT around it where it is a set operation."""
    listed = _bare(meaningful_tokens(statement))
    is_united = any(_unites(listed, index) for index, _ in _outer(listed))
    return f"SELECT * FROM (\n{statement}\n)" if is_united else statement


def _leftmost(listed: Sequence[Token], definitions: _Definitions) -> Leftmost:
    listed = _bare(listed)
    definitions = {**definitions, **dict(_definitions(listed))}
    operators = [index for index, _ in _outer(listed) if _unites(listed, index)]
    if operators:
        bounds = zip([-1, *operators], [*operators, len(listed)], strict=True)
        members = [_leftmost(_member(listed[start + 1 : end]), definitions) for start, end in bounds]
        return Leftmost(
            tuple(table for member in members for table in member.tables),
            (*(listed[index] for index in operators), *(found for member in members for found in member.operators)),
        )
    start = next((index for index, token in _outer(listed) if _word(token) == "FROM"), None)
    behind = listed[start + 1 :] if start is not None else []
    if behind and behind[0].text == "(":
        return _leftmost(behind[: _closing(behind, 0) + 1], definitions)
    name = behind[0].name if behind else None
    if name in definitions:
        return _leftmost(definitions[name], {key: definitions[key] for key in definitions if key != name})
    return Leftmost((name,))


def _member(listed: Sequence[Token]) -> Sequence[Token]:
    """A member of a set operation without the ALL or DISTINCT of the operator in front of it."""
    return listed[1:] if listed and _word(listed[0]) in {"ALL", "DISTINCT"} else listed


def _bare(listed: Sequence[Token]) -> list[Token]:
    """Without parentheses, and a semicolon, around all of it."""
    inner = list(listed)
    while inner and inner[-1].text == ";":
        inner.pop()
    while len(inner) > 1 and inner[0].text == "(" and _closing(inner, 0) == len(inner) - 1:
        inner = inner[1:-1]
    return inner


def _outer(listed: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """The tokens that stand in no parentheses, with their places."""
    depth = 0
    for index, token in enumerate(listed):
        depth -= token.text in {")", "]", "}"}
        if depth == 0:
            yield index, token
        depth += token.text in {"(", "[", "{"}


def _closing(listed: Sequence[Token], opening: int) -> int:
    """The place of the parenthesis that closes one, or of the last token."""
    depth = 0
    for index in range(opening, len(listed)):
        depth += (listed[index].text == "(") - (listed[index].text == ")")
        if depth == 0:
            return index
    return len(listed) - 1


def _unites(listed: Sequence[Token], index: int) -> bool:
    """Whether a token is a set operator; `* EXCEPT (a)` is none."""
    if _word(listed[index]) not in _SET_OPERATORS:
        return False
    following = [token for token in listed[index + 1 : index + 8] if _word(token) not in {"ALL", "DISTINCT"}]
    while following and following[0].text == "(":
        following.pop(0)
    return bool(following) and _word(following[0]) in _SELECTS_BEGIN


def _definitions(listed: Sequence[Token]) -> Iterator[tuple[str, Sequence[Token]]]:
    """What the outer WITH defines as sub-queries: `name AS (SELECT ...)`."""
    for index, token in _outer(listed):
        following = [item.text.upper() for item in listed[index + 1 : index + 4]]
        if following[:2] == ["AS", "("] and following[2:] and following[2] in {*_SELECTS_BEGIN, "("}:
            yield token.name, listed[index + 2 : _closing(listed, index + 2) + 1]


def _word(token: Token) -> str:
    return token.text.upper() if token.kind is TokenKind.WORD else ""
