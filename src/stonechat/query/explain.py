"""What the engine would do for a pipe, without doing it: the statement that a call would run, and the engine's plan.

Secrets are bound parameters. The statement shows their names only; the plan, into which the engine would write their
values, is made for a placeholder in their place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from stonechat.datafile.resources import Node, Pipe
from stonechat.engine.contract import Query
from stonechat.engine.formats import Format
from stonechat.errors import Kind, StonechatError
from stonechat.project.composition import Composed

PLAN = Format("txt", "text/plain; charset=utf-8", "TabSeparatedRaw")
"""How the engine writes a plan."""
_PLACEHOLDER = "secret"


class UnknownNode(StonechatError):
    """The pipe has no node of that name."""

    code = "SC505"
    kind = Kind.MISSING


@dataclass(frozen=True, slots=True)
class Explanation:
    """The SQL of a call, and the plan of the engine for it, one step a line."""

    statement: str
    plan: str


def node_of(pipe: Pipe, name: str) -> Node:
    """A node by its name. Raises `UnknownNode`."""
    for node in pipe.nodes:
        if node.name == name:
            return node
    raise UnknownNode(
        f"The pipe '{pipe.name}' has no node '{name}'", hint=f"It has {', '.join(node.name for node in pipe.nodes)}."
    )


def without_secrets(composed: Composed) -> Composed:
    """The same statement with a placeholder for the value of each secret."""
    return replace(composed, bound=dict.fromkeys(composed.bound, _PLACEHOLDER))


def explaining(query: Query) -> Query:
    """The query for the plan of a query, which must have no SETTINGS clause."""
    return replace(query, statement=f"EXPLAIN\n{query.statement}")
