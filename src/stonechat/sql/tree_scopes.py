"""The names in the places of tables, and what defines them, found in the engine's syntax tree instead of in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stonechat.sql.levels import Level, Member, Named, Scopes, Source, leave_captured
from stonechat.sql.scopes import IN_FUNCTIONS, Node


@dataclass(slots=True)
class TreeScopes:
    """The names of a tree that have no database in front, and where they stand.

    `places` has for each the table expression that it is in or, behind an IN, the list whose second element it is;
    `queries` has for each definition what it defines.
    """

    scopes: Scopes = field(default_factory=Scopes)
    places: dict[int, Any] = field(default_factory=dict)
    queries: dict[int, Node] = field(default_factory=dict)


def scopes_of_tree(tree: Node) -> TreeScopes:
    """Those of a SELECT. What is named by a parameter is not among them."""
    found = TreeScopes()
    _Search(found).visit(tree, Level())
    leave_captured(found.scopes)
    return found


@dataclass(slots=True)
class _Search:
    """One walk. Names, queries and definitions are numbered as they come."""

    found: TreeScopes
    count: int = 0

    def visit(self, node: Node, level: Level) -> None:
        """Collect from a node and what is below it."""
        match node.get("type"):
            case "SelectWithUnionQuery":
                self._visit_union(node, Level(self._next(), (level, level.member)))
            case "SelectQuery":
                self._visit_select(node, level)
            case "TableExpression":
                self._visit_table(node, level)
            case _:
                if "alias" in node:
                    level.member.aliases.add(node["alias"])
                    self.found.scopes.aliases.add(node["alias"])
                self._visit_parts(node, level)
                if node.get("type") == "Function" and node["name"].lower() in IN_FUNCTIONS:
                    self._note_set(node.get("arguments", {}).get("children", []), level)

    def _visit_parts(self, node: Node, level: Level, without: Sequence[str] = ()) -> None:
        for key, part in node.items():
            if key not in without:
                for child in part if isinstance(part, list) else [part]:
                    if isinstance(child, dict):
                        self.visit(child, level)

    def _visit_union(self, node: Node, level: Level) -> None:
        for index, member in enumerate(node["list_of_selects"]["children"]):
            level.member = level.first if index == 0 else Member()
            if member["type"] == "SelectWithUnionQuery":
                self._visit_union(member, Level(self._next(), (level, level.member), is_operand=True))
            else:
                self.visit(member, level)
        self._visit_parts(node, level, without=("list_of_selects",))

    def _visit_select(self, node: Node, level: Level) -> None:
        member = level.member
        member.has_with, member.recursive = "with" in node, bool(node.get("recursive_with"))
        elements = node.get("with", {}).get("children", [])
        defining = [(self._next(), element) for element in elements if element["type"] == "WithElement"]
        for number, element in defining:
            member.definitions[element["name"]] = number
            self.found.scopes.definitions[number] = element["name"]
            self.found.queries[number] = element
        for number, element in defining:
            self._visit_union(element["subquery"]["children"][0], Level(number, (level, member)))
        for element in elements:
            if element["type"] != "WithElement":
                self.visit(element, level)
        self._visit_parts(node, level, without=("with",))

    def _visit_table(self, node: Node, level: Level) -> None:
        source = Source()
        level.member.sources.append(source)
        if "database_and_table_name" in node:
            self._note_table(node, source, level)
        elif "subquery" in node:
            source.alias = node["subquery"].get("alias", "")
            self._visit_parts(node["subquery"], level)
        elif "table_function" in node:
            called = node["table_function"]
            source.alias = called.get("alias", "")
            inside = Level(self._next(), (level, level.member), called["name"].upper(), is_query=False)
            self._visit_parts(called, inside)
        self._visit_parts(node, level, without=("database_and_table_name", "subquery", "table_function"))

    def _note_table(self, node: Node, source: Source, level: Level) -> None:
        table = node["database_and_table_name"]
        source.alias = table.get("alias", "")
        if "name_parts" not in table and "children" not in table:
            source.name, source.index = table["name"], self._note(table["name"], "FROM", level, node)

    def _note_set(self, arguments: Sequence[Node], level: Level) -> None:
        listed = arguments[1] if len(arguments) > 1 else {}
        if listed.get("type") == "Identifier" and "name_parts" not in listed and "children" not in listed:
            self._note(listed["name"], "IN", level, arguments)

    def _note(self, name: str, behind: str, level: Level, place: Any) -> int:
        number = self._next()
        self.found.scopes.named.append(Named(number, name, behind, level, level.member))
        self.found.places[number] = place
        return number

    def _next(self) -> int:
        self.count += 1
        return self.count
