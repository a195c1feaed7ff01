"""Where in the surrounding SQL a template prints a value: in plain SQL, inside a quoted text, or inside a comment."""

from __future__ import annotations

import re

_OPENING = re.compile(r"['\"`\u2018“]|--|//|#(?=[ !])|/\*|(?<![\w$])\$\w*\$", re.ASCII)
_LINE_COMMENTS = frozenset({"--", "//", "#"})
_LINE_END = re.compile(r"[^\n]*\n")
_COMMENT_MARK = re.compile(r"/\*|\*/")
_CLOSING = {
    "'": re.compile(r"(?:[^'\\]|\\.)*'", re.DOTALL),
    '"': re.compile(r'(?:[^"\\]|\\.)*"', re.DOTALL),
    "`": re.compile(r"(?:[^`\\]|\\.)*`", re.DOTALL),
    "\u2018": re.compile(r"[^\u2019]*\u2019"),
    "“": re.compile(r"[^”]*”"),
    **dict.fromkeys(_LINE_COMMENTS, _LINE_END),
}
# Comments nest: one that opens inside would end later than the template says.
_FORBIDDEN = {"\u2018": ("\u2019",), "“": ("”",), "/*": ("*/", "/*"), **dict.fromkeys(_LINE_COMMENTS, ())}


class Enclosure:
    """Follows the static text of a template in the order in which it is written."""

    def __init__(self) -> None:
        self._open = ""
        self._depth = 0

    @property
    def forbidden(self) -> tuple[str, ...]:
        """What would change where the open text or comment ends; nothing in plain SQL and in comments of one line."""
        if not self._open:
            return ()
        return _FORBIDDEN.get(self._open, (self._open,))

    def feed(self, text: str) -> None:
        """Read on, over `text`."""
        position = 0
        while True:
            if self._open:
                closed = self._closed(text, position)
                if closed is None:
                    return
                position, self._open = closed.end(), ""
            opening = _OPENING.search(text, position)
            if opening is None:
                return
            position, self._open, self._depth = opening.end(), opening.group(), 1

    def _closed(self, text: str, position: int) -> re.Match[str] | None:
        """What ends the text or comment that is open; None when it goes on behind `text`."""
        if self._open == "/*":
            for mark in _COMMENT_MARK.finditer(text, position):
                self._depth += 1 if mark.group() == "/*" else -1
                if self._depth == 0:
                    return mark
            return None
        if self._open.startswith("$"):
            return re.compile(re.escape(self._open)).search(text, position)
        return _CLOSING[self._open].match(text, position)
