"""Conditions that callers write, for statements of the program's own: `DELETE WHERE ...` and the like."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from stonechat.errors import Kind, StonechatError
from stonechat.sql.gate import require_read_only
from stonechat.sql.quoting import identifier, literal
from stonechat.sql.references import Ask, classify
from stonechat.sql.scopes import TableName
from stonechat.sql.statements import TokenKind, meaningful_tokens

_OPENING = {"(": ")", "[": "]", "{": "}"}
LONGEST_CONDITION = 65_536


class InvalidCondition(StonechatError):
    """The condition is empty, is more than one expression, or makes no sense over its table."""

    code = "SC530"
    kind = Kind.INVALID


def checked_condition(condition: str, table: str, tables: AbstractSet[str], ask: Ask) -> str:
    """The condition as the engine writes it, in parentheses, to stand behind WHERE in a statement over `table`.

    It may name the columns of `table` and, in sub-queries, `tables`. Raises `InvalidCondition`, `UnreadableStatement`
    or a `SQLNotAllowed`.
    """
    if not condition.strip() or len(condition) > LONGEST_CONDITION:
        raise InvalidCondition("The condition is empty or too long", hint="Write one like: day < '2024-01-01'.")
    begin = f"SELECT 1 FROM {identifier(table)} WHERE "
    written = _as_the_engine_writes(f"{begin}(\n{condition}\n)", ask)
    start = _as_the_engine_writes(f"{begin}1", ask)[:-1]
    if not written.startswith(start) or not _is_closed(condition) or not _is_closed(written[len(start) :]):
        raise InvalidCondition("The condition must be one expression", hint="Write one like: day < '2024-01-01'.")
    names: set[TableName] = {(None, name) for name in (table, *tables)}
    require_read_only(classify(written, ask), tables=names)
    return f"({written[len(start) :]})"


def _as_the_engine_writes(statement: str, ask: Ask) -> str:
    return ask(f"SELECT formatQuerySingleLine({literal(statement)})").strip()


def _is_closed(text: str) -> bool:
    """Whether every parenthesis is closed by the one that belongs to it, and nothing ends the expression."""
    waiting: list[str] = []
    for token in meaningful_tokens(text):
        if token.kind is TokenKind.UNFINISHED or token.text == ";":
            return False
        if token.text in _OPENING:
            waiting.append(_OPENING[token.text])
        elif token.text in _OPENING.values() and (not waiting or waiting.pop() != token.text):
            return False
    return not waiting
