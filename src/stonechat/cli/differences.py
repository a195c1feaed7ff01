"""Texts that differ, as unified differences."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from rich.markup import escape

_STYLES = {"-": "red", "+": "green", "@": "cyan"}
_NO_NEWLINE = "\\ No newline at end of file\n"


def unified(before: str, after: str, names: tuple[str, str]) -> Iterator[str]:
    """The lines of the difference, each with its end."""
    texts = (before.splitlines(keepends=True), after.splitlines(keepends=True))
    for line in difflib.unified_diff(*texts, *names):
        if line.endswith("\n"):
            yield line
        else:
            yield from (f"{line}\n", _NO_NEWLINE)


def coloured(lines: Iterable[str]) -> Iterator[str]:
    """The same lines for `rich`, without their ends."""
    for line in lines:
        style = _STYLES.get(line[0])
        text = escape(line.rstrip("\n"))
        yield f"[{style}]{text}[/{style}]" if style else text
