"""The only place that escapes: names, values and bound parameters on their way into ClickHouse.

`identifier` and `literal` are for statements that the program writes itself. `template_string`, `template_identifier`
and `template_word` write what a template prints, in the form that pipes are known to render to. `parameter_text` is the
text of a server-side bound `{name:Type}` parameter, which the engine parses and never reads as SQL.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_LITERAL = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b"})
_IDENTIFIER = str.maketrans({"\\": "\\\\", "`": "\\`", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b"})
_PARAMETER = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})

_TEMPLATE = {
    "\0": "\\0",
    "\r": "\\r",
    "\b": "\\b",
    "\t": "\\t",
    "\x1a": "\\z",
    "\n": "\\n",
    '"': '\\"',
    "'": "\\'",
    "\\": "\\\\",
    "%": "\\%",
    "`": "\\`",
}
_TEMPLATE_STRING = str.maketrans(_TEMPLATE)
_TEMPLATE_IDENTIFIER = str.maketrans(_TEMPLATE | {'"': ""})
_UNESCAPED = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r", "0": "\0"}
_ESCAPED = re.compile(r"\\([\\tnr0])")
_NEVER_UNESCAPED = frozenset("'\"\\\0")
_PLAIN = re.compile(r"[A-Za-z0-9 _.,:;/@+*()\[\]-]*", re.ASCII)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def identifier(name: str) -> str:
    """A database, table or column name in backquotes; the engine reads back exactly `name`."""
    return f"`{_encodable(name).translate(_IDENTIFIER)}`"


def literal(text: str) -> str:
    """A String literal; the engine reads back exactly `text`."""
    return f"'{_encodable(text).translate(_LITERAL)}'"


def parameter_text(value: object) -> str:
    r"""The text of a bound parameter: tab-separated escaping for scalars, `\N` for None, an array literal for a list.

    Raises TypeError for anything but text, numbers, booleans, None and sequences of them.
    """
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return _encodable(value).translate(_PARAMETER)
    return _parameter_element(value)


def parameter_value(text: str) -> str:
    """The text for which `parameter_text` gives this one."""
    return _ESCAPED.sub(lambda escape: _UNESCAPED[escape[1]], text)


def template_string(text: str, unescaped: str = "") -> str:
    r"""What a template prints for text: quoted and escaped.

    `%` becomes `\%` and Control-Z `\z`, which the engine keeps as two characters. The characters of `unescaped` stay as
    they are, except quotes, backslash and NUL, which would end or change the literal.
    """
    if _PLAIN.fullmatch(text):
        return f"'{text}'"
    if unescaped:
        free = frozenset(unescaped) - _NEVER_UNESCAPED
        return f"'{''.join(c if c in free else _TEMPLATE.get(c, c) for c in _encodable(text))}'"
    return f"'{_encodable(text).translate(_TEMPLATE_STRING)}'"


def template_identifier(name: str) -> str:
    """What a template prints for a name: backquoted and escaped as a string is, double quotes dropped."""
    return f"`{_encodable(name).translate(_TEMPLATE_IDENTIFIER)}`"


def template_word(name: str) -> str:
    """What a template prints for a table or an alias: a plain word bare, anything else backquoted."""
    return name if _WORD.fullmatch(name) else template_identifier(name)


def _parameter_element(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return f"[{','.join(map(_parameter_element, value))}]"
    raise TypeError(f"Only text, numbers, booleans, None and lists of them can be bound, not {type(value).__name__}")


def _encodable(text: str) -> str:
    """Text with lone surrogates, which have no UTF-8, replaced by question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
