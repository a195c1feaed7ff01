"""What of a project has to be tried: what is live as it is has been tried already."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from stonechat.deploy.evolution import evolve
from stonechat.project.lineage import NodeKey
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX


@dataclass(frozen=True, slots=True)
class Untried:
    """The nodes whose statements, and the data sources whose tables, are others than those that are live.

    `tables` are all that trying takes: those data sources, what the nodes read, and the targets of views and copies
    among them.
    """

    nodes: AbstractSet[NodeKey]
    tables: AbstractSet[str]


def untried(live: Project, wanted: Project) -> Untried:
    """What of `wanted` has to be tried while `live` is known to be sound."""
    changed = {
        name
        for name, source in wanted.data_sources.items()
        if name not in live.data_sources or evolve(live.data_sources[name], source)
    }
    changed |= {
        name
        for name, shared in wanted.shared.items()
        if name not in live.shared or evolve(live.shared[name].source, shared.source)
    }
    before, after = _texts(live), _texts(wanted)
    lineage = wanted.lineage
    other = {
        key for key, text in after.items()
        if text != before.get(key) or lineage.nodes[key] != live.lineage.nodes[key]
        or not changed.isdisjoint(_without_quarantines(wanted, lineage.nodes[key]))
    }  # fmt: skip
    nodes = {key for key in after if not other.isdisjoint(lineage.statement_nodes(*key))}
    nodes |= {
        (pipe.name, pipe.output.name)
        for pipe in wanted.pipes.values()
        if pipe.name in lineage.targets and (lineage.targets[pipe.name] in changed or pipe != live.pipes.get(pipe.name))
    }
    tables = set(changed)
    for pipe, node in nodes:
        tables.update(*(lineage.nodes[key] for key in lineage.statement_nodes(pipe, node)))
        if pipe in lineage.targets:
            tables.add(lineage.targets[pipe])
    known = wanted.data_sources.keys() | wanted.shared.keys()
    return Untried(nodes, _without_quarantines(wanted, tables) & known)


def _texts(project: Project) -> dict[NodeKey, str]:
    return {(pipe.name, node.name): node.sql for pipe in project.pipes.values() for node in pipe.nodes}


def _without_quarantines(project: Project, names: AbstractSet[str]) -> set[str]:
    whole = project.data_sources.keys() | project.shared.keys()
    return {name if name in whole else name.removesuffix(QUARANTINE_SUFFIX) for name in names}
