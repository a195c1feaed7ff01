"""The nodes of a pipe: their SQL, their types and the settings of each type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stonechat.datafile.problems import DatafileProblem, Findings, InvalidValue, MissingInstruction, MissingSettings
from stonechat.datafile.resources import Node, NodeType
from stonechat.datafile.scanner import Instruction, last_of_each
from stonechat.datafile.schedules import schedule
from stonechat.datafile.spans import Span
from stonechat.datafile.values import choice, is_templated, name_of, switch, text_of


class EmptyQuery(DatafileProblem):
    """A node has no SQL."""

    code = "SC141"


class UnmarkedTemplate(DatafileProblem):
    """A node's SQL has template expressions and does not say that it is a template."""

    code = "SC142"


class InvalidAttribute(DatafileProblem):
    """A node has a setting that its type does not take."""

    code = "SC143"

    def __init__(self, kind: NodeType, node: str, instruction: Instruction) -> None:
        super().__init__(
            f"{kind.value.capitalize()} node '{node}' has an invalid attribute ({instruction.command.lower()})",
            instruction.position,
        )


_Reader = Callable[[Instruction], str]


def _text(instruction: Instruction) -> str:
    return instruction.value.text


def _one_of(*options: str, templated: bool = False) -> _Reader:
    return lambda instruction: choice(instruction, options, templated=templated)


def _schedule(instruction: Instruction) -> str:
    return schedule(instruction, ("@on-demand",), cron=True)


def _copy_schedule(instruction: Instruction) -> str:
    if is_templated(instruction.value.text):
        hint = "Write the schedule into the file"
        raise InvalidValue("tb_secret is not supported in COPY_SCHEDULE", instruction.value.position, hint=hint)
    return _schedule(instruction)


def _seconds(instruction: Instruction) -> str:
    text = instruction.value.text or "60"
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidValue(
            f"Invalid value '{text}' for CACHE", instruction.value.position, hint="Give a number of seconds"
        )
    return str(int(text))


_BLOB_SINK = {
    "EXPORT_BUCKET_URI": _text,
    "EXPORT_FILE_TEMPLATE": _text,
    "EXPORT_FORMAT": _one_of("csv", "ndjson", "parquet", templated=True),
    "EXPORT_COMPRESSION": _text,
    "EXPORT_STRATEGY": _one_of("@new", "new", "truncate", templated=True),
    "EXPORT_WRITE_STRATEGY": _one_of("@new", "new", "truncate", templated=True),
}
_ATTRIBUTES: Mapping[NodeType, Mapping[str, _Reader]] = {
    NodeType.STANDARD: {},
    NodeType.ENDPOINT: {"CACHE": _seconds},
    NodeType.MATERIALIZED: {"DATASOURCE": name_of, "DEPLOYMENT_METHOD": _one_of("alter")},
    NodeType.COPY: {
        "TARGET_DATASOURCE": name_of,
        "COPY_SCHEDULE": _copy_schedule,
        "COPY_MODE": _one_of("append", "replace"),
        "ON_DEMAND_COMPUTE": switch,
    },
    NodeType.SINK: {
        "EXPORT_CONNECTION_NAME": _text,
        "EXPORT_SCHEDULE": _schedule,
        "EXPORT_KAFKA_TOPIC": _text,
        **_BLOB_SINK,
    },
}
"""What each type of node takes, and how it is read."""

_REQUIRED: Mapping[NodeType, tuple[str, ...]] = {
    NodeType.MATERIALIZED: ("DATASOURCE",),
    NodeType.COPY: ("TARGET_DATASOURCE",),
    NodeType.SINK: ("EXPORT_CONNECTION_NAME", "EXPORT_SCHEDULE"),
}


@dataclass(slots=True)
class NodeDraft:
    """A NODE line and the instructions that follow it."""

    start: Instruction
    instructions: list[Instruction] = field(default_factory=list)

    def read(self, findings: Findings) -> Node | None:
        """The node, or None when it has no proper name. What is wrong is reported, not raised."""
        name: str | None = None
        with findings.collecting():
            name = name_of(self.start)
        given = last_of_each(self.instructions, findings)
        shown = name or self.start.value.text
        kind = _type(given.get("TYPE"), findings)
        query, indent = _query(shown, self.start, given.get("SQL"), findings)
        options = _options(shown, kind, given, findings)
        if name is None:
            return None
        return Node(
            name=name,
            sql=query.text,
            type=kind,
            description=text_of(given.get("DESCRIPTION")),
            position=self.start.position,
            sql_position=query.position,
            sql_indent=indent,
            options=options,
        )


def _type(instruction: Instruction | None, findings: Findings) -> NodeType:
    with findings.collecting():
        if instruction is not None and instruction.value.text.lower() == "stream":
            findings.notice("TYPE stream is of the past and has no effect", instruction.position)
        elif instruction is not None and instruction.value.text:
            return NodeType(choice(instruction, [kind.value for kind in NodeType]))
    return NodeType.STANDARD


def _query(node: str, start: Instruction, instruction: Instruction | None, findings: Findings) -> tuple[Span, int]:
    with findings.collecting():
        if instruction is None:
            raise MissingInstruction(f"Node '{node}' has no SQL", start.position)
        if not instruction.is_block:
            hint = "Write SQL > and the query on the next lines, indented"
            raise InvalidValue("SQL must be a block of lines", instruction.position, hint=hint)
        query, indent = instruction.value.dedented()
        if not query.text.removeprefix("%").strip():
            raise EmptyQuery("Empty query", instruction.position)
        if "{{" in query.text and not query.text.startswith("%"):
            message = f"The SQL of node '{node}' has template expressions and is no template"
            where = instruction.value.at(instruction.value.text.index("{{"))
            raise UnmarkedTemplate(message, where, hint="Begin the SQL with a line that is just %")
        return query, indent
    return Span("", start.position), 0


def _options(node: str, kind: NodeType, given: Mapping[str, Instruction], findings: Findings) -> dict[str, str]:
    readers = _ATTRIBUTES[kind]
    required = _REQUIRED.get(kind, ())
    if kind is NodeType.SINK and "EXPORT_KAFKA_TOPIC" in given:
        readers = {command: reader for command, reader in readers.items() if command not in _BLOB_SINK}
    elif kind is NodeType.SINK:
        required += ("EXPORT_BUCKET_URI", "EXPORT_FILE_TEMPLATE")
    options: dict[str, str] = {}
    for command, instruction in given.items():
        if command in {"SQL", "TYPE", "DESCRIPTION"}:
            continue
        with findings.collecting():
            if command in readers:
                options[command.lower()] = readers[command](instruction)
            elif kind is NodeType.ENDPOINT:
                findings.notice(f"{command} has no effect on an endpoint", instruction.position)
            else:
                raise InvalidAttribute(kind, node, instruction)
    missing = [command.lower() for command in required if command not in given or not given[command].value.text]
    if missing:
        findings.report(MissingSettings(f"{kind.value} node", missing, given["TYPE"].position))
    return options
