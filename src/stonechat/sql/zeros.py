"""`zeros` and `zeros_mt`, said with `numbers`: a connection that may only read refuses these two table functions."""

from __future__ import annotations

from stonechat.sql.statements import Token, meaningful_tokens

_NUMBERS = {"zeros": "numbers", "zeros_mt": "numbers_mt"}
_BEFORE = {"FROM", "JOIN", ",", "("}


def without_zeros(statement: str) -> str:
    """The statement with `view(SELECT toUInt8(0) AS zero FROM numbers(n))` in the place of each `zeros(n)`."""
    if "zeros" not in statement:
        return statement
    tokens = meaningful_tokens(statement)
    edits: list[tuple[int, int, str]] = []
    for index, token in enumerate(tokens[:-1]):
        numbers = _NUMBERS.get(token.text)
        if numbers and tokens[index + 1].text == "(" and index and tokens[index - 1].text.upper() in _BEFORE:
            edits.append((token.start, len(token.text), f"view(SELECT toUInt8(0) AS zero FROM {numbers}"))
            edits.append((_closing(tokens, index + 1).start, 1, "))"))
    for start, length, text in sorted(edits, reverse=True):
        statement = statement[:start] + text + statement[start + length :]
    return statement


def _closing(tokens: list[Token], opening: int) -> Token:
    depth = 0
    for token in tokens[opening:]:
        depth += (token.text == "(") - (token.text == ")")
        if not depth:
            return token
    return tokens[-1]
