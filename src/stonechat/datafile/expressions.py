"""Commas, parentheses and words in expressions that the engine will parse: its tokens, with the depth of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stonechat.datafile.problems import DatafileProblem
from stonechat.datafile.spans import Span
from stonechat.errors import Position
from stonechat.sql.statements import TokenKind
from stonechat.sql.statements import tokens as sql_tokens

_DOTTED = re.compile(r"(?:\.\w+)*", re.ASCII)
_KINDS = {TokenKind.STRING: "text", TokenKind.QUOTED: "quoted"}
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_UNCLOSED = {"/": "*/", "\u2018": "\u2019", "“": "”"}
"""How what begins with a character ends, where it does not end with the same."""


class Unclosed(DatafileProblem):
    """A quotation, parenthesis or bracket is opened and not closed, or closed and not opened."""

    code = "SC112"

    def __init__(self, message: str, position: Position, before: Sequence[Token]) -> None:
        super().__init__(message, position)
        commas = [index for index, token in enumerate(before) if token.text == "," and token.depth == 0]
        self.before = before[: commas[-1] if commas else 0]
        """The tokens in front of the last comma that no parenthesis encloses: what was sound before the fault."""


@dataclass(frozen=True, slots=True)
class Token:
    """A `word`, a string literal (`text`), a name in quotes (`quoted`) or one other character (`symbol`).

    `depth` counts the parentheses and brackets around it; an opening and its closing one stand outside themselves.
    """

    kind: str
    text: str
    start: int
    end: int
    depth: int

    @property
    def upper(self) -> str:
        """The token for comparing with a keyword."""
        return self.text.upper() if self.kind == "word" else self.text

    @property
    def name(self) -> str | None:
        """The name that a word or a quoted identifier stands for."""
        return {"word": self.text, "quoted": self.text[1:-1]}.get(self.kind)


def tokens(span: Span, leading: re.Pattern[str] | None = None) -> list[Token]:
    """The tokens of an expression, comments left out. Raises `Unclosed`.

    `leading` is what else makes a word at the beginning and behind a comma that no parenthesis encloses.
    """
    found: list[Token] = []
    opened: list[tuple[str, int]] = []
    offset = 0
    while offset < len(span.text):
        first = leading is not None and (not found or (found[-1].text == "," and not opened))
        special = leading.match(span.text, offset) if leading and first else None
        kind, end = ("word", special.end()) if special else _next(span, offset, found)
        if kind:
            text = span.text[offset:end]
            if kind == "symbol":
                _balance(span, text, offset, opened, found)
            found.append(Token(kind, text, offset, end, len(opened) - (text in _CLOSING)))
        offset = end
    if opened:
        closing, offset = opened[-1]
        raise Unclosed(f"Expected closing {closing}", span.at(offset), found)
    return found


def _next(span: Span, offset: int, found: Sequence[Token]) -> tuple[str, int]:
    """The kind of what begins at an offset, empty for what means nothing, and where it ends."""
    token = next(sql_tokens(span.text, offset))
    end = offset + len(token.text)
    match token.kind:
        case TokenKind.SPACE | TokenKind.COMMENT:
            return "", end
        case TokenKind.UNFINISHED:
            mark = token.text.lstrip("xXbB")[0]
            raise Unclosed(f"Expected closing {_UNCLOSED.get(mark, mark)}", span.at(offset), found)
        case TokenKind.WORD | TokenKind.NUMBER:
            dotted = _DOTTED.match(span.text, end)
            return "word", dotted.end() if dotted else end
        case kind:
            return _KINDS.get(kind, "symbol"), end


def _balance(span: Span, symbol: str, offset: int, opened: list[tuple[str, int]], found: Sequence[Token]) -> None:
    if symbol in _CLOSING:
        opened.append((_CLOSING[symbol], offset))
    elif symbol in _CLOSING.values() and (not opened or opened.pop()[0] != symbol):
        raise Unclosed(f"Unexpected '{symbol}'", span.at(offset), found)


def split_at_commas(found: Sequence[Token]) -> Iterator[list[Token]]:
    """The runs of tokens between the commas that no parenthesis encloses. One comma makes two, maybe empty ones."""
    run: list[Token] = []
    for token in found:
        if token.text == "," and token.depth == 0:
            yield run
            run = []
        else:
            run.append(token)
    yield run


def group_end(found: Sequence[Token], index: int) -> int:
    """The index behind the parenthesis that closes the one at `index`."""
    depth = found[index].depth
    return next(end for end in range(index + 1, len(found)) if found[end].depth == depth) + 1


def source(span: Span, run: Sequence[Token]) -> str:
    """The text of a run of tokens as written, comments left out."""
    parts: list[str] = []
    for previous, token in zip([None, *run], run, strict=False):
        gap = span.text[previous.end : token.start] if previous else ""
        parts += [gap if gap.isspace() or not gap else " ", token.text]
    return "".join(parts)
