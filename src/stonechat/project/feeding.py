"""Which data sources feed which: a view runs on the rows that come into the first table of its query, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stonechat.datafile.resources import NodeType, Pipe
from stonechat.project.lineage import Lineage, NodeKey
from stonechat.sql.leftmost import leftmost
from stonechat.template.render import Template


def feeding(
    key: NodeKey, templates: Mapping[NodeKey, Template], lineage: Lineage, seen: set[NodeKey] | None = None
) -> tuple[set[str | None], list[tuple[NodeKey, str]]]:
    """The tables that the rows of a node come from first, and the set operators on the way, with their nodes.

    None among the tables stands for a SELECT without one. `seen` are the nodes that were looked at already.
    """
    seen = set() if seen is None else seen
    tables: set[str | None] = set()
    operators: list[tuple[NodeKey, str]] = []
    if key in templates and key not in seen:
        seen.add(key)
        found = leftmost(templates[key].placeholder().sql)
        operators += [(key, operator.text) for operator in found.operators]
        for table in found.tables:
            inner = (key[0], table or "")
            if table and inner not in lineage.nodes and table in lineage.outputs:
                inner = (table, lineage.outputs[table])
            if inner in lineage.nodes:
                more_tables, more_operators = feeding(inner, templates, lineage, seen)
                tables |= more_tables
                operators += more_operators
            else:
                tables.add(table)
    return tables, operators


def fed_by(
    data_source: str, pipes: Iterable[Pipe], templates: Mapping[NodeKey, Template], lineage: Lineage
) -> Mapping[str, list[str]]:
    """The data sources that materialized pipes fill from the rows of one, directly or through others.

    The nearest come first, each with the pipes that do so.
    """
    views = [pipe for pipe in pipes if pipe.output.type is NodeType.MATERIALIZED]
    feeders = [feeding((pipe.name, pipe.output.name), templates, lineage)[0] for pipe in views]
    found: dict[str, list[str]] = {}
    reached = [data_source]
    for name in reached:
        for pipe, tables in zip(views, feeders, strict=True):
            if name in tables:
                target = pipe.output.options["datasource"]
                found.setdefault(target, []).append(pipe.name)
                reached += [] if target in reached else [target]
    return found
