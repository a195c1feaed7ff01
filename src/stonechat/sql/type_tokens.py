"""The tokens of a column type's text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""\s*+(?:
        (?P<word>[A-Za-z_][A-Za-z0-9_]*+)
      | (?P<number>[+-]?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?)
      | (?P<text>'(?:[^'\\]|\\.|'')*+')
      | (?P<quoted>`(?:[^`\\]|\\.)*+`|"(?:[^"\\]|\\.)*+")
      | (?P<open>[(\[]) | (?P<close>[)\]]) | (?P<comma>,)
      | (?P<symbol>\S)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Token:
    """A `word`, `number`, `text`, `quoted` name, `open` or `close` parenthesis, `comma`, or any other `symbol`.

    `offset` counts characters.
    """

    kind: str
    text: str
    offset: int


def tokens(text: str) -> Sequence[Token]:
    """The tokens in their order. A quote that is not closed is a symbol of its own."""
    found = ((match, match.lastgroup or "symbol") for match in _TOKEN.finditer(text.rstrip()))
    return [Token(kind, match[kind], match.start(kind)) for match, kind in found]


def unquoted(text: str) -> str:
    """The name that a quoted one stands for."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text[1:-1], flags=re.DOTALL)
