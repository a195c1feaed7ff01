"""Instructions of a `.datasource` file to a data source."""

from __future__ import annotations

from collections.abc import Sequence

from stonechat.datafile.columns import read_columns
from stonechat.datafile.connectors import connector_columns, read_connector
from stonechat.datafile.engines import read_engine
from stonechat.datafile.expressions import tokens
from stonechat.datafile.indexes import read_indexes
from stonechat.datafile.problems import Findings, InvalidValue, MissingInstruction
from stonechat.datafile.resources import Column, DataSource
from stonechat.datafile.scanner import Instruction, last_of_each
from stonechat.datafile.spans import Span
from stonechat.datafile.values import choice, listed, text_of, token_grants
from stonechat.errors import Position


def read_datasource(name: str, instructions: Sequence[Instruction], start: Position, findings: Findings) -> DataSource:
    """The data source that the instructions describe. What is wrong is reported, not raised."""
    given = last_of_each(instructions, findings)
    columns = _columns(given.get("SCHEMA"), start, findings)
    connector = read_connector(given, findings)
    added = connector_columns(connector, columns, start) if columns else ()
    columns += added
    forward_query, indent = _forward_query(given.get("FORWARD_QUERY"), findings)
    return DataSource(
        name=name,
        description=text_of(given.get("DESCRIPTION")),
        columns=columns,
        engine=read_engine(given, {column.name: column for column in columns}, start, findings),
        position=start,
        indexes=read_indexes(given["INDEXES"].value, findings) if "INDEXES" in given else (),
        tokens=token_grants(instructions, ("READ", "APPEND"), findings),
        tags=listed(given["TAGS"].value) if "TAGS" in given else (),
        shared_with=_shared_with(given.get("SHARED_WITH"), findings),
        forward_query=forward_query.text if forward_query else None,
        backfill=_backfill(given.get("BACKFILL"), findings),
        connector=connector,
        notices=findings.notices,
        forward_query_position=forward_query.position if forward_query else None,
        forward_query_indent=indent,
        connector_columns=len(added),
    )


def _columns(schema: Instruction | None, start: Position, findings: Findings) -> tuple[Column, ...]:
    if schema is None or not schema.value.text.strip():
        hint = "Write SCHEMA > and then one column a line, indented"
        findings.report(MissingInstruction("SCHEMA is mandatory", schema.position if schema else start, hint=hint))
        return ()
    return read_columns(schema.value, findings)


def _shared_with(instruction: Instruction | None, findings: Findings) -> tuple[str, ...]:
    lines = [line for line in instruction.value.lines() if not line.text.startswith("#")] if instruction else []
    workspaces = tuple(name for line in lines for entry in listed(line) for name in entry.split())
    if instruction and not workspaces:
        findings.report(InvalidValue("SHARED_WITH needs at least one workspace", instruction.position))
    return workspaces


def _forward_query(instruction: Instruction | None, findings: Findings) -> tuple[Span | None, int]:
    if instruction is None:
        return None, 0
    with findings.collecting():
        if not instruction.is_block or not instruction.value.text.strip():
            hint = "Write FORWARD_QUERY > and the SELECT on the next lines, indented"
            raise InvalidValue("FORWARD_QUERY must be a block of lines", instruction.position, hint=hint)
        for token in tokens(instruction.value):
            if token.depth == 0 and token.upper in {"FROM", "WHERE"}:
                hint = "Write the list of expressions only: rows come from the live version of the data source"
                raise InvalidValue(
                    f"FORWARD_QUERY takes no {token.upper}", instruction.value.at(token.start), hint=hint
                )
        return instruction.value.dedented()
    return None, 0


def _backfill(instruction: Instruction | None, findings: Findings) -> str | None:
    with findings.collecting():
        return choice(instruction, ("skip",)) if instruction else None
    return None
