"""Where in the surrounding SQL a template prints a value: in plain SQL, inside a quoted text, or inside a comment."""

from __future__ import annotations

import re

_OPENING = re.compile(r"['\"`]|--|/\*")
_CLOSING = {
    "'": re.compile(r"(?:[^'\\]|\\.)*'", re.DOTALL),
    '"': re.compile(r'(?:[^"\\]|\\.)*"', re.DOTALL),
    "`": re.compile(r"(?:[^`\\]|\\.)*`", re.DOTALL),
    "--": re.compile(r"[^\n]*\n"),
    "/*": re.compile(r".*?\*/", re.DOTALL),
}
_ESCAPES_FROM = {"'": "'", '"': '"', "`": "`", "/*": "*/"}


class Enclosure:
    """Follows the static text of a template in the order in which it is written."""

    def __init__(self) -> None:
        self._open = ""

    @property
    def closing(self) -> str:
        """What would end the text or comment that is open now; empty in plain SQL and in `--` comments."""
        return _ESCAPES_FROM.get(self._open, "")

    def feed(self, text: str) -> None:
        """Read on, over `text`."""
        position = 0
        while True:
            if self._open:
                closed = _CLOSING[self._open].match(text, position)
                if closed is None:
                    return
                position, self._open = closed.end(), ""
            opening = _OPENING.search(text, position)
            if opening is None:
                return
            position, self._open = opening.end(), opening.group()
