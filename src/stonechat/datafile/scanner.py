"""Text to instructions: the lines of a datafile, every word with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from stonechat.datafile.instructions import KNOWN
from stonechat.datafile.problems import DatafileProblem, Findings
from stonechat.datafile.spans import Span
from stonechat.errors import Position

_EXPRESSION = re.compile(r"\{\{.*?\}\}")
_MARGIN_COMMENT = "#"
# It takes a blank behind a "#" to make a comment for the engine.
_TIGHT_COMMENT = re.compile(r"^([^\S\n]*#)(?![ !])", re.MULTILINE)
_STATEMENTS = frozenset({"SQL", "FORWARD_QUERY"})
_LISTS = frozenset({"SCHEMA", "INDEXES", "SHARED_WITH"})


class UnclosedQuote(DatafileProblem):
    """A quotation begins on a line and does not end on it."""

    code = "SC110"


@dataclass(frozen=True)
class Instruction:
    """One instruction of a file.

    `command` is in upper case. `value` is all that follows it: the rest of the line, without its quotes when it is one
    quoted word and without a comment, or the lines of a block as they stand. `words` are the words of the line.
    """

    command: str
    position: Position
    value: Span
    words: tuple[Span, ...]
    is_block: bool


def source_lines(text: str) -> list[str]:
    """The lines of a file: no byte order mark in front, no line ends, be they those of Unix, Windows or old Macs."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def scan(path: str, lines: Sequence[str], findings: Findings) -> list[Instruction]:
    """The instructions of a file in their order. Lines that cannot be read are reported and skipped."""
    return list(_instructions(path, lines, findings))


def last_of_each(instructions: Iterable[Instruction], findings: Findings) -> dict[str, Instruction]:
    """The instructions by command, TOKEN aside, which may repeat. Of two the last one counts, and a notice says so."""
    given: dict[str, Instruction] = {}
    for instruction in instructions:
        command = instruction.command
        if command in given:
            findings.notice(f"{command} is repeated: the last one counts", instruction.position)
        if command != "TOKEN":
            given[command] = instruction
    return given


def _instructions(path: str, lines: Sequence[str], findings: Findings) -> Iterator[Instruction]:
    number = 0
    while number < len(lines):
        start = Position(path, number + 1, 1)
        line = lines[number]
        number += 1
        words: list[_Word] = []
        with findings.collecting():
            words = list(_words(line, start))
        if not words:
            continue
        command, *arguments = words
        if line[words[-1].end : words[-1].end + 1] == "#":
            where = Span(line, start).at(words[-1].end)
            findings.notice("'#' begins a comment here: put what it belongs to in quotes", where)
        if arguments and arguments[0].raw == ">":
            end = _block_end(command.raw.upper(), lines, number)
            value = Span(_block_text(command.raw.upper(), lines[number:end]), Position(path, number + 1, 1))
            if len(arguments) > 1:
                where = arguments[1].span.position
                findings.notice("What follows '>' on its line has no effect: a block begins on the next line", where)
            number = end
        else:
            value = _value(Span(line, start), command, arguments)
        yield Instruction(
            command=command.raw.upper(),
            position=Position(path, start.line, command.start + 1),
            value=value,
            words=tuple(word.span for word in arguments),
            is_block=bool(arguments) and arguments[0].raw == ">",
        )


def _block_end(command: str, lines: Sequence[str], start: int) -> int:
    end = start
    while end < len(lines):
        line = lines[end]
        if line and not line[0].isspace() and line.split(None, 1)[0].partition("#")[0].upper() in KNOWN:
            break
        end += 1
    return _statement_end(lines, start, end) if command in _STATEMENTS else end


def _statement_end(lines: Sequence[str], start: int, end: int) -> int:
    """Where a statement ends: comments at the margin behind it, such as instructions put aside, are the file's."""
    last = end
    while last > start and (not lines[last - 1].strip() or lines[last - 1].startswith(_MARGIN_COMMENT)):
        last -= 1
    return last if any(line.startswith(_MARGIN_COMMENT) for line in lines[last:end]) else end


def _block_text(command: str, lines: Sequence[str]) -> str:
    """The lines of a block, those of a list with every "#" that begins one made a comment."""
    text = "\n".join(lines)
    return _TIGHT_COMMENT.sub(r"\1 ", text) if command in _LISTS or command.startswith("ENGINE") else text


@dataclass(frozen=True)
class _Word:
    """A word without its quotes, and as it stands in the line between two offsets."""

    span: Span
    raw: str
    start: int
    end: int


def _value(line: Span, command: _Word, arguments: Sequence[_Word]) -> Span:
    if len(arguments) == 1:
        return arguments[0].span
    if not arguments:
        return Span("", line.at(command.end))
    return line.part(arguments[0].start, arguments[-1].end)


def _words(line: str, start: Position) -> Iterator[_Word]:
    """Words as a shell sees them. A quotation, or a `{{ }}` expression, groups what is inside it.

    A quote inside a word that is never closed is an apostrophe. A `#` begins a comment even inside a word.
    """
    here = Span(line, start)
    masked = _masked(line)
    last = {quote: masked.rfind(quote) for quote in "'\""}
    offset = 0
    while True:
        while offset < len(line) and masked[offset].isspace():
            offset += 1
        if offset == len(line) or masked[offset] == "#":
            return
        if last.get(masked[offset]) == offset:
            raise UnclosedQuote(f"Expected closing {line[offset]}", here.at(offset))
        end = _word_end(masked, offset, last)
        raw = line[offset:end]
        quoted = raw[0] in last and masked.index(raw[0], offset + 1) == end - 1
        span = Span(raw[1:-1], here.at(offset + 1)) if quoted else Span(raw, here.at(offset))
        yield _Word(span, raw, offset, end)
        offset = end


def _masked(line: str) -> str:
    """The line with other characters for those of `{{ }}` expressions: their blanks and quotes separate no words."""
    end = line.rfind("}}") + 2
    return _EXPRESSION.sub(lambda match: "_" * len(match[0]), line[:end]) + line[end:] if end > 1 else line


def _word_end(line: str, offset: int, last: dict[str, int]) -> int:
    """The end of the word at an offset. `last` tells where each quote occurs for the last time."""
    while offset < len(line) and not line[offset].isspace() and line[offset] != "#":
        if last.get(line[offset], -1) > offset:
            offset = line.index(line[offset], offset + 1)
        offset += 1
    return offset
