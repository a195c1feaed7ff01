"""What a statement looks like without its values: what is found out of one holds for all that differ in values alone.

Calls of an endpoint, and statements that an application makes, are such.
"""

from __future__ import annotations

import re

# Strings, and what may hold a quote without being one. From what only the lexer can end, all is kept. Each alternative
# begins with a character of its own: the search then skips quickly what begins none. Only strings end in a group.
_STRINGS = re.compile(
    r"""
      --[^\n]* | //[^\n]* | \#[ !][^\n]*
    | `(?:[^`\\]+|\\.|``)*+` | "(?:[^"\\]+|\\.|"")*+"
    | /\*(?:[^*/]+|\*(?!/)|/(?!\*))*+\*/
    | /\*.* | [$].* | \u2018.* | “.* | `.* | ".* | '(?<=\b[xXbB]').*
    | '(?:[^'\\]+|\\.|'')*+'()
    """,
    re.DOTALL | re.VERBOSE,
)
# Text in which a quotation mark can only begin or end a string: no comment, no other quotes, no escapes, no parameter.
_PLAIN = re.compile(
    r"(?:[A-Za-z0-9_ \t\n(),.=<>!+*%:;?\[\]|]|-(?!-)|/(?![/*])|(?<![A-Za-z0-9_])'[^'\\\0]*+')*+", re.ASCII
)
_VALUES = re.compile(r"'[^']*+'|(?<![\w.$])\d{1,15}(?:\.\d{1,15})?(?![\w.])", re.ASCII)


_REMEMBERED = 256
_LONGEST_REMEMBERED = 20_000
_known: dict[str, str] = {}


def skeleton(statement: str) -> str:
    """The statement with nothing in its strings; comments, names and numbers stay.

    Several stages on the way of one statement ask for it: the latest are remembered.
    """
    found = _known.get(statement)
    if found is None:
        found = _skeleton(statement)
        remember_skeleton(statement, found)
    return found


def remember_skeleton(statement: str, found: str) -> None:
    """Have the skeleton of a statement, which is known to whoever made it of another, for those who ask next."""
    if len(statement) > _LONGEST_REMEMBERED:
        return
    if len(_known) >= _REMEMBERED:
        _known.clear()
    _known[statement] = found


def plain_skeleton(statement: str) -> str | None:
    """The statement with one and the same value for every string and number, if it is so plain that nobody could read
    it in two ways: two statements of one such skeleton name the same tables, functions and settings.
    """
    if not _PLAIN.fullmatch(statement):
        return None
    return _VALUES.sub(lambda match: "''" if match[0][0] == "'" else "0", statement)


def _skeleton(statement: str) -> str:
    return _STRINGS.sub(_emptied, statement)


def _emptied(match: re.Match[str]) -> str:
    return match[0] if match.lastindex is None else "''"
