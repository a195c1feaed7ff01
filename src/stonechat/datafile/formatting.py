"""The one layout of a datafile: what it says stays the same, comments included, and formatting again changes nothing.

Instructions begin their lines, in upper case and under their present names. Blocks are indented by four spaces and set
off by blank lines. SCHEMA has one column a line; SQL and descriptions keep their text under a new indentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from stonechat.datafile.format_schema import schema_lines
from stonechat.datafile.instructions import RENAMED
from stonechat.datafile.problems import Findings
from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import Column, DataSource
from stonechat.datafile.scanner import Instruction, scan, source_lines
from stonechat.datafile.spans import Span
from stonechat.errors import StonechatError

_INDENT = "    "
_TEXTS = frozenset({"DESCRIPTION", "SQL", "FORWARD_QUERY", "KAFKA_SSL_CA_PEM"})
_LISTS = frozenset({"INDEXES", "SHARED_WITH"})


class UnformattableDatafile(StonechatError):
    """Formatting would change what a file says: a fault of this program, not of the file."""

    code = "SC160"


def formatted(path: str, text: str) -> str:
    """A datafile's text in its one layout. Raises `InvalidDatafile` for a file that has problems."""
    resource = read_datafile(path, text)
    columns = resource.schema_columns if isinstance(resource, DataSource) else ()
    lines = source_lines(text)
    result = "\n".join(_layout(lines, scan(path, lines, Findings(lines)), columns)).strip("\n") + "\n"
    if read_datafile(path, result) != resource:
        raise UnformattableDatafile(f"{path} would not say the same when formatted", hint="Leave it as it is.")
    return result


def _layout(lines: Sequence[str], instructions: Sequence[Instruction], columns: Sequence[Column]) -> Iterator[str]:
    number = 0
    before: _Laid | None = None
    in_node = False
    for laid in _laid(lines, instructions):
        instruction, start = laid.instruction, laid.instruction.position.line - 1
        in_node = in_node or instruction.command == "NODE"
        between = _between(lines[number:start])
        if _set_off(before, laid, in_node=in_node) and between[:1] != [""]:
            yield ""
        yield from between
        yield from _instruction(laid, lines[start], columns)
        number = start + 1
        if instruction.is_block:
            number += instruction.value.text.count("\n") + 1
        before = laid
    yield from _between(lines[number:])


@dataclass(frozen=True, slots=True)
class _Laid:
    """An instruction, and whether it comes to stand as a block."""

    instruction: Instruction
    as_block: bool


def _laid(lines: Sequence[str], instructions: Sequence[Instruction]) -> Iterator[_Laid]:
    """A SCHEMA on one line becomes a block, unless comments are below, which would be part of that block."""
    starts = [instruction.position.line for instruction in instructions]
    for instruction, start, following in zip(instructions, starts, [*starts[1:], len(lines) + 1], strict=True):
        unfolds = instruction.command == "SCHEMA" and not any(line.strip() for line in lines[start : following - 1])
        yield _Laid(instruction, instruction.is_block or unfolds)


def _set_off(before: _Laid | None, laid: _Laid, *, in_node: bool) -> bool:
    """Whether a blank line must stand in front: around blocks and nodes, but a node's beginning stays together."""
    command = laid.instruction.command
    if before is None or (in_node and before.instruction.command in {"NODE", "DESCRIPTION"} and command != "NODE"):
        return False
    return before.as_block or command == "NODE" or (laid.as_block and not in_node)


def _between(lines: Sequence[str]) -> list[str]:
    """What stands between instructions: comments, at the margin, and never more than one blank line in a row."""
    found: list[str] = []
    for blank, group in groupby((line.strip() for line in lines), key=lambda line: not line):
        found += [""] if blank else group
    return found


def _instruction(laid: _Laid, line: str, columns: Sequence[Column]) -> Iterator[str]:
    instruction = laid.instruction
    command = RENAMED.get(instruction.command, instruction.command)
    start, end = _value_bounds(instruction, line)
    comment = line[end:].strip()
    value = ">" if laid.as_block and not instruction.is_block else line[start:end]
    yield " ".join(filter(None, (command, value, comment and f" {comment}")))
    if laid.as_block:
        yield from _block(instruction, columns)


def _value_bounds(instruction: Instruction, line: str) -> tuple[int, int]:
    """Where the words behind the command begin and end on their line, with the quotes that they stand in."""
    if not instruction.words:
        end = instruction.position.column - 1 + len(instruction.command)
        return end, end
    first, last = instruction.words[0], instruction.words[-1]
    start, end = first.position.column - 1, last.position.column - 1 + len(last.text)
    return start - _is_quoted(first, line), end + _is_quoted(last, line)


def _is_quoted(word: Span, line: str) -> bool:
    """Words are set apart by white space: another character in front of one is its quote."""
    return not line[word.position.column - 2].isspace()


def _block(instruction: Instruction, columns: Sequence[Column]) -> Sequence[str]:
    value = instruction.value
    if instruction.command == "SCHEMA" and _holds(value, columns[0]):
        return _indented(schema_lines(value, columns))
    if instruction.command in _TEXTS or instruction.command == "SCHEMA":  # one that a later SCHEMA replaces
        return _indented(value.dedented()[0].text.split("\n"))
    if instruction.command in _LISTS:
        return _indented([line.text for line in value.lines()])
    # The lines of an expression are part of its text, indentation included.
    first, *more = value.text.strip().split("\n")
    return [*_indented([first]), *more]


def _holds(block: Span, column: Column) -> bool:
    last = block.position.line + block.text.count("\n")
    return bool(block.text) and block.position.line <= column.position.line <= last


def _indented(lines: Sequence[str]) -> list[str]:
    return [_INDENT + line if line else "" for line in lines]
