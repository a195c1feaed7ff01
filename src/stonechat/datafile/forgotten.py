"""Lines of SQL, or of SCHEMA, in front of which `SQL >` or `SCHEMA >` was forgotten: one problem, not one a line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import takewhile

from stonechat.datafile.instructions import INSTRUCTIONS, KNOWN, FileKind, takes_block
from stonechat.datafile.scanner import Instruction
from stonechat.datafile.spans import Span
from stonechat.errors import Position
from stonechat.sql.types import InvalidType, parse_type

_BLOCKS = {FileKind.PIPE: "SQL", FileKind.DATASOURCE: "SCHEMA"}
_BEGINNINGS = ("%", "{", "`", "SELECT", "WITH", "(SELECT", "--", "/*")


def similar(kind: FileKind, command: str) -> str | None:
    """The instruction of this kind of file that an unknown one may be meant to be."""
    close = difflib.get_close_matches(command, sorted(INSTRUCTIONS[kind]), n=1) if len(command) < 50 else []
    return close[0] if close else None


def block_of(kind: FileKind, instruction: Instruction) -> str | None:
    """The block that an unknown instruction is a line of, as far as it alone can tell."""
    command, words = instruction.command, instruction.words
    if command.endswith(">") and takes_block(command[:-1]) and command[:-1] in INSTRUCTIONS[kind]:
        return command[:-1]
    if kind not in _BLOCKS or not (command.startswith(_BEGINNINGS) or _is_column(kind, command, words)):
        return None
    return _BLOCKS[kind]


def _is_column(kind: FileKind, command: str, words: Sequence[Span]) -> bool:
    """Whether a line is the name and the type of a column."""
    if kind is not FileKind.DATASOURCE or not words or similar(kind, command):
        return False
    try:
        parse_type(words[0].text.rstrip(","))
    except InvalidType:
        return False
    return True


def gathered(kind: FileKind, lines: Sequence[str], instructions: Sequence[Instruction]) -> list[Instruction]:
    """The instructions, with lines that belong to a block as that block, so that nothing else is said of them.

    The first of the lines stays in front of its block, for the one problem. Below an instruction that should have been
    a block, such as `SQL` without its `>`, none stays: that instruction is the problem.
    """
    found: list[Instruction] = []
    given: set[str] = set()
    index = 0
    while index < len(instructions):
        instruction = instructions[index]
        command = instruction.command
        given = {command} if command == "NODE" else given | {command}
        index += 1
        block = block_of(kind, instruction) if command not in KNOWN else None
        found.append(instruction)
        if block or _lacks_mark(kind, instruction):
            index += sum(1 for _ in takewhile(lambda item: _continues(item, lines), instructions[index:]))
            if block and block not in given and (kind is not FileKind.PIPE or "NODE" in given):
                found.append(_block(block, lines, instruction, instructions[index : index + 1]))
                given.add(block)
    return found


def _lacks_mark(kind: FileKind, instruction: Instruction) -> bool:
    """Whether it should have been a block. SCHEMA may stand on one line."""
    is_bare = not instruction.is_block and instruction.command == _BLOCKS.get(kind)
    return is_bare and (kind is FileKind.PIPE or not instruction.words)


def _continues(instruction: Instruction, lines: Sequence[str]) -> bool:
    return instruction.command not in KNOWN or lines[instruction.position.line - 1][0].isspace()


def _block(command: str, lines: Sequence[str], first: Instruction, following: Sequence[Instruction]) -> Instruction:
    start = first.position.line + first.command.endswith(">")
    end = following[0].position.line - 1 if following else len(lines)
    place = Position(first.position.file, start, 1)
    return Instruction(command, first.position, Span("\n".join(lines[start - 1 : end]), place), (), is_block=True)
