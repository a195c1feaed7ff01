"""Fences around tables: a statement that reads only those rows of a table for which a condition holds.

Each place that names the table gets `view(SELECT * FROM database.table WHERE condition LIMIT 18446744073709551615)`.
Nothing of the statement gets below that: inside `view` no name from outside is known, so no alias, lambda or common
table expression takes the place of a column or function of the condition; and the engine pushes no predicate below a
LIMIT, so none is evaluated on a row that is out of sight, where its error would tell what is in it.

The engine's own tree is rewritten, and formatted by the engine. Names of the statement's own stay. A table that is
overlooked is not found: such statements run in a database without tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from stonechat.sql.references import UnreadableStatement
from stonechat.sql.row_filters import conjunction
from stonechat.sql.scopes import IN_FUNCTIONS, Node, Scope, TableName, UnboundName, Walk

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
    fencer = _Fencer({}, places=places, columns=columns)
    try:
        fencer.visit(tree, Scope())
    except UnboundName as error:
        raise UnreadableStatement(f"The parameter '{error}' names a table.") from error
    except RecursionError:
        raise UnreadableStatement("The statement is nested too deeply.") from None
    for edit in fencer.edits:
        edit()


@dataclass(slots=True)
class _Fencer(Walk):
    """The walk that finds the tables; `edits` are made after it, so that it does not walk through them."""

    places: Mapping[TableName, Place] = field(default_factory=dict)
    columns: AbstractSet[str] = frozenset()
    edits: list[Callable[[], None]] = field(default_factory=list)

    def visit(self, node: Node, scope: Scope) -> None:
        """Collect what is to be changed in a node and below it."""
        if node.get("type") == "TableExpression":
            if "database_and_table_name" in node:
                self._visit_table(node, scope)
            elif node.get("table_function", {}).get("name", "").lower() == "view":
                scope = Scope()
        Walk.visit(self, node, scope)
        if node.get("type") == "SelectQuery" and "prewhere" in node:
            self.edits.append(lambda: _evaluate_later(node))

    def _visit_table(self, expression: Node, scope: Scope) -> None:
        named = expression["database_and_table_name"]
        if "children" in named or "parametrised_alias" in named:
            raise UnreadableStatement("A table is named by a parameter.")
        place = self._place(self._parts(named), scope, ("cte",))
        if place is not None:
            self.edits.append(lambda: _fence_table(_changeable(expression), place))

    def visit_arguments(self, function: Node, scope: Scope) -> None:
        """Collect from the arguments of a function, after IN also a table that is to be fenced."""
        Walk.visit_arguments(self, function, scope)
        arguments: list[Node] = function.get("arguments", {}).get("children", [])
        if len(arguments) < 2 or function["name"].lower() not in IN_FUNCTIONS or arguments[1]["type"] != "Identifier":
            return
        parts = self._parts(arguments[1])
        place = self._place(parts, scope, ("cte", "alias"))
        if place is not None and parts[0] not in self.columns:
            self.edits.append(lambda: _fence_set(arguments, place))

    def _place(self, parts: Sequence[str], scope: Scope, kinds: Sequence[str]) -> Place | None:
        """The place of a table; None for a name of the statement's own, and for what is in no place."""
        if len(parts) > 1:
            return self.places.get((".".join(parts[:-1]), parts[-1]))
        defined = any(_is_defined((kind, parts[0]), scope) for kind in kinds)
        return None if defined else self.places.get((None, parts[0]))


def _fence_table(expression: dict[str, Any], place: Place) -> None:
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


def _is_defined(key: tuple[str, str], scope: Scope) -> bool:
    """Whether a name is the statement's own there. Inside its definition it is not yet, unless that is recursive."""
    known = key in scope.visible or key in scope.columns
    return known and (key not in scope.inside or key in scope.recursive)


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
    select = _select_from(table, where=deepcopy(conjunction(place.conditions)), limit_length=limit)
    return {"type": "Function", "name": "view", "arguments": {"type": "ExpressionList", "children": [select]}}


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
