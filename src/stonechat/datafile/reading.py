"""A datafile's text to the resource that it describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from stonechat.datafile.connection import read_connection
from stonechat.datafile.datasource import read_datasource
from stonechat.datafile.forgotten import block_of, gathered, similar
from stonechat.datafile.instructions import (
    IGNORED,
    IGNORED_IN_PIPES,
    INSTRUCTIONS,
    REFUSED,
    RENAMED,
    FileKind,
    takes_block,
)
from stonechat.datafile.pipe import read_pipe
from stonechat.datafile.problems import DatafileProblem, Findings
from stonechat.datafile.resources import Connection, DataSource, Pipe
from stonechat.datafile.scanner import Instruction, scan, source_lines
from stonechat.datafile.values import check_template, is_name
from stonechat.errors import Position


class InvalidFileName(DatafileProblem):
    """A file's name does not say what its resource is and how it is called."""

    code = "SC115"


class UnknownInstruction(DatafileProblem):
    """A line begins with a word that is no instruction of this kind of file."""

    code = "SC116"


class RefusedInstruction(DatafileProblem):
    """An instruction of the past, or of another edition, that has no meaning here."""

    code = "SC117"


class UnexpectedBlock(DatafileProblem):
    """`COMMAND >` where only one line is allowed."""

    code = "SC118"


_TEXTS = frozenset({"DESCRIPTION", "SCHEMA", "INDEXES", "FORWARD_QUERY"})
"""Instructions in whose values braces are text or SQL."""


def read_datafile(path: str, text: str) -> DataSource | Pipe | Connection:
    """The resource of a file; its extension says of which kind, its stem is the name.

    `path` stands in every position as it is given. `tb_secret` expressions stay in values as text. Raises
    `InvalidDatafile` with all the problems that can be found at once.
    """
    lines = source_lines(text)
    findings = Findings(lines)
    start = Position(path, 1, 1)
    kind = _kind(path, start, findings)
    name = PurePosixPath(path).stem
    if not is_name(name):
        hint = "Use letters, digits and underscores, and begin with no digit"
        findings.report(InvalidFileName(f"'{name}' cannot be the name of a resource", start, hint=hint))
    instructions = _accepted(kind, gathered(kind, lines, scan(path, lines, findings)), findings)
    resource: DataSource | Pipe | Connection
    match kind:
        case FileKind.DATASOURCE:
            resource = read_datasource(name, instructions, start, findings)
        case FileKind.PIPE:
            resource = read_pipe(name, instructions, start, findings)
        case FileKind.CONNECTION:
            resource = read_connection(name, instructions, start, findings)
    findings.raise_if_any(resource if isinstance(resource, Pipe) else None)
    return resource


def _kind(path: str, start: Position, findings: Findings) -> FileKind:
    extension = PurePosixPath(path).suffix.removeprefix(".")
    for kind in FileKind:
        if kind.value == extension:
            return kind
    hint = "Datafiles end in " + ", ".join(f".{kind.value}" for kind in FileKind)
    findings.report(InvalidFileName(f"'{PurePosixPath(path).name}' is no datafile", start, hint=hint))
    findings.raise_if_any()
    raise AssertionError


def _accepted(kind: FileKind, instructions: Sequence[Instruction], findings: Findings) -> list[Instruction]:
    """The instructions that this kind of file takes, older spellings renamed; the others are reported."""
    accepted: list[Instruction] = []
    ignored = IGNORED | IGNORED_IN_PIPES if kind is FileKind.PIPE else IGNORED
    for instruction in instructions:
        command = instruction.command
        if command in ignored:
            findings.notice(ignored[command], instruction.position)
            continue
        with findings.collecting():
            _check(kind, instruction)
            accepted.append(replace(instruction, command=RENAMED.get(command, command)))
            if kind is not FileKind.PIPE and command not in _TEXTS:
                check_template(instruction.value)
    return accepted


def _instead(kind: FileKind, instruction: Instruction) -> str | None:
    """What to write in the place of an unknown instruction."""
    if block := block_of(kind, instruction):
        return f"Lines of {block} stand below `{block} >`, indented"
    close = similar(kind, instruction.command)
    return f"Did you mean {close}?" if close else None


def _check(kind: FileKind, instruction: Instruction) -> None:
    command, position = instruction.command, instruction.position
    if command in REFUSED:
        message, hint = REFUSED[command]
        raise RefusedInstruction(message, position, hint=hint)
    if kind is FileKind.DATASOURCE and command == "NODE":
        hint = "Write nodes in a .pipe file"
        raise RefusedInstruction("Datasource files cannot have nodes defined", position, hint=hint)
    if command not in INSTRUCTIONS[kind]:
        message = f"{command} is not a valid option in {kind.value} files."
        raise UnknownInstruction(message, position, hint=_instead(kind, instruction))
    if instruction.is_block and not takes_block(command):
        raise UnexpectedBlock(f"{command} does not support multiline arguments", position)
