"""A small lexer of ClickHouse's SQL, and what needs no more than one: a statement's words, and where it ends.

Nothing here decides what a statement may do: that is asked of the engine's own parser, in `sql.references`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


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


# Order matters: a heredoc begins like a word, a comment like an operator. Strings in typographic quotes and those of
# bytes have no escapes. Quantifiers are possessive, and what lacks its closing mark reaches to the end: time is linear.
_TOKEN = re.compile(
    r"""
      (?P<SPACE>[\s\x85\xa0\u180e\u2000-\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff]+)
    | (?P<COMMENT>(?:--|//|\#[ !])[^\n]*)
    | (?P<NESTED>/\*)
    | (?P<HEREDOC>\$\w*\$)
    | (?P<STRING>'(?:[^'\\]+|\\.|'')*+'|[xXbB]'[^']*+'|\u2018[^\u2019]*+\u2019)
    | (?P<QUOTED>`(?:[^`\\]+|\\.|``)*+`|"(?:[^"\\]+|\\.|"")*+"|“[^”]*+”)
    | (?P<UNFINISHED>(?:[xXbB]?'|[`"\u2018“]).*)
    | (?P<NUMBER>(?>
          0[xX][0-9a-fA-F](?:_?[0-9a-fA-F])*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[\d_]*)?
        | (?:0[bB](?=[01]))?\d(?:_?\d)*(?:\.(?:\d(?:_?\d)*)?)?(?:[eE][+-]?(?:\d(?:_?\d)*)?)?
        )(?!\w) | (?<![\w)\]`"”])\.\d(?:_?\d)*(?:[eE][+-]?\d(?:_?\d)*)?)
    | (?P<WORD>[A-Za-z_][\w$]*|\d\w*|\$\w[\w$]*)
    | (?P<PUNCTUATION>\\G|.)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_COMMENT_MARKS = re.compile(r"/\*|\*/")
_HEREDOC_TAG = re.compile(r"\$(?=(\w*\$))", re.ASCII)
_DOLLARS = re.compile(r"\$(?:\w[\w$]*)?", re.ASCII)
_IN_QUOTES = {
    quote: re.compile(
        rb"\\(?:x(?P<byte>[0-9a-fA-F]{2})|(?P<escaped>.))|(?P<doubled>%c)%c" % (quote.encode(), quote.encode()),
        re.DOTALL,
    )
    for quote in '`"'
}
_ESCAPES = {
    b"n": b"\n",
    b"t": b"\t",
    b"r": b"\r",
    b"0": b"\0",
    b"b": b"\b",
    b"f": b"\f",
    b"a": b"\a",
    b"v": b"\v",
    b"e": b"\x1b",
    b"N": b"",
    **{mark: mark for mark in (b"\\", b"'", b'"', b"`", b"/", b"=")},
}
# Not the function of that name.
_FORMAT_WORD = re.compile(r"\bFORMAT\b(?!\s*\()", re.IGNORECASE)
#: Words behind which FORMAT is a name.
_BEFORE_A_NAME = frozenset(
    {
        *("ALL", "AND", "AS", "BETWEEN", "BY", "CASE", "DISTINCT", "DIV", "ELSE", "FROM", "GLOBAL", "HAVING", "ILIKE"),
        *("IN", "IS", "JOIN", "LIKE", "LIMIT", "MOD", "NOT", "OFFSET", "ON", "OR", "PREWHERE", "QUALIFY", "REGEXP"),
        *("SELECT", "THEN", "USING", "WHEN", "WHERE", "WITH"),
    }
)
_MEANINGLESS = {TokenKind.SPACE, TokenKind.COMMENT}


def tokens(statement: str, start: int = 0) -> Iterator[Token]:
    """Cut any text into tokens, from `start` on.

    Never raises: what is not SQL comes as punctuation, or unfinished up to the end.
    """
    last_tags: dict[str, int] = {}
    end = start
    while match := _TOKEN.match(statement, end):
        group = match.lastgroup or "PUNCTUATION"
        start, end = match.span()
        if group == "NESTED":
            kind, end = _comment(statement, end)
        elif group == "HEREDOC":
            last_tags = last_tags or _last_tags(statement)
            kind, end = _heredoc(statement, match.group(), end, last_tags)
        else:
            kind = TokenKind[group]
        yield Token(kind, statement[start:end], start)


def meaningful_tokens(statement: str) -> list[Token]:
    """The tokens without spaces and comments."""
    return [token for token in tokens(statement) if token.kind not in _MEANINGLESS]


def words_of(statement: str) -> frozenset[str]:
    """Every word and quoted identifier outside strings and comments, as written (identifiers without their quotes)."""
    named = {TokenKind.WORD, TokenKind.QUOTED}
    return frozenset(token.name for token in tokens(statement) if token.kind in named)


def without_format_clause(statement: str) -> str:
    """The statement without the FORMAT at its end, if it has one: in another statement there is no place for it."""
    # Few statements have the letters at all.
    if "format" not in statement.lower() or not _FORMAT_WORD.search(statement):
        return statement
    meant = meaningful_tokens(without_end(statement))
    for before, clause, name, behind in zip(meant, meant[1:], meant[2:], [*meant[3:], None], strict=False):
        at_end = behind is None or behind.text.upper() == "SETTINGS"
        if at_end and clause.text.upper() == "FORMAT" and ends_an_expression(before):
            return statement[: clause.start] + statement[name.start + len(name.text) :]
    return statement


def without_end(statement: str) -> str:
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


def ends_an_expression(token: Token) -> bool:
    """Whether what comes behind a token may be no name of a table, column or function."""
    if token.kind is TokenKind.PUNCTUATION:
        return token.text in {")", "]", "}"}
    return token.kind is not TokenKind.WORD or token.text.upper() not in _BEFORE_A_NAME


def _comment(statement: str, end: int) -> tuple[TokenKind, int]:
    """What begins with the comment mark before `end`, and where it ends: comments nest."""
    depth = 1
    for mark in _COMMENT_MARKS.finditer(statement, end):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return TokenKind.COMMENT, mark.end()
    return TokenKind.UNFINISHED, len(statement)


def _last_tags(statement: str) -> dict[str, int]:
    """Where each heredoc tag stands for the last time; without it, every tag that is not closed costs a search."""
    return {f"${match[1]}": match.start() for match in _HEREDOC_TAG.finditer(statement)}


def _heredoc(statement: str, tag: str, end: int, last_tags: dict[str, int]) -> tuple[TokenKind, int]:
    """What begins with the tag before `end`, and where it ends: a string, or without a closing tag a word or `$`."""
    if last_tags[tag] >= end:
        return TokenKind.STRING, statement.index(tag, end) + len(tag)
    start = end - len(tag)
    word = _DOLLARS.match(statement, start)
    assert word is not None
    return (TokenKind.WORD if word.end() > start + 1 else TokenKind.PUNCTUATION), word.end()


def _unquoted(text: str) -> str:
    quote, inside = text[0], text[1:-1]
    if quote == "“":
        return inside
    if "\\" not in inside:
        return inside.replace(quote * 2, quote)
    return _IN_QUOTES[quote].sub(_unescaped, inside.encode("utf-8", "replace")).decode("utf-8", "replace")


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match["byte"]:
        return bytes.fromhex(match["byte"].decode())
    return match["doubled"] or _ESCAPES.get(match["escaped"], match[0])
