"""Who reads whom: data sources, pipes and nodes, as far as their statements tell, in whatever branch of a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property

from stonechat.datafile.resources import DataSource, NodeType, Pipe
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.sharing import SharedSource, shared_name
from stonechat.sql.tables import mentions, qualified_names, table_names
from stonechat.template.branches import branch_texts
from stonechat.template.render import Template

NodeKey = tuple[str, str]
"""A node by the names of its pipe and its own."""


@dataclass(frozen=True)
class Lineage:
    """The graph of a project.

    `nodes` has for each node the names that it reads itself: other nodes of its pipe, pipes, data sources, their
    quarantines, and what other workspaces share. `outputs` has for each pipe the node whose rows are the pipe's;
    `targets` for each materialized and copy pipe the data source that it writes. `unsure` has those names behind an IN
    that may as well be an alias, as in `WITH (SELECT groupArray(id) FROM users) AS top ... WHERE id IN top`.
    """

    nodes: Mapping[NodeKey, frozenset[str]]
    outputs: Mapping[str, str]
    targets: Mapping[str, str]
    unsure: Mapping[NodeKey, frozenset[str]] = field(default_factory=dict)

    def reads(self, pipe: str) -> frozenset[str]:
        """The pipes, data sources and quarantines that the nodes of a pipe name themselves."""
        own = self._by_pipe.get(pipe, {})
        return frozenset[str]().union(*own.values()) - own.keys()

    def surely_reads(self, pipe: str, node: str) -> frozenset[str]:
        """What a node names itself and can be nothing else."""
        return self.nodes[pipe, node] - self.unsure.get((pipe, node), frozenset())

    def readers(self, name: str) -> frozenset[str]:
        """The pipes that read a pipe or data source themselves."""
        return frozenset(pipe for pipe in self.outputs if name in self.reads(pipe))

    def writers(self, data_source: str) -> frozenset[str]:
        """The materialized and copy pipes that write a data source."""
        return frozenset(pipe for pipe, target in self.targets.items() if target == data_source)

    def statement_nodes(self, pipe: str, node: str) -> tuple[NodeKey, ...]:
        """The nodes that stand in a node's statement: itself, and all that it reads directly or through others."""
        found: dict[NodeKey, None] = {}
        waiting = [(pipe, node)]
        while waiting:
            key = waiting.pop()
            if key not in found:
                found[key] = None
                waiting.extend(sorted(self._behind(key), reverse=True))
        return tuple(found)

    def sources(self, pipe: str) -> frozenset[str]:
        """The data sources and quarantines that a pipe's rows come from, directly or through other pipes."""
        nodes = self.statement_nodes(pipe, self.outputs[pipe])
        named = frozenset[str]().union(*(self.nodes[key] for key in nodes))
        return named - self.outputs.keys() - {name for owner, name in self.nodes if (owner, name) in nodes}

    @cached_property
    def _by_pipe(self) -> Mapping[str, Mapping[str, frozenset[str]]]:
        grouped: dict[str, dict[str, frozenset[str]]] = {}
        for (pipe, node), reads in self.nodes.items():
            grouped.setdefault(pipe, {})[node] = reads
        return grouped

    def _behind(self, key: NodeKey) -> Iterator[NodeKey]:
        for name in self.nodes[key]:
            if (key[0], name) in self.nodes:
                yield key[0], name
            elif name in self.outputs:
                yield name, self.outputs[name]


def lineage_of(
    data_sources: Mapping[str, DataSource],
    pipes: Mapping[str, Pipe],
    templates: Mapping[NodeKey, Template],
    shared: Mapping[str, SharedSource],
) -> Lineage:
    """The lineage of resources. A node without a template reads nothing: it is refused for another reason."""
    resources = {*data_sources, *(name + QUARANTINE_SUFFIX for name in data_sources), *pipes}
    texts = {
        (pipe.name, node.name): _texts(templates.get((pipe.name, node.name)))
        for pipe in pipes.values()
        for node in pipe.nodes
    }
    nodes = {
        (name, node): _reads(texts[name, node], resources | _others(pipes[name], node), shared) for name, node in texts
    }
    outputs = {pipe.name: pipe.output.name for pipe in pipes.values()}
    targets = {pipe.name: target for pipe in pipes.values() if (target := target_of(pipe))}
    return Lineage(nodes, outputs, targets, {key: _unsure(each) for key, each in texts.items()})


def target_of(pipe: Pipe) -> str | None:
    """The data source that a materialized or copy pipe writes; None for other pipes."""
    match pipe.output.type:
        case NodeType.MATERIALIZED:
            return pipe.output.options.get("datasource")
        case NodeType.COPY:
            return pipe.output.options.get("target_datasource")
        case _:
            return None


def _others(pipe: Pipe, node: str) -> AbstractSet[str]:
    """A node's own name in its statement is a column or an alias, as for composition."""
    return {other.name for other in pipe.nodes} - {node}


def _texts(template: Template | None) -> Sequence[str]:
    """What a template renders to, in whatever branch."""
    return () if template is None else (template.placeholder().sql, *branch_texts(template))


def _reads(texts: Sequence[str], known: AbstractSet[str], shared: Mapping[str, SharedSource]) -> frozenset[str]:
    own = frozenset[str]().union(*map(table_names, texts)) & known
    return own.union(*(_shared_reads(text, shared) for text in texts)) if shared else own


def _unsure(texts: Sequence[str]) -> frozenset[str]:
    found = [mentions(text) for text in texts]
    sure = frozenset[str]().union(*(each.times.keys() - each.unsure for each in found))
    return frozenset[str]().union(*(each.unsure for each in found)) - sure


def _shared_reads(text: str, shared: Mapping[str, SharedSource]) -> AbstractSet[str]:
    if not any(each.workspace.name in text for each in shared.values()):
        return frozenset()
    return {shared_name(*names) for names in qualified_names(text)} & shared.keys()
