"""A small lexer of ClickHouse's SQL, and what needs no more than one: a statement's words, and where its WITH begins.

Nothing here decides what a statement may do: that is asked of the engine's own parser, in `sql.references`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from stonechat.sql.quoting import identifier


class TokenKind(Enum):
    """What a token is. `SPACE` and `COMMENT` mean nothing to the engine; `UNFINISHED` text lacks its closing mark."""

    SPACE = "space"
    COMMENT = "comment"
    STRING = "string"
    QUOTED = "quoted identifier"
    NUMBER = "number"
    WORD = "word"
    PUNCTUATION = "punctuation"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Token:
    """One token: text of the statement from `start`, counted from 0. All texts together are the statement."""

    kind: TokenKind
    text: str
    start: int

    @property
    def name(self) -> str:
        """The identifier that a word or a quoted identifier stands for."""
        return _unquoted(self.text) if self.kind is TokenKind.QUOTED else self.text


# Order matters: a heredoc begins like a word, a comment like an operator. Comments do not nest, as in ClickHouse.
_TOKEN = re.compile(
    r"""
      (?P<SPACE>\s+)
    | (?P<COMMENT>--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
    | (?P<HEREDOC>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<STRING>'(?:[^'\\]|\\.|'')*')
    | (?P<QUOTED>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
    | (?P<UNFINISHED>/\*.*|['`"].*)
    | (?P<NUMBER>0[xXbB][0-9a-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)
    | (?P<WORD>[^\W\d][\w$]*|\$[\w$]*)
    | (?P<PUNCTUATION>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}
_SET_OPERATORS = {"UNION", "EXCEPT", "INTERSECT"}
_SET_QUANTIFIERS = {"ALL", "DISTINCT"}
# What most statements are like, told without cutting them into tokens, which is most of an endpoint's overhead.
_PLAIN_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_WITH_WORD = re.compile(r"\bWITH\b", re.IGNORECASE)
_MEANINGLESS = {TokenKind.SPACE, TokenKind.COMMENT}


def tokens(statement: str) -> Iterator[Token]:
    """Cut any text into tokens. Never raises: what is not SQL comes as punctuation, or unfinished up to the end."""
    for match in _TOKEN.finditer(statement):
        group = match.lastgroup or "PUNCTUATION"
        kind = TokenKind.STRING if group in {"HEREDOC", "tag"} else TokenKind[group]
        yield Token(kind, match.group(), match.start())


def meaningful_tokens(statement: str) -> list[Token]:
    """The tokens without spaces and comments."""
    return [token for token in tokens(statement) if token.kind not in _MEANINGLESS]


def words_of(statement: str) -> frozenset[str]:
    """Every word and quoted identifier outside strings and comments, as written (identifiers without their quotes)."""
    named = {TokenKind.WORD, TokenKind.QUOTED}
    return frozenset(token.name for token in tokens(statement) if token.kind in named)


def with_clause(definitions: Sequence[tuple[str, str]], statement: str) -> str:
    """Put `name AS (sql)` in front of a statement, before the definitions that its own WITH has.

    Names are plain and get quoted here. Each text may end in a comment or semicolons. The members of a UNION see the
    first member's WITH unless they have their own, so those get the definitions too.
    """
    body = _without_end(statement)
    if not definitions:
        return body
    listed = ",\n".join(f"{identifier(name)} AS (\n{_without_end(sql)}\n)" for name, sql in definitions)
    if _PLAIN_SELECT.match(body) and not _WITH_WORD.search(body):
        return f"WITH\n{listed}\n{body}"
    parts: list[str] = []
    done = 0
    for start, end, head in _member_heads(body):
        separator = "," if end > start else "\n"
        parts += [body[done:start], f"{head}\n{listed}{separator}"]
        done = end
    return "".join([*parts, body[done:]])


def _member_heads(statement: str) -> Iterator[tuple[int, int, str]]:
    """Where definitions belong: (start, end) of the WITH to replace, empty where there is none, and what to write."""
    at_start, first = True, True
    opened: list[bool] = []  # for each open parenthesis: does it hold a member, not an expression?
    meant = meaningful_tokens(statement)
    for token, following in zip(meant, [*meant[1:], None], strict=False):
        word = token.text.upper() if token.kind is TokenKind.WORD else token.text
        if word == "(":
            opened.append(at_start)
        elif at_start and word == "WITH":
            recursive = following is not None and following.text.upper() == "RECURSIVE"
            last = following if recursive and following is not None else token
            yield token.start, last.start + len(last.text), "WITH RECURSIVE" if recursive else "WITH"
            at_start, first = False, False
        elif at_start and word not in _SET_QUANTIFIERS:
            if first:
                yield token.start, token.start, "WITH"
            at_start, first = False, False
        elif word in _SET_OPERATORS and all(opened):
            at_start = True
        elif word == ")" and opened:
            opened.pop()


def _without_end(statement: str) -> str:
    """Cut closing semicolons and what surrounds them. A line break after a last comment is the caller's to add."""
    if ";" not in statement:
        return statement.rstrip()
    listed = list(tokens(statement))
    kept = len(listed)
    for index in range(len(listed) - 1, -1, -1):
        if listed[index].text == ";":
            kept = index
        elif listed[index].kind not in _MEANINGLESS:
            break
    return "".join(token.text for token in listed[:kept]).rstrip()


def _unquoted(text: str) -> str:
    quote = text[0]
    inside = text[1:-1].replace(quote * 2, quote)
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), inside, flags=re.DOTALL)
