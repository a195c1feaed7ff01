"""Clauses at the end of a statement that the request decides, not the statement."""

from __future__ import annotations

import re
from dataclasses import replace

from stonechat.engine.contract import Query
from stonechat.sql.references import Ask, classify, without_settings
from stonechat.sql.statements import meaningful_tokens

# Not the function of that name; whether it is a clause is asked of the engine's parser.
_FORMAT_WORD = re.compile(r"\bFORMAT\b(?!\s*\()", re.IGNORECASE)


def without_clauses(query: Query, ask: Ask) -> Query:
    """The same query with its SETTINGS beside the statement, and without a FORMAT clause: the request decides."""
    statement, settings = without_settings(query.statement, ask)
    if "format" in statement.lower() and _FORMAT_WORD.search(statement) and classify(statement, ask).format is not None:
        statement = without_format(statement)
    if statement is query.statement and not settings:
        return query
    return replace(query, statement=statement, settings={**settings, **query.settings})


def without_format(statement: str) -> str:
    """A statement that has a FORMAT clause, which is its end, without it."""
    meant = meaningful_tokens(statement)
    at = max(index for index, token in enumerate(meant) if token.text.upper() == "FORMAT")
    clause, name = meant[at], meant[at + 1]
    return statement[: clause.start] + statement[name.start + len(name.text) :]
