"""INDEXES: its lines to data skipping indexes."""

from __future__ import annotations

from collections.abc import Sequence

from stonechat.datafile.expressions import Token, group_end, source, tokens
from stonechat.datafile.problems import DatafileProblem, Findings
from stonechat.datafile.resources import Index
from stonechat.datafile.spans import Span


class InvalidIndex(DatafileProblem):
    """A line of INDEXES is no index."""

    code = "SC125"

    def __init__(self, message: str, line: Span, offset: int = 0) -> None:
        super().__init__(message, line.at(offset), hint="An index is: name expression TYPE type(...) GRANULARITY n")


def read_indexes(block: Span, findings: Findings) -> tuple[Index, ...]:
    """The indexes of a block, one a line. Each one that is wrong is reported; the others are returned."""
    indexes: dict[str, Index] = {}
    for line in block.lines():
        with findings.collecting():
            index = _index(line)
            if index is not None and index.name in indexes:
                raise InvalidIndex(f"Index '{index.name}' is defined twice", line)
            if index is not None:
                indexes[index.name] = index
    return tuple(indexes.values())


def _index(line: Span) -> Index | None:
    """The index of a line; None for a line that is only a comment."""
    run = tokens(line)
    if run and run[-1].text == ",":
        run.pop()
    if not run:
        return None
    if len(run) > 1 and run[0].upper == "INDEX" and run[1].upper != "TYPE":
        run = run[1:]
    types = [place for place, token in enumerate(run) if token.upper == "TYPE" and token.depth == 0]
    if len(types) != 1:
        raise InvalidIndex(f"An index needs exactly one TYPE, found {len(types)}", line)
    place = types[0]
    name = run[0].name
    if not name or place < 2:
        raise InvalidIndex("An index needs a name and an expression", line)
    if place + 1 == len(run) or run[place + 1].kind != "word":
        raise InvalidIndex("Missing mandatory value for TYPE", line, run[place].start)
    has_arguments = place + 2 < len(run) and run[place + 2].text == "("
    end = group_end(run, place + 2) if has_arguments else place + 2
    expression, type_ = source(line, run[1:place]), source(line, run[place + 1 : end])
    return Index(name, expression, type_, _granularity(line, run[end:]))


def _granularity(line: Span, run: Sequence[Token]) -> int | None:
    if not run:
        return None
    if len(run) != 2 or run[0].upper != "GRANULARITY" or not _is_count(run[1].text):
        raise InvalidIndex(f"Unexpected '{run[0].text}' after the type of the index", line, run[0].start)
    return int(run[1].text)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0
