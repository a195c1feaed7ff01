"""SCHEMA in its one layout: a column a line, each with its name in backticks, type, JSONPath, DEFAULT and CODEC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stonechat.datafile.resources import Column
from stonechat.datafile.spans import Span
from stonechat.sql.statements import TokenKind, tokens


@dataclass(slots=True)
class _Comments:
    """The comments that stand with a column: above it, behind it, and on lines below it, which come above the next."""

    above: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)


def schema_lines(schema: Span, columns: Sequence[Column]) -> list[str]:
    """The lines of a SCHEMA that reads as these columns, comments kept, without indentation."""
    starts = [_offset(schema, column) for column in columns]
    above = _comments(schema.text[: starts[0]])
    pending = [*above.above, *above.behind, *above.below]
    lines: list[str] = []
    for column, start, end in zip(columns, starts, [*starts[1:], len(schema.text)], strict=True):
        name_end = start + len(column.name) + 2 * (schema.text[start] in '`"')
        comments = _comments(schema.text[name_end:end])
        comma = "," if column is not columns[-1] else ""
        lines += [*pending, *comments.above, " ".join([_clauses(column) + comma, *comments.behind])]
        pending = comments.below
    return [*lines, *pending]


def _offset(schema: Span, column: Column) -> int:
    row = column.position.line - schema.position.line
    line_start = sum(len(line) + 1 for line in schema.text.split("\n")[:row])
    return line_start + column.position.column - (schema.position.column if row == 0 else 1)


def _clauses(column: Column) -> str:
    clauses = (
        f"`{column.name}`",
        str(column.type) if column.type.name else "",
        f"`json:{column.jsonpath}`" if column.jsonpath is not None else "",
        f"DEFAULT {column.default}" if column.default is not None else "",
        f"CODEC({column.codec})" if column.codec is not None else "",
    )
    return " ".join(filter(None, clauses))


def _comments(text: str) -> _Comments:
    """The comments in the text from one column's name to the next column. One that begins a line may stand above."""
    comments = _Comments()
    begins_line = False
    for token in tokens(text):
        if token.kind is TokenKind.COMMENT:
            text = token.text.rstrip()
            # It takes a blank behind it to make "#" a comment, and none ends a line of this layout.
            (comments.below if begins_line else comments.behind).append("--" if text == "#" else text)
        elif token.kind is TokenKind.SPACE:
            begins_line = begins_line or "\n" in token.text
        elif token.text != ",":
            # The column goes on behind the comments that begin a line.
            comments.above += comments.below
            comments.below = []
            begins_line = False
        else:
            begins_line = False
    return comments
