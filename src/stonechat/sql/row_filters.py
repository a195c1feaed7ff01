"""Row filters: a condition on the columns of one table, checked by the engine's own parser.

A condition goes into statements as a piece of the syntax tree, never as text. So nothing in it can end the place where
it stands, and it holds no names but those of the table's columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from stonechat.errors import Kind, StonechatError
from stonechat.sql.gate import is_forbidden
from stonechat.sql.references import Ask, tree_of
from stonechat.sql.scopes import Node

LONGEST_FILTER = 8_192
"""Bytes."""
_HINT = "A filter is one condition on the columns of its data source, such as: tenant = 'a' AND day > '2024-01-01'"
#: What a plain call of a function has in the tree: no alias, no window.
_PLAIN_CALL = frozenset({"type", "name", "arguments", "is_operator", "is_lambda_function", "kind"})
_PLAIN_SELECT = frozenset({"type", "select"})
_PLAIN_STATEMENT = frozenset(
    {
        *("type", "union_mode", "list_of_selects"),
        *("is_outfile_append", "is_outfile_truncate", "is_into_outfile_with_stdout"),
    }
)
#: Functions that make more rows, or other ones, of a row.
_NO_CONDITION = frozenset({"arrayjoin", "unnest"})


class InvalidRowFilter(StonechatError):
    """A row filter is not one condition on the columns of its data source."""

    code = "SC518"
    kind = Kind.INVALID

    def __init__(self, problem: str) -> None:
        super().__init__(f"Invalid filter: {problem}", hint=_HINT)


def parse_row_filter(text: str, columns: AbstractSet[str], ask: Ask) -> Node:
    """The syntax tree of a condition on these columns. Raises `InvalidRowFilter`."""
    if len(text.encode(errors="replace")) > LONGEST_FILTER:
        raise InvalidRowFilter(f"it is longer than {LONGEST_FILTER} bytes")
    try:
        tree = tree_of(f"SELECT\n{text}\n", ask)
    except StonechatError as error:
        if error.kind is not Kind.INVALID:
            raise
        raise InvalidRowFilter(error.message) from error
    condition = _only_expression(tree)
    try:
        _check(condition, columns)
    except RecursionError:
        raise InvalidRowFilter("it is nested too deeply") from None
    return condition


def conjunction(conditions: Sequence[Node]) -> Node:
    """One condition that holds where all of these do."""
    if len(conditions) == 1:
        return conditions[0]
    return {"type": "Function", "name": "and", "arguments": {"type": "ExpressionList", "children": list(conditions)}}


def _only_expression(tree: Node) -> Node:
    selects = tree.get("list_of_selects", {}).get("children", [])
    if len(selects) != 1 or selects[0].keys() != _PLAIN_SELECT or not tree.keys() <= _PLAIN_STATEMENT:
        raise InvalidRowFilter("it has a clause behind it")
    if len(selects[0]["select"]["children"]) != 1:
        raise InvalidRowFilter("it is more than one condition")
    expression: Node = selects[0]["select"]["children"][0]
    return expression


def _check(node: Node, columns: AbstractSet[str]) -> None:
    if "alias" in node:
        raise InvalidRowFilter(f"it gives the name '{node['alias']}' to something")
    match node["type"]:
        case "Literal":
            pass
        case "Identifier":
            _check_column(node, columns)
        case "Function":
            _check_call(node, columns)
        case "Subquery":
            raise InvalidRowFilter("it has a sub-query")
        case kind:
            raise InvalidRowFilter(f"it has what no condition on columns needs ({kind})")


def _check_column(node: Node, columns: AbstractSet[str]) -> None:
    parts: list[str] = node.get("name_parts") or [node["name"]]
    # A column of a nested structure has a dot in its name; behind a column, parts of its value may follow.
    known = any(".".join(parts[:count]) in columns for count in range(1, len(parts) + 1))
    if not known or "children" in node:
        raise InvalidRowFilter(f"there is no column '{'.'.join(parts)}'")


def _check_call(node: Node, columns: AbstractSet[str]) -> None:
    name = str(node["name"])
    if not node.keys() <= _PLAIN_CALL or is_forbidden(name.lower()) or name.lower() in _NO_CONDITION:
        raise InvalidRowFilter(f"the function '{name}' is not allowed in it")
    arguments: list[Node] = node.get("arguments", {}).get("children", [])
    if name == "lambda":
        own, *body = arguments
        columns = columns | _lambda_names(own)
        arguments = body
    for argument in arguments:
        _check(argument, columns)


def _lambda_names(node: Node) -> frozenset[str]:
    names = node.get("arguments", {}).get("children", [node])
    return frozenset(str(name["name"]) for name in names if name["type"] == "Identifier")
