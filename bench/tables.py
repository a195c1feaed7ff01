"""Results as tables: aligned text for a terminal, or Markdown for the documentation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_SIGNIFICANT = 3


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table; cells are text, or numbers that get three significant digits."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]

    def text(self) -> str:
        """The table for a terminal: the first column to the left, figures to the right."""
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(_padded(row, widths)) for row in cells]
        rule = "  ".join("-" * width for width in widths)
        return "\n".join([self.title, "", lines[0], rule, *lines[1:]])

    def markdown(self) -> str:
        """The table in Markdown, under its title as a heading."""
        head, *rows = ["| " + " | ".join(row) + " |" for row in self._cells()]
        rule = "| --- |" + " ---: |" * (len(self.columns) - 1)
        return "\n".join([f"## {self.title}", "", head, rule, *rows])

    def _cells(self) -> list[list[str]]:
        body = [[cell if isinstance(cell, str) else figure(cell) for cell in row] for row in self.rows]
        return [list(self.columns), *body]


def figure(value: float) -> str:
    """A number with three significant digits, without an exponent, thousands apart: 12,300; 45.6; 0.00789."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{_SIGNIFICANT - 1}e}")
    digits = _SIGNIFICANT - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(digits, 0)}f}"


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *rest = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
