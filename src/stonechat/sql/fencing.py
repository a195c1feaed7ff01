"""Fences around tables: a statement that reads only those rows of a table for which a condition holds.

Each place that names the table gets `view(SELECT * FROM database.table WHERE condition LIMIT 18446744073709551615)`.
Nothing of the statement gets below that: inside `view` no name from outside is known, so no alias, lambda or common
table expression takes the place of a column or function of the condition; and the engine pushes no predicate below a
LIMIT, so none is evaluated on a row that is out of sight, where its error would tell what is in it.

The engine's own tree is rewritten, and formatted by the engine. Names of the statement's own stay. A table that is
overlooked is not found: such statements run in a database without tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

from stonechat.sql.references import UnreadableStatement, nodes_of
from stonechat.sql.resolving import Uses, may_be_alias, reads_table, uses_of
from stonechat.sql.row_filters import conjunction
from stonechat.sql.scopes import IN_FUNCTIONS, Node, TableName
from stonechat.sql.tree_scopes import TreeScopes, scopes_of_tree
from stonechat.sql.tree_unrolling import unroll

NO_LIMIT = 18_446_744_073_709_551_615
#: Of a table expression: they choose rows or versions of rows of the table itself.
_OF_THE_TABLE = ("final", "sample_size", "sample_offset")
#: With these, no row of the first table is lost or made by a join, so PREWHERE may as well come after it.
_KEEP_THE_FIRST = frozenset({"INNER", "LEFT", "CROSS", "COMMA"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of a table are, and the conditions of which all must hold for a row to be seen; none for all."""

    database: str
    name: str
    conditions: Sequence[Node] = ()


def fence(tree: Node, places: Mapping[TableName, Place], columns: AbstractSet[str]) -> None:
    """Change the tree of a SELECT so that it reads these tables, each in its place and behind its fence.

    `columns` are names that may be columns of the tables: after IN, those come before a table of that name. Raises
    `UnreadableStatement`.
    """
    try:
        found, uses = _resolved(tree, places)
        nodes = list(nodes_of(tree))
        for put in [*_of_databases(nodes, places), *_of_names(found, uses, places, columns)]:
            put()
    except RecursionError:
        raise UnreadableStatement("The statement is nested too deeply.") from None
    for node in nodes:
        if node.get("type") == "SelectQuery" and "prewhere" in node:
            _evaluate_later(node)


def _resolved(tree: Node, places: Mapping[TableName, Place]) -> tuple[TreeScopes, Uses]:
    """The names of a statement and what they stand for, once none of the tables has the name of a definition too."""
    found = scopes_of_tree(tree)
    uses = uses_of(found.scopes)
    both = uses.tables & uses.definitions
    if any(named.index in both and (None, named.name) in places for named in found.scopes.named):
        unroll(tree, found)
        found = scopes_of_tree(tree)
        uses = uses_of(found.scopes)
    return found, uses


def _of_databases(nodes: Sequence[Node], places: Mapping[TableName, Place]) -> Iterator[Callable[[], None]]:
    """Puts fences around the tables that have a database in front."""
    for node in nodes:
        if "database_and_table_name" in node:
            place = places.get(_qualified_name(node["database_and_table_name"]))
            if place is not None:
                yield partial(_fence_table, node, place)
        for listed in _listed(node):
            if (place := places.get(_qualified_name(listed))) is not None:
                yield partial(_fence_set, node["arguments"]["children"], place)


def _listed(node: Node) -> Sequence[Node]:
    """The name behind IN, if a node has one."""
    arguments: list[Node] = node.get("arguments", {}).get("children", [])
    is_in = node.get("type") == "Function" and node["name"].lower() in IN_FUNCTIONS
    return [argument for argument in arguments[1:2] if is_in and argument["type"] == "Identifier"]


def _of_names(
    found: TreeScopes, uses: Uses, places: Mapping[TableName, Place], columns: AbstractSet[str]
) -> Iterator[Callable[[], None]]:
    """Puts fences around those that have none, and are neither the statement's own names nor, behind IN, columns."""
    for named in found.scopes.named:
        if (place := places.get((None, named.name))) is None or not reads_table(named, uses):
            continue
        if named.behind == "FROM":
            yield partial(_fence_table, found.places[named.index], place)
        elif named.name not in columns and not may_be_alias(named, found.scopes):
            yield partial(_fence_set, found.places[named.index], place)


def _qualified_name(named: Node) -> TableName:
    """The database and the name of a table; None for both where it has no database."""
    if "children" in named or "parametrised_alias" in named:
        raise UnreadableStatement("A table is named by a parameter.")
    *database, name = named.get("name_parts") or [named["name"]]
    return (".".join(database), name) if database else (None, "")


def _fence_table(node: Node, place: Place) -> None:
    expression = _changeable(node)
    named = expression["database_and_table_name"]
    if not place.conditions:
        named |= _qualified(place)
        return
    del expression["database_and_table_name"]
    inner = {key: expression.pop(key) for key in _OF_THE_TABLE if key in expression}
    expression["table_function"] = {**_view(place, inner), "alias": named.get("alias", place.name)}


def _fence_set(arguments: list[Node], place: Place) -> None:
    if not place.conditions:
        arguments[1] = {"type": "Identifier", **_qualified(place)}
        return
    expression = {"type": "TableExpression", "table_function": _view(place, {})}
    arguments[1] = {"type": "Subquery", "children": [_select_from(expression)]}


def _evaluate_later(select: Node) -> None:
    """A fence knows no PREWHERE, so what stands there comes first in WHERE."""
    elements = select.get("tables", {}).get("children", [])
    kinds = {element["table_join"].get("kind") for element in elements if "table_join" in element}
    if kinds <= _KEEP_THE_FIRST and any("table_function" in element["table_expression"] for element in elements):
        changed = _changeable(select)
        earlier = changed.pop("prewhere")
        changed["where"] = conjunction([earlier, changed["where"]]) if "where" in changed else earlier


def _view(place: Place, of_the_table: Mapping[str, Any]) -> Node:
    """The call of `view` over the rows of a table that may be seen."""
    named = {"type": "TableIdentifier", **_qualified(place)}
    table = {"type": "TableExpression", "database_and_table_name": named, **of_the_table}
    limit = {"type": "Literal", "value": {"field_type": "UInt64", "value": NO_LIMIT}}
    clauses = {"where": deepcopy(conjunction(place.conditions)), "limit_length": limit}
    if of_the_table:
        # The engine tells no two views apart that differ in SAMPLE alone.
        rows = {"type": "Literal", "value": {"field_type": "String", "value": json.dumps(of_the_table)}}
        clauses["with"] = {"type": "ExpressionList", "children": [rows]}
    arguments = {"type": "ExpressionList", "children": [_select_from(table, **clauses)]}
    return {"type": "Function", "name": "view", "arguments": arguments}


def _select_from(table: Node, **clauses: Node) -> Node:
    element = {"type": "TablesInSelectQueryElement", "table_expression": table}
    select = {
        "type": "SelectQuery",
        "select": {"type": "ExpressionList", "children": [{"type": "Asterisk"}]},
        "tables": {"type": "TablesInSelectQuery", "children": [element]},
        **clauses,
    }
    return {
        "type": "SelectWithUnionQuery",
        "union_mode": "UNION_DEFAULT",
        "list_of_selects": {"type": "ExpressionList", "children": [select]},
    }


def _qualified(place: Place) -> dict[str, Any]:
    return {"name": f"{place.database}.{place.name}", "name_parts": [place.database, place.name]}


def _changeable(node: Node) -> dict[str, Any]:
    """A node of a tree that belongs to this module."""
    assert isinstance(node, dict)
    return node
