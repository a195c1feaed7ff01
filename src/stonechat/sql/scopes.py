"""A walk over the engine's syntax tree of one SELECT: which names in it are tables.

A name after FROM or IN may be one of the statement's own: a common table expression, or an alias. The engine looks such
names up where they are *used*, and while a definition is being resolved its name is free again: in
`WITH c AS (SELECT * FROM d), d AS (SELECT * FROM c) SELECT * FROM c` the innermost `c` is a table. So a name hides a
table only if no definition of that name leads back to it; in doubt it is reported as a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

#: A table's database, None where the statement leaves it out, and its name.
TableName = tuple[str | None, str]
#: A node of the tree: its `type`, and what that type has.
Node = Mapping[str, Any]
#: A definition of the statement's own: "cte" or "alias", and its name.
_Key = tuple[str, str]

#: Functions whose second argument may be a table.
IN_FUNCTIONS = frozenset(
    f"{scope}{name}{suffix}"
    for scope in ("", "global")
    for name in ("in", "notin", "nullin", "notnullin")
    for suffix in ("", "ignoreset")
)


#: Columns that the engine gives every table, and that tell how it keeps them.
ENGINE_COLUMNS = frozenset({"_database"})


class UnboundName(LookupError):
    """A `{name:Identifier}` whose value was not given; its only argument is the parameter's name."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a node stands: the definitions that it sees, those that it is part of, and the recursive ones it may call.

    `columns` are the aliases of the SELECT around it, which the queries below that SELECT are not sure to see.
    """

    visible: frozenset[_Key] = frozenset()
    columns: frozenset[_Key] = frozenset()
    inside: tuple[_Key, ...] = ()
    recursive: frozenset[_Key] = frozenset()


@dataclass(slots=True)
class Walk:
    """One pass over a SELECT, which collects what the fields name.

    `leads` says which names each definition uses; `candidates` are tables unless a sound definition hides them.
    """

    parameters: Mapping[str, str]
    functions: set[str] = field(default_factory=set)
    table_functions: set[str] = field(default_factory=set)
    settings: set[str] = field(default_factory=set)
    engine_columns: set[str] = field(default_factory=set)
    leads: dict[_Key, set[_Key]] = field(default_factory=dict)
    candidates: list[tuple[TableName, frozenset[_Key]]] = field(default_factory=list)

    def tables(self) -> frozenset[TableName]:
        """Every candidate that no sound definition hides."""
        circular = {key for key in self.leads if self._leads_back(key)}
        return frozenset(table for table, hidden_by in self.candidates if not hidden_by - circular)

    def visit(self, node: Node, scope: Scope) -> None:
        """Collect from a node and what is below it. Raises `UnboundName`."""
        match node.get("type"):
            case "SelectWithUnionQuery":
                self._visit_union(node, scope)
            case "SelectQuery":
                self._visit_select(node, scope)
            case "Function":
                self.functions.add(node["name"])
                self.visit_arguments(node, scope)
            case "TableExpression" if "table_function" in node:
                self.table_functions.add(node["table_function"]["name"])
                self.visit_arguments(node["table_function"], scope)
                self._visit_parts(node, scope, without={"table_function"})
            case "TableIdentifier":
                self._read(self._parts(node), scope, kinds=("cte",))
            case "Identifier":
                parts = self._parts(node)
                self.engine_columns |= ENGINE_COLUMNS & {parts[-1]}
                self._lead(scope, {("alias", parts[0])})
            case "SetQuery":
                self._collect_settings(node)
            case "ColumnsApplyTransformer":
                self.functions |= {node["func_name"]} if node.get("func_name") else set()
                self._visit_parts(node, scope)
            case "Literal" | "QueryParameter":
                pass
            case _:
                self._visit_parts(node, scope)

    def _visit_parts(self, node: Node, scope: Scope, without: set[str] | None = None) -> None:
        for key, part in node.items():
            if key not in (without or ()):
                for child in part if isinstance(part, list) else [part]:
                    if isinstance(child, dict):
                        self.visit(child, scope)

    def _visit_union(self, node: Node, scope: Scope) -> None:
        """The first member's WITH is also that of the members which have none."""
        members = node["list_of_selects"]["children"]
        shared = members[0].get("with", {}).get("children", []) if members[0]["type"] == "SelectQuery" else []
        below = replace(scope, columns=frozenset())
        # Only the members after the first may call a recursive definition: in the first, its name is still a table's.
        self.visit(members[0], replace(below, recursive=frozenset()))
        for member in members[1:]:
            inherits = member["type"] == "SelectQuery" and "with" not in member
            seen = replace(below, visible=below.visible | _defined(shared)) if inherits else below
            self.visit(member, seen)
        self._visit_parts(node, below, without={"list_of_selects", "format_ast", "out_file"})

    def _visit_select(self, node: Node, scope: Scope) -> None:
        definitions = node.get("with", {}).get("children", [])
        columns = node.get("select", {}).get("children", [])
        seen = replace(scope, visible=scope.visible | _defined(definitions))
        for definition in definitions:
            self._visit_definition(definition, seen, recursive=bool(node.get("recursive_with")))
        seen = replace(seen, columns=_defined(columns))
        for column in columns:
            self._visit_definition(column, seen)
        self._visit_parts(node, seen, without={"with", "select"})

    def _visit_definition(self, node: Node, scope: Scope, *, recursive: bool = False) -> None:
        for key in _defined([node]):
            self.leads.setdefault(key, set())
            scope = replace(scope, inside=(*scope.inside, key))
            if recursive and key[0] == "cte":
                scope = replace(scope, recursive=scope.recursive | {key})
        self.visit(node, scope)

    def visit_arguments(self, function: Node, scope: Scope) -> None:
        """Collect from the arguments of a function, after IN also a name that may be a table."""
        arguments = function.get("arguments", {}).get("children", [])
        for index, argument in enumerate(arguments):
            if index == 1 and function["name"].lower() in IN_FUNCTIONS and argument["type"] == "Identifier":
                self._read(self._parts(argument), scope, kinds=("cte", "alias"))
            else:
                self.visit(argument, scope)
        self._visit_parts(function, scope, without={"arguments"})

    def _read(self, parts: list[str], scope: Scope, *, kinds: tuple[str, ...]) -> None:
        if len(parts) > 1:
            self.candidates.append(((".".join(parts[:-1]), parts[-1]), frozenset()))
            return
        keys = {(kind, parts[0]) for kind in kinds}
        self._lead(scope, keys)
        self.candidates.append(((None, parts[0]), (scope.visible | scope.columns) & keys))

    def _lead(self, scope: Scope, keys: set[_Key]) -> None:
        for definition in scope.inside:
            itself = {definition} if definition in scope.recursive else set()
            self.leads[definition] |= keys - itself

    def _leads_back(self, start: _Key) -> bool:
        seen: set[_Key] = set()
        todo = [start]
        while todo:
            for key in self.leads.get(todo.pop(), ()):
                if key == start:
                    return True
                if key not in seen:
                    seen.add(key)
                    todo.append(key)
        return False

    def _collect_settings(self, node: Node) -> None:
        self.settings |= {change["name"] for change in node.get("changes", ())}
        self.settings |= set(node.get("default_settings", ()))
        self.settings |= {f"param_{parameter['name']}" for parameter in node.get("query_parameters", ())}

    def _parts(self, node: Node) -> list[str]:
        """The parts of a dotted name; the value of a `{name:Identifier}` is one part, whatever it holds."""
        parts: list[str] = list(node.get("name_parts") or [node["name"]])
        bound = iter(node.get("children", ()))
        for index, part in enumerate(parts):
            if not part and (parameter := next(bound, None)) is not None:
                if parameter["name"] not in self.parameters:
                    raise UnboundName(parameter["name"])
                parts[index] = self.parameters[parameter["name"]]
        return parts


def _defined(nodes: list[Node]) -> frozenset[_Key]:
    """The names that WITH elements or columns define, outermost aliases only: those inside a lambda end with it."""
    return frozenset(
        ("cte", node["name"]) if node["type"] == "WithElement" else ("alias", node["alias"])
        for node in nodes
        if node["type"] == "WithElement" or "alias" in node
    )
