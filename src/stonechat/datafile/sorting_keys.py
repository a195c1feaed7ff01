"""What ENGINE_SORTING_KEY may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stonechat.datafile.expressions import Token, group_end, split_at_commas, tokens
from stonechat.datafile.problems import DatafileProblem
from stonechat.datafile.resources import Column
from stonechat.datafile.spans import Span

_AGGREGATES = re.compile(r"(?:sum|count|avg|min|max|any|groupArray|groupUniqArray|uniq)(?:Merge)?")
_BARE_COLUMN = re.compile(r"[A-Za-z]\w*", re.ASCII)


class InvalidSortingKey(DatafileProblem):
    """The sorting key holds what rows cannot be ordered by."""

    code = "SC134"


def is_empty_key(key: Span) -> bool:
    """Whether a key is `tuple()`, or parentheses around nothing: no order at all."""
    return not key.text or not _elements(tokens(key))[0]


def check_sorting_key(key: Span, columns: Mapping[str, Column], version_column: str | None) -> None:
    """Raise `InvalidSortingKey` where a key holds a nullable or an aggregate column, an aggregate or an unknown column.

    `version_column` is the one that a ReplacingMergeTree tells versions apart by: rows that differ in it must be equal
    in the key, so it cannot be part of it.
    """
    for element in filter(None, _elements(tokens(key))):
        for token, following in zip(element, [*element[1:], None], strict=True):
            where = key.at(token.start)
            if following and following.text == "(" and _AGGREGATES.fullmatch(token.text):
                raise InvalidSortingKey(f"The sorting key has the aggregate function '{token.text}'", where)
        if len(element) == 1 and element[0].name:
            _check_column(key, element[0], element[0].name, columns)
            if element[0].name == version_column:
                hint = "Rows of one key are versions of each other: leave the column out of the key"
                message = f"The sorting key has the ENGINE_VER column '{version_column}'"
                raise InvalidSortingKey(message, key.at(element[0].start), hint=hint)


def _check_column(key: Span, token: Token, name: str, columns: Mapping[str, Column]) -> None:
    where = key.at(token.start)
    column = columns.get(name)
    if column is None:
        # Names with dots may be parts of columns, and those with leading underscores are the connectors' own. Without
        # any column, SCHEMA itself is at fault.
        if columns and _BARE_COLUMN.fullmatch(name):
            raise InvalidSortingKey(f"The sorting key has the column '{name}', which SCHEMA has not", where)
    elif column.nullable:
        hint = "Make the column not nullable, with a DEFAULT for rows without it"
        raise InvalidSortingKey(f"The sorting key has the nullable column '{name}'", where, hint=hint)
    elif column.type.name == "AggregateFunction":
        raise InvalidSortingKey(f"The sorting key has the AggregateFunction column '{name}'", where)


def _elements(found: Sequence[Token]) -> list[list[Token]]:
    """The expressions of a key, whether bare, in parentheses or in `tuple()`."""
    start = 1 if found and found[0].upper == "TUPLE" else 0
    if len(found) > start and found[start].text == "(" and group_end(found, start) == len(found):
        inner = [_raised(token) for token in found[start + 1 : -1]]
        return list(split_at_commas(inner))
    return list(split_at_commas(found))


def _raised(token: Token) -> Token:
    return Token(token.kind, token.text, token.start, token.end, token.depth - 1)
