"""Markdown pages as the tests of the documentation see them: headings, links, tables and fenced blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
REFERENCE = DOCS / "reference"
_SKIPPED = {"node_modules", "build", "dist", "stonechat-data", "messaging"}
_FENCE = re.compile(r"^(```+)\s*(\w*)\s*$")
_COMMENT = re.compile(r"^<!--\s*(.*?)\s*-->$")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`+[^`]*`+")
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the HTML comment right above it, if any."""

    language: str
    text: str
    line: int
    comment: str
    follows_block: bool


@dataclass(frozen=True)
class Heading:
    """A heading with its depth; `end` is the line where the next one of its depth, or above, begins."""

    depth: int
    text: str
    line: int
    end: int

    @property
    def plain(self) -> str:
        """The text without backticks."""
        return self.text.replace("`", "")

    @property
    def anchor(self) -> str:
        """What a link to it is called where Markdown is shown."""
        return re.sub(r"[^\w\- ]", "", self.plain.lower()).replace(" ", "-")


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """The path from the repository, as test output shows it."""
        return self.path.relative_to(REPOSITORY).as_posix()

    @cached_property
    def lines(self) -> Sequence[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    @cached_property
    def blocks(self) -> Sequence[Block]:
        return list(_blocks(self.lines))

    @cached_property
    def headings(self) -> Sequence[Heading]:
        found = [(number, match) for number, line in self._prose() if (match := _HEADING.match(line))]
        headings = []
        for index, (number, match) in enumerate(found):
            depth = len(match[1])
            later = (after for after, other in found[index + 1 :] if len(other[1]) <= depth)
            headings.append(Heading(depth, match[2], number, next(later, len(self.lines) + 1)))
        return headings

    @cached_property
    def links(self) -> Sequence[str]:
        return [target for _, line in self._prose() for target in _LINK.findall(_CODE.sub("", line))]

    def rows(self, heading: Heading | None = None) -> Sequence[Sequence[str]]:
        """Cells of all table rows of the page, or of the part under a heading; header rows included."""
        first, last = (heading.line, heading.end) if heading else (1, len(self.lines) + 1)
        inside = [line.strip() for number, line in self._prose() if first <= number < last]
        return [
            [cell.strip().replace("\\|", "|") for cell in _CELL.split(line.strip("|"))]
            for line in inside
            if line.startswith("|") and set(line) - set("|-: ")
        ]

    def codes(self, column: int = 0, heading: Heading | None = None) -> list[str]:
        """Everything in backticks in one column of the page's tables."""
        cells = [row[column] for row in self.rows(heading) if len(row) > column]
        return [code for cell in cells for code in re.findall(r"`([^`]+)`", cell)]

    def _prose(self) -> Iterator[tuple[int, str]]:
        fence = ""
        for number, line in enumerate(self.lines, 1):
            match = _FENCE.match(line.strip())
            if match and not fence:
                fence = match[1]
            elif match and match[1] == fence:
                fence = ""
            elif not fence:
                yield number, line


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    above = ""
    follows = False
    fence: re.Match[str] | None = None
    start = 0
    for number, line in enumerate(lines, 1):
        match = _FENCE.match(line)
        if fence is not None:
            if match and match[1] == fence[1] and not match[2]:
                comment = _COMMENT.match(above)
                yield Block(
                    fence[2], "\n".join(lines[start : number - 1]), start, comment[1] if comment else "", follows
                )
                fence, above, follows = None, "", True
        elif match:
            fence, start = match, number
        elif line.strip():
            above, follows = line.strip(), False


def pages() -> list[Page]:
    """Every Markdown file of the repository."""
    found = []
    for path in REPOSITORY.rglob("*.md"):
        parts = path.relative_to(REPOSITORY).parts
        if not any(part.startswith(".") for part in parts) and parts[0] not in _SKIPPED:
            found.append(Page(path))
    return sorted(found, key=lambda page: page.name)


def page(*parts: str) -> Page:
    """One page of the reference."""
    return Page(REFERENCE.joinpath(*parts))
