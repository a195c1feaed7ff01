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
_DEEPEST = 100
_MOST_TOKENS = 100_000


@dataclass(frozen=True, slots=True)
class Leftmost:
    """The leftmost table of a statement, or of each member of its set operations; None stands for one without a table.

    `operators` are the set operators on the way to them.
    """

    tables: tuple[str | None, ...]
    operators: tuple[Token, ...] = ()

    @property
    def united_tables(self) -> Sequence[str]:
        """The tables, each once, if UNIONs alone bring them together and every member has one; else none."""
        plain = [table for table in self.tables if table is not None]
        united = all(_word(operator) == "UNION" for operator in self.operators)
        return list(dict.fromkeys(plain)) if united and len(plain) == len(self.tables) else []


@dataclass(slots=True)
class _Bounds:
    """How much deeper a search may go, and how many tokens it may see: definitions of definitions have no end."""

    tokens: int = _MOST_TOKENS
    depth: int = 0

    def reached(self, listed: Sequence[Token]) -> bool:
        """Take note of some tokens; whether that is enough."""
        self.tokens -= len(listed)
        return self.tokens < 0 or self.depth > _DEEPEST


def leftmost(statement: str) -> Leftmost:
    """Follow the first FROM of a statement into sub-queries, and into what its own WITH defines.

    Of what is nested too deep, or too large, it sees no table.
    """
    return _leftmost(meaningful_tokens(statement), {}, _Bounds())


def as_one_select(statement: str) -> str:
    """The statement, with a SELECT around it where it is a set operation."""
    listed = _bare(meaningful_tokens(statement))
    is_united = any(_unites(listed, index) for index, _ in _outer(listed))
    return f"SELECT * FROM (\n{statement}\n)" if is_united else statement


def fed_by_table(statement: str, table: str) -> str:
    """The statement without what its UNIONs on the way to the leftmost tables bring in from others than this one."""
    parts: list[str] = []
    done = 0
    for start, end, instead in sorted(_left_out(meaningful_tokens(statement), {}, table)):
        parts += [statement[done:start], instead]
        done = end
    return "".join([*parts, statement[done:]])


def united_selects(statement: str) -> Iterator[Sequence[str]]:
    """The SELECTs, each a statement of its own, of each UNION that brings several of the leftmost tables together."""
    yield from _united(statement, meaningful_tokens(statement), {}, "")


def _united(statement: str, listed: Sequence[Token], definitions: _Definitions, outer: str) -> Iterator[Sequence[str]]:
    """`outer` is what stands behind the WITH of all the statements around."""
    listed = _bare(listed)
    definitions = {**definitions, **dict(_definitions(listed))}
    if listed and _word(listed[0]) == "WITH":
        begin = _behind_with(listed)
        own = statement[listed[0].start + len("WITH") : begin.start].strip()
        outer = ", ".join(filter(None, [outer, own]))
        listed = listed[listed.index(begin) :]
    operators = [index for index, _ in _outer(listed) if _unites(listed, index)]
    if not operators:
        _, inner, known = _first_from(listed, definitions)
        yield from () if inner is None else _united(statement, inner, known, outer)
        return
    members = _members(listed, operators)
    if len({_leftmost(member, definitions, _Bounds()).tables for member in members}) > 1:
        given = f"WITH {outer} " if outer else ""
        yield [f"{given}SELECT * FROM ({_text(statement, member)})" for member in members]
    for member in members:
        yield from _united(statement, member, definitions, outer)


def _text(statement: str, listed: Sequence[Token]) -> str:
    return statement[listed[0].start : listed[-1].start + len(listed[-1].text)]


def _left_out(listed: Sequence[Token], definitions: _Definitions, table: str) -> set[tuple[int, int, str]]:
    """Where the members that begin with other tables stand, each with an operator beside it; and what to put there."""
    listed = _bare(listed)
    definitions = {**definitions, **dict(_definitions(listed))}
    operators = [index for index, _ in _outer(listed) if _unites(listed, index)]
    if not operators:
        _, inner, known = _first_from(listed, definitions)
        return set() if inner is None else _left_out(inner, known, table)
    members = _members(listed, operators)
    kept = [table in _leftmost(member, definitions, _Bounds()).tables for member in members]
    first = kept.index(True)
    found = set()
    if first:
        begin = _behind_with(members[0])
        # No parenthesis may follow a WITH.
        instead = "SELECT * FROM " if begin is not members[0][0] and members[first][0].text == "(" else ""
        found.add((begin.start, members[first][0].start, instead))
    for index in range(first + 1, len(members)):
        if not kept[index]:
            last = members[index][-1]
            found.add((listed[operators[index - 1]].start, last.start + len(last.text), ""))
    return found.union(
        *(_left_out(member, definitions, table) for member, stays in zip(members, kept, strict=True) if stays)
    )


def _leftmost(listed: Sequence[Token], definitions: _Definitions, bounds: _Bounds) -> Leftmost:
    if bounds.reached(listed):
        return Leftmost((None,))
    bounds.depth += 1
    found = _leftmost_within(_bare(listed), definitions, bounds)
    bounds.depth -= 1
    return found


def _leftmost_within(listed: Sequence[Token], definitions: _Definitions, bounds: _Bounds) -> Leftmost:
    definitions = {**definitions, **dict(_definitions(listed))}
    operators = [index for index, _ in _outer(listed) if _unites(listed, index)]
    if operators:
        members = [_leftmost(member, definitions, bounds) for member in _members(listed, operators)]
        return Leftmost(
            tuple(table for member in members for table in member.tables),
            (*(listed[index] for index in operators), *(found for member in members for found in member.operators)),
        )
    name, inner, known = _first_from(listed, definitions)
    return Leftmost((name,)) if inner is None else _leftmost(inner, known, bounds)


def _first_from(
    listed: Sequence[Token], definitions: _Definitions
) -> tuple[str | None, Sequence[Token] | None, _Definitions]:
    """The name behind the first FROM, and the sub-query that it stands for or that is there, with what that knows."""
    start = next((index for index, token in _outer(listed) if _word(token) == "FROM"), None)
    behind = listed[start + 1 :] if start is not None else []
    if behind and behind[0].text == "(":
        return None, behind[: _closing(behind, 0) + 1], definitions
    name = behind[0].name if behind else None
    if name is not None and name in definitions:
        return name, definitions[name], {key: definitions[key] for key in definitions if key != name}
    return name, None, definitions


def _members(listed: Sequence[Token], operators: Sequence[int]) -> Sequence[Sequence[Token]]:
    """What the set operators unite, without the ALL or DISTINCT of the operator in front."""
    bounds = zip([-1, *operators], [*operators, len(listed)], strict=True)
    members = [listed[start + 1 : end] for start, end in bounds]
    return [member[1:] if member and _word(member[0]) in {"ALL", "DISTINCT"} else member for member in members]


def _behind_with(member: Sequence[Token]) -> Token:
    """Where the first member itself begins: the WITH in front of it holds for the others, too."""
    if _word(member[0]) != "WITH":
        return member[0]
    return next((token for _, token in _outer(member) if _word(token) in {"SELECT", "FROM"}), member[0])


def _bare(listed: Sequence[Token]) -> list[Token]:
    """Without parentheses, and a semicolon, around all of it."""
    inner = list(listed)
    while inner and inner[-1].text == ";":
        inner.pop()
    for _ in range(_DEEPEST):
        if len(inner) < 2 or inner[0].text != "(" or _closing(inner, 0) != len(inner) - 1:
            break
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
