"""Sub-queries in the place of definitions, as `sql.unrolling` has them, in the engine's syntax tree."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from stonechat.sql.references import UnreadableStatement, nodes_of
from stonechat.sql.resolving import Use, names_by_definition, resolved
from stonechat.sql.scopes import Node
from stonechat.sql.tree_scopes import TreeScopes

_MOST_USES = 200


def unroll(tree: Node, found: TreeScopes) -> None:
    """Put a sub-query in the place of each use of a definition, and take the definitions away.

    Raises `UnreadableStatement` where that cannot be done.
    """
    elements = found.queries.values()
    if any(named.member.recursive for named in found.scopes.named) or any("aliases" in each for each in elements):
        raise UnreadableStatement("A name stands for a table and for a definition.", hint="Rename the definition.")
    _Unrolling(found).fill(None, Use(), {})
    for node in list(nodes_of(tree)):
        if "with" in node:
            kept = [each for each in node["with"]["children"] if each["type"] != "WithElement"]
            node["with"]["children"] = kept
            if not kept:
                del node["with"]


class _Unrolling:
    def __init__(self, found: TreeScopes) -> None:
        self._found = found
        self._named_in = names_by_definition(found.scopes)
        self._left = _MOST_USES

    def fill(self, definition: int | None, use: Use, copies: dict[int, Any]) -> None:
        """Fill in what the names in a definition stand for, or those in the statement itself."""
        for named in self._named_in.get(definition, ()):
            stands_for = resolved(named, use)
            if stands_for is not None:
                place = self._found.places[named.index]
                query = self._copy(stands_for, Use(stands_for, (named.level, named.member), use))
                _put(copies.get(id(place), place), query, named.name)

    def _copy(self, definition: int, use: Use) -> dict[str, Any]:
        """What a definition is in one use of it."""
        self._left -= 1
        if self._left < 0:
            raise UnreadableStatement("There are too many definitions in the statement.")
        copies: dict[int, Any] = {}
        query: dict[str, Any] = deepcopy(self._found.queries[definition]["subquery"], copies)
        self.fill(definition, use, copies)
        return query


def _put(place: Any, query: dict[str, Any], name: str) -> None:
    if isinstance(place, list):
        place[1] = query
    else:
        table = place.pop("database_and_table_name")
        place["subquery"] = {**query, "alias": table.get("alias", name)}
