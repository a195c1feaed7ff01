"""A stretch of a file's text that knows where it stands."""

from __future__ import annotations

import textwrap
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from stonechat.errors import Position


def place_in(text: str, offset: int, start: Position, indent: int) -> Position:
    """The place of a character of a dedented block: `start` is that of its first, `indent` what later lines lost."""
    lines = text.count("\n", 0, offset)
    column = offset - (text.rfind("\n", 0, offset) + 1)
    return Position(start.file, start.line + lines, column + (indent + 1 if lines else start.column))


@dataclass(frozen=True)
class Span:
    """Text as it stands in a file, from `position` on. Lines of a longer one begin at column 1."""

    text: str
    position: Position

    def at(self, offset: int) -> Position:
        """The place of a character of the text."""
        line = bisect_right(self._line_starts, offset) - 1
        column = offset - self._line_starts[line] + (self.position.column if line == 0 else 1)
        return Position(self.position.file, self.position.line + line, column)

    def part(self, start: int, end: int) -> Span:
        """The text between two offsets, without the white space around it."""
        text = self.text[start:end]
        stripped = text.strip()
        lead = len(text) - len(text.lstrip()) if stripped else 0
        return Span(stripped, self.at(start + lead))

    def lines(self) -> list[Span]:
        """Each line that is not blank, without the white space around it."""
        starts = self._line_starts
        parts = [self.part(start, end) for start, end in zip(starts, [*starts[1:], len(self.text)], strict=True)]
        return [line for line in parts if line.text]

    def dedented(self) -> tuple[Span, int]:
        """A block without its common indentation and the blank lines around it, and how wide that indentation is.

        The span's own position is where its first character stands in the file.
        """
        text = textwrap.dedent(self.text)
        stripped = text.strip()
        lead = len(text) - len(text.lstrip()) if stripped else 0
        line = text.count("\n", 0, lead)
        indent = len(self.text.split("\n", line + 1)[line]) - len(text.split("\n", line + 1)[line])
        start = self._line_starts[line] + indent + lead - (text.rfind("\n", 0, lead) + 1)
        return Span(stripped, self.at(start)), indent

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(index + 1 for index, character in enumerate(self.text) if character == "\n")]
