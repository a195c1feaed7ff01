"""What ENGINE_SORTING_KEY may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stonechat.datafile.expressions import Token, group_end, split_at_commas, tokens
from stonechat.datafile.problems import DatafileProblem, Findings
from stonechat.datafile.resources import Column
from stonechat.datafile.spans import Span
from stonechat.errors import Position

_AGGREGATES = re.compile(r"(?:sum|count|avg|min|max|any|groupArray|groupUniqArray|uniq)(?:Merge)?", re.IGNORECASE)
_BARE_COLUMN = re.compile(r"[A-Za-z]\w*", re.ASCII)


class InvalidSortingKey(DatafileProblem):
    """The sorting key holds what rows cannot be ordered by."""

    code = "SC134"


def is_empty_key(key: Span) -> bool:
    """Whether a key is `tuple()`, or parentheses around nothing: no order at all."""
    return not key.text or not _elements(tokens(key))[0]


def check_sorting_key(key: Span, columns: Mapping[str, Column], version_column: str | None, findings: Findings) -> None:
    """Report each nullable or aggregate column, each aggregate and each unknown column of a key.

    Columns within functions count too, whatever the function makes of them. `version_column` is the one that a
    ReplacingMergeTree tells versions apart by: rows that differ in it must be equal in the key, so it cannot be part of
    it.
    """
    checked: set[str] = set()
    for element in filter(None, _elements(tokens(key))):
        for token, following in zip(element, [*element[1:], None], strict=True):
            if token.name in checked:
                continue
            checked.add(token.name or "")
            with findings.collecting():
                is_called = following is not None and following.text == "(" and token.kind == "word"
                _check_token(token, key.at(token.start), columns, version_column, is_called=is_called)
        name = element[0].name if len(element) == 1 else None
        # Names with dots may be parts of columns, and those with leading underscores are the connectors' own. Without
        # any column, SCHEMA itself is at fault.
        if name and columns and name not in columns and _BARE_COLUMN.fullmatch(name):
            message = f"The sorting key has the column '{name}', which SCHEMA has not"
            findings.report(InvalidSortingKey(message, key.at(element[0].start)))


def _check_token(
    token: Token, where: Position, columns: Mapping[str, Column], version_column: str | None, *, is_called: bool
) -> None:
    if is_called:
        if _AGGREGATES.fullmatch(token.text):
            raise InvalidSortingKey(f"The sorting key has the aggregate function '{token.text}'", where)
    elif column := columns.get(token.name or ""):
        _check_column(column, version_column, where)


def _check_column(column: Column, version_column: str | None, where: Position) -> None:
    name = column.name
    if name == version_column:
        hint = "Rows of one key are versions of each other: leave the column out of the key"
        raise InvalidSortingKey(f"The sorting key has the ENGINE_VER column '{name}'", where, hint=hint)
    if column.nullable:
        hint = "Make the column not nullable, with a DEFAULT for rows without it"
        raise InvalidSortingKey(f"The sorting key has the nullable column '{name}'", where, hint=hint)
    if column.type.name in {"AggregateFunction", "SimpleAggregateFunction"}:
        raise InvalidSortingKey(f"The sorting key has the {column.type.name} column '{name}'", where)


def _elements(found: Sequence[Token]) -> list[list[Token]]:
    """The expressions of a key, whether bare, in parentheses or in `tuple()`."""
    start = 1 if found and found[0].upper == "TUPLE" else 0
    if len(found) > start and found[start].text == "(" and group_end(found, start) == len(found):
        inner = [_raised(token) for token in found[start + 1 : -1]]
        return list(split_at_commas(inner))
    return list(split_at_commas(found))


def _raised(token: Token) -> Token:
    return Token(token.kind, token.text, token.start, token.end, token.depth - 1)
