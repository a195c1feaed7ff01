"""Instructions of a `.pipe` file to a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from stonechat.datafile.nodes import NodeDraft
from stonechat.datafile.problems import DatafileProblem, Findings, MissingInstruction
from stonechat.datafile.resources import Node, NodeType, Pipe
from stonechat.datafile.scanner import Instruction, last_of_each
from stonechat.datafile.values import listed, text_of, token_grants
from stonechat.errors import Position


class MisplacedInstruction(DatafileProblem):
    """An instruction that describes a node stands before the first one."""

    code = "SC144"


class ManyOutputs(DatafileProblem):
    """A pipe has more than one node with a type of its own."""

    code = "SC145"


class TakenNodeName(DatafileProblem):
    """Two nodes share a name, or a node has the name of its pipe."""

    code = "SC146"


_OF_THE_PIPE = frozenset({"DESCRIPTION", "TOKEN", "TAGS"})


def read_pipe(name: str, instructions: Sequence[Instruction], start: Position, findings: Findings) -> Pipe:
    """The pipe that the instructions describe. What is wrong is reported, not raised."""
    own, drafts = _by_node(instructions, findings)
    given = last_of_each(own, findings)
    nodes = tuple(node for node in (draft.read(findings) for draft in drafts) if node)
    if not drafts:
        hint = "A node is NODE name, and SQL > with its query below"
        findings.report(MissingInstruction("A pipe needs at least one NODE", start, hint=hint))
    _check_names(name, nodes, findings)
    _check_outputs(drafts, nodes, findings)
    cache = next((node.options["cache"] for node in nodes if "cache" in node.options), None)
    return Pipe(
        name=name,
        description=text_of(given.get("DESCRIPTION")),
        nodes=nodes,
        position=start,
        tokens=token_grants(own, ("READ",), findings),
        tags=listed(given["TAGS"].value) if "TAGS" in given else (),
        cache_seconds=int(cache) if cache else None,
        notices=findings.notices,
    )


def _by_node(instructions: Sequence[Instruction], findings: Findings) -> tuple[list[Instruction], list[NodeDraft]]:
    """The instructions of the pipe itself, and those of each node. A DESCRIPTION behind a NODE is the node's."""
    own: list[Instruction] = []
    drafts: list[NodeDraft] = []
    for instruction in instructions:
        command = instruction.command
        if command == "NODE":
            drafts.append(NodeDraft(instruction))
        elif command in _OF_THE_PIPE and not (command == "DESCRIPTION" and drafts):
            own.append(instruction)
        elif drafts:
            drafts[-1].instructions.append(instruction)
        else:
            findings.report(MisplacedInstruction(f"{command} must come after a NODE", instruction.position))
    return own, drafts


def _check_names(pipe: str, nodes: Sequence[Node], findings: Findings) -> None:
    seen = {pipe: "the pipe itself"}
    for node in nodes:
        if node.name in seen:
            message = f"The node name '{node.name}' is taken by {seen[node.name]}"
            findings.report(TakenNodeName(message, node.position))
        seen.setdefault(node.name, "another node")


def _check_outputs(drafts: Sequence[NodeDraft], nodes: Sequence[Node], findings: Findings) -> None:
    typed = {node.position for node in nodes if node.type is not NodeType.STANDARD}
    outputs = [draft for draft in drafts if draft.start.position in typed]
    if len(outputs) > 1:
        types = [item for item in outputs[1].instructions if item.command == "TYPE"]
        message = "Multiple non-standard nodes in pipe. There can only be one"
        findings.report(ManyOutputs(message, types[-1].position))
