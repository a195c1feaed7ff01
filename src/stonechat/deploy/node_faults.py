"""What the engine does not accept of a node's SQL: what is said of it, and where it is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stonechat.datafile.problems import DatafileProblem
from stonechat.datafile.resources import Node, Pipe
from stonechat.datafile.spans import place_in
from stonechat.deploy.placeholders import unknown_name
from stonechat.deploy.tables import without_trials
from stonechat.engine.contract import EngineFailure
from stonechat.errors import Position, StonechatError
from stonechat.project.checks import name_position
from stonechat.project.model import Project
from stonechat.project.service_data_sources import NAMESPACE
from stonechat.sql.statements import without_end
from stonechat.sql.zeros import without_zeros
from stonechat.template.render import MARK, place_of_line

EXPLAIN = "EXPLAIN "
_IN_QUOTES = re.compile("'([^']+)'")
_SETTINGS = re.compile(r"\bSETTINGS\b", re.IGNORECASE)
_FAILED_AT = re.compile(r"failed at position (\d+)")


class InvalidNode(DatafileProblem):
    """The engine does not accept a node's SQL."""

    code = "SC711"


def named_position(node: Node, error: StonechatError) -> Position:
    """Where a node's SQL has what the message of an error names in quotes, such as a table or a function."""
    named = _IN_QUOTES.search(error.message)
    return name_position(node, named[1]) if named else statement_position(node)


def fault_position(
    project: Project, pipe: Pipe, node: Node, failure: EngineFailure, *, sql: str, values: Mapping[str, str] | None
) -> Position | None:
    """Where in a node's SQL a failure lies: a name that is unknown, or where the parser stopped; None where unknown.

    `sql` is the node's statement for these values, or for None that with dummies.
    """
    if unknown := unknown_name(failure):
        return name_position(node, unknown)
    offset = failure_offset(failure, EXPLAIN + sql)
    # Without its settings, or with a database's name, the statement was written anew: offsets are not the file's.
    moved = any(name in sql for name in (NAMESPACE, *(each.workspace.name for each in project.shared.values())))
    if offset is None or moved or _SETTINGS.search(sql) or without_zeros(sql) != sql:
        return None
    template = project.template(pipe, node)
    rendered = template.placeholder() if values is None else template.render(values, secrets=project.secrets)
    own = _own_offset(without_end(rendered.sql), sql, offset - len(EXPLAIN))
    if own is None:
        return None
    place = template.place_of(own, values, project.secrets)
    return place_in(node.sql, place, node.sql_position, node.sql_indent)


def _own_offset(own: str, statement: str, offset: int) -> int | None:
    """Where in a node's own SQL an offset of its statement lies: other nodes are in front of what it selects."""
    left = len(statement) - offset
    if left <= len(own) and own.endswith(statement[offset:]):
        return len(own) - left
    start = statement.rfind(own)
    return offset - start if start >= 0 and 0 <= offset - start <= len(own) else None


def statement_position(node: Node) -> Position:
    """Where a node's SQL begins, behind the mark of a template."""
    start = len(node.sql) - len(node.sql.removeprefix(MARK).lstrip())
    return place_in(node.sql, start, node.sql_position, node.sql_indent)


def tag_position(node: Node, line: int) -> Position:
    """Where the tag of a template is in a line of a node's SQL, counted from 1."""
    return place_in(node.sql, place_of_line(node.sql, line), node.sql_position, node.sql_indent)


def said(failure: EngineFailure) -> str:
    """The engine's message without the list of all that it would have taken, and the databases of the trial."""
    return without_trials(failure.message.partition(". Expected one of: ")[0])


def failure_offset(error: EngineFailure, statement: str) -> int | None:
    """Where in a statement the engine's parser stopped, counted in characters; the engine counts bytes."""
    match = _FAILED_AT.search(error.message)
    return len(statement.encode()[: int(match[1]) - 1].decode(errors="ignore")) if match else None
