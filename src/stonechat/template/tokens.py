"""Text of a template to tokens: text, `{{ expression }}` and `{% statement %}`, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Self

from stonechat.template.errors import TemplateSyntaxError


class Line(int):
    """The number of a line, from 1, and where in the template the tag on it begins whose fault something is."""

    start: int

    def __new__(cls, number: int, start: int) -> Self:
        """Bind the place to the number."""
        line = super().__new__(cls, number)
        line.start = start
        return line


def below(line: int, lines: int) -> int:
    """The line so many below one; for none that one itself, with all that it knows."""
    return line + lines if lines else line


class TokenKind(Enum):
    """What a token is. Comments yield none."""

    TEXT = "text"
    EXPRESSION = "expression"
    STATEMENT = "statement"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` without its braces; tags also without outer blanks. `line` counts from 1 and is where `text` begins.

    `start` is where the token begins in the template, braces included. The line of a tag is a `Line`.
    """

    kind: TokenKind
    text: str
    line: int
    start: int


# Of three and more braces the innermost two open the expression.
_OPENING = re.compile(r"\{(?:\{(?!\{)|[%#])")
_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
_MISSING = {"{{": "Missing end expression }}", "{%": "Missing end block %}", "{#": "Missing end comment #}"}
_EMPTY = {"{{": "Empty expression", "{%": "Empty block tag ({% %})"}
_KIND = {"{{": TokenKind.EXPRESSION, "{%": TokenKind.STATEMENT}


def scan(source: str) -> Iterator[Token]:
    """Yield the tokens of a template in order. Raises `TemplateSyntaxError` for a tag that is empty or never closed."""
    position, line = 0, 1
    while opening := _OPENING.search(source, position):
        if opening.start() > position:
            yield Token(TokenKind.TEXT, source[position : opening.start()], line, position)
            line += source.count("\n", position, opening.start())
        if source.startswith("!", opening.end()):
            yield Token(TokenKind.TEXT, opening.group(), line, opening.start())
            position = opening.end() + 1
            continue
        position = source.find(_CLOSING[opening.group()], opening.end()) + 2
        if position == 1:
            raise _refused(_MISSING[opening.group()], Line(line, opening.start()))
        content = source[opening.end() : position - 2]
        if opening.group() != "{#":
            yield _tag(opening.group(), content, line, opening.start())
        line += content.count("\n")
    if position < len(source):
        yield Token(TokenKind.TEXT, source[position:], line, position)


def _tag(opening: str, content: str, line: int, start: int) -> Token:
    text = content.lstrip()
    line += content.count("\n", 0, len(content) - len(text))
    if not text:
        raise _refused(_EMPTY[opening], Line(line, start))
    place = start + len(opening) + len(content) - len(text)
    return Token(_KIND[opening], text.rstrip(), Line(line, place), start)


def _refused(reason: str, line: int) -> TemplateSyntaxError:
    return TemplateSyntaxError.because(f"{reason} at <string>:{line}", line)
