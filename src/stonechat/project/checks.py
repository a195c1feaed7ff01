"""What can be wrong between the files of a project. Each check yields the problems that it finds, and reads no more
than it needs, so that one file at fault does not bury another under problems that follow from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from graphlib import CycleError, TopologicalSorter

from stonechat.datafile.problems import DatafileProblem
from stonechat.datafile.resources import Connection, DataSource, Node, NodeType, Pipe
from stonechat.datafile.scanner import source_lines
from stonechat.datafile.spans import place_in
from stonechat.errors import Position, suggestion
from stonechat.project.feeding import feeding
from stonechat.project.lineage import Lineage, NodeKey, target_of
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.service_data_sources import NAMESPACE, SERVICE_DATA_SOURCES, qualified
from stonechat.project.sharing import SharedSource, may_share, shared_name
from stonechat.sql.statements import Token, TokenKind, meaningful_tokens
from stonechat.sql.tables import table_names
from stonechat.template.render import Template
from stonechat.template.values import NO_VALUE


class ProjectProblem(DatafileProblem):
    """One thing that is wrong between files: a double or unknown name, a cycle, a misplaced node."""

    code = "SC301"


_MOST_CYCLES = 20


def double_names(resources: Sequence[DataSource | Pipe | Connection]) -> Iterator[ProjectProblem]:
    """Names that two resources share, or that a quarantine has."""
    first: dict[str, Position] = {}
    for resource in resources:
        if resource.name in first:
            message = f"The name '{resource.name}' is taken: {first[resource.name].file} has it too"
            hint = "Data sources, pipes and connections share one set of names."
            yield ProjectProblem(message, resource.position, hint=hint)
        first.setdefault(resource.name, resource.position)
    for resource in resources:
        base = resource.name.removesuffix(QUARANTINE_SUFFIX)
        if base != resource.name and base in first:
            message = f"The name '{resource.name}' belongs to the quarantine of '{base}'"
            yield ProjectProblem(message, resource.position)


def node_names(pipes: Iterable[Pipe], tables: AbstractSet[str]) -> Iterator[ProjectProblem]:
    """Nodes with the name of a data source or of another pipe. Names within a pipe are its own file's matter."""
    for pipe in pipes:
        for node in pipe.nodes:
            if node.name in tables and node.name != pipe.name:
                hint = "Give the node a name of its own; a statement could not tell the two apart."
                yield ProjectProblem(f"Node '{node.name}' has the name of a resource", node.position, hint=hint)


def unknown_targets(
    pipes: Iterable[Pipe], data_sources: AbstractSet[str], files: Mapping[str, str]
) -> Iterator[ProjectProblem]:
    """Materialized and copy pipes whose data source does not exist."""
    for pipe in pipes:
        target = target_of(pipe)
        if target is not None and target not in data_sources:
            kind = pipe.output.type.value
            command = "DATASOURCE" if pipe.output.type is NodeType.MATERIALIZED else "TARGET_DATASOURCE"
            yield ProjectProblem(
                f"{kind.capitalize()} pipe '{pipe.name}' writes to the data source '{target}', which does not exist",
                instruction_position(files, pipe.output.position, command),
                hint=suggestion(target, data_sources),
            )


def fed_targets(
    pipes: Iterable[Pipe], data_sources: Mapping[str, DataSource], files: Mapping[str, str]
) -> Iterator[ProjectProblem]:
    """Copy pipes into data sources that get their rows from a connection."""
    for pipe in pipes:
        target = data_sources.get(target_of(pipe) or "")
        if pipe.output.type is NodeType.COPY and target is not None and target.connector:
            yield ProjectProblem(
                f"Copy pipe '{pipe.name}' writes to the data source '{target.name}', which a connection fills",
                instruction_position(files, pipe.output.position, "TARGET_DATASOURCE"),
                hint="Copy into a data source of its own.",
            )


def unknown_tables(
    pipes: Iterable[Pipe], templates: Mapping[NodeKey, Template], tables: AbstractSet[str]
) -> Iterator[ProjectProblem]:
    """Nodes that read what is no node of their pipe, no pipe and no data source.

    Only what cannot be anything but a table is looked at; the engine finds the rest when the project is rehearsed.
    """
    for pipe in pipes:
        for node in pipe.nodes:
            template = templates.get((pipe.name, node.name))
            known = (tables | {other.name for other in pipe.nodes}) - {node.name, pipe.name}
            for name in _plain_tables(template.placeholder().sql) - known if template else ():
                if name in {node.name, pipe.name}:
                    message, hint = f"Node '{node.name}' reads '{name}', which is itself ({name} -> {name})", None
                else:
                    message, hint = f"Node '{node.name}' reads '{name}', which does not exist", suggestion(name, known)
                yield ProjectProblem(message, name_position(node, name), hint=hint)


def misread_services(pipes: Iterable[Pipe], templates: Mapping[NodeKey, Template]) -> Iterator[ProjectProblem]:
    """Nodes that read a service data source which does not exist, and views over one: they are filled behind them."""
    for pipe in pipes:
        for node in pipe.nodes:
            template = templates.get((pipe.name, node.name))
            for name in sorted(_service_names(template.placeholder().sql)) if template else ():
                written = qualified(name)
                place = name_position(node, written if written in node.sql else NAMESPACE)
                if name not in SERVICE_DATA_SOURCES:
                    message = f"Node '{node.name}' reads '{written}', which is no service data source"
                    yield ProjectProblem(
                        message, place, hint=suggestion(qualified(name), map(qualified, SERVICE_DATA_SOURCES))
                    )
                elif pipe.output.type is NodeType.MATERIALIZED:
                    message = f"Materialized pipe '{pipe.name}' reads '{written}', which a view cannot"
                    yield ProjectProblem(message, place, hint="Copy from it with a copy pipe.")


def read_elsewhere(
    pipes: Iterable[Pipe], templates: Mapping[NodeKey, Template], shared: AbstractSet[str]
) -> Iterator[tuple[Pipe, Node, str]]:
    """Nodes with the names that they read and that only another workspace could have, but for those of `shared`."""
    for pipe in pipes:
        for node in pipe.nodes:
            template = templates.get((pipe.name, node.name))
            for namespace, name in sorted(_qualified_tables(template.placeholder().sql)) if template else ():
                if may_share(namespace) and shared_name(namespace, name) not in shared:
                    yield pipe, node, shared_name(namespace, name)


def views_of_shared(
    pipes: Iterable[Pipe], lineage: Lineage, shared: Mapping[str, SharedSource]
) -> Iterator[ProjectProblem]:
    """Materialized pipes over a data source of another workspace: a view would have to move with that one's tables."""
    for pipe in pipes:
        if pipe.output.type is NodeType.MATERIALIZED:
            for owner, name in lineage.statement_nodes(pipe.name, pipe.output.name):
                for read in sorted(lineage.nodes[owner, name] & shared.keys()):
                    message = (
                        f"Materialized pipe '{pipe.name}' reads '{read}' of another workspace, which a view cannot"
                    )
                    reader = next((each for each in pipe.nodes if (pipe.name, each.name) == (owner, name)), pipe.output)
                    hint = "Copy from it with a copy pipe."
                    yield ProjectProblem(message, name_position(reader, read), hint=hint)


def cycles(pipes: Mapping[str, Pipe], lineage: Lineage) -> Iterator[ProjectProblem]:
    """Nodes, and pipes, that read themselves through others; views that write what their own rows come from."""
    for pipe in pipes.values():
        own = {node.name: node.position for node in pipe.nodes}
        for path in _circles({name: lineage.surely_reads(pipe.name, name) & own.keys() for name in own}):
            yield ProjectProblem(f"Nodes read each other in a circle: {' -> '.join(path)}", own[path[0]])
    views = {name for name, pipe in pipes.items() if pipe.output.type is NodeType.MATERIALIZED}
    graph: dict[str, AbstractSet[str]] = {}
    for pipe in pipes.values():
        named = (lineage.surely_reads(pipe.name, node.name) for node in pipe.nodes)
        graph[pipe.name] = frozenset[str]().union(*named).difference(node.name for node in pipe.nodes)
    for target in set(lineage.targets.values()) - graph.keys():
        graph[target] = lineage.writers(target) & views
    for path in _circles(graph):
        start = next(index for index, name in enumerate(path) if name in pipes)
        turned = [*path[start:-1], *path[: start + 1]]
        pipe = pipes[turned[0]]
        reader = next((node for node in pipe.nodes if turned[1] in lineage.nodes[pipe.name, node.name]), pipe.output)
        place = name_position(reader, turned[1])
        yield ProjectProblem(f"Pipes read each other in a circle: {' -> '.join(turned)}", place)


def secrets_in_views(
    pipes: Iterable[Pipe], templates: Mapping[NodeKey, Template], lineage: Lineage
) -> Iterator[ProjectProblem]:
    """Materialized pipes that ask for a secret: a view keeps its query as text, where no secret may stand."""
    for pipe in pipes:
        if pipe.output.type is NodeType.MATERIALIZED:
            keys = lineage.statement_nodes(pipe.name, pipe.output.name)
            if any(templates[key].placeholder().bound for key in keys if key in templates):
                message = f"Materialized pipe '{pipe.name}' asks for a secret, which a view cannot hold"
                yield ProjectProblem(message, pipe.output.sql_position)


def united_views(
    pipes: Mapping[str, Pipe], templates: Mapping[NodeKey, Template], lineage: Lineage
) -> Iterator[ProjectProblem]:
    """Materialized pipes over what is no UNION of tables: a view would follow the first SELECT alone."""
    for pipe in pipes.values():
        if pipe.output.type is NodeType.MATERIALIZED:
            tables, operators = feeding((pipe.name, pipe.output.name), templates, lineage)
            united = None not in tables and all(operator.upper() == "UNION" for _, operator in operators)
            if operators and not united:
                (owner, name), operator = operators[0]
                node = next(node for node in pipes[owner].nodes if node.name == name)
                message = f"Materialized pipe '{pipe.name}' would follow the first SELECT of its {operator} alone"
                hint = "A view takes UNIONs whose SELECTs all begin with a data source, and no EXCEPT or INTERSECT."
                yield ProjectProblem(message, name_position(node, operator), hint=hint)


def name_position(node: Node, name: str) -> Position:
    """Where a node's SQL names something, first of all a table; where it begins when only its rendering does."""
    named = rf"[`\"]?(?P<name>\b{re.escape(name)}\b)"
    match = re.search(rf"\b(?:FROM|JOIN|IN)\s+{named}", node.sql, re.IGNORECASE) or re.search(named, node.sql)
    if match is None:
        return node.sql_position
    return place_in(node.sql, match.start("name"), node.sql_position, node.sql_indent)


def instruction_position(files: Mapping[str, str], start: Position, command: str) -> Position:
    """The line, from `start` on, that begins with an instruction; `start` itself when there is none."""
    lines = source_lines(files.get(start.file, ""))
    for number, line in enumerate(lines[start.line - 1 :], start.line):
        if line.upper().split(None, 1)[:1] == [command]:
            return Position(start.file, number, len(line) - len(line.lstrip()) + 1)
    return start


def _plain_tables(statement: str) -> set[str]:
    """Names behind FROM and JOIN that can be nothing but tables of this project.

    Not those with a database in front, table functions, names that a WITH of the statement gives, aliases of others,
    or what stands in a definition that nothing uses; nor what follows the FROM of `EXTRACT(YEAR FROM x)`,
    `IS DISTINCT FROM x` and `WITH FILL FROM x`.
    """
    listed = meaningful_tokens(statement)
    found: set[str] = set()
    clauses = [""]
    for index, token in enumerate(listed):
        word = _keyword(token)
        before = _keyword(listed[index - 1]) if index else ""
        if token.text == "(":
            clauses.append("")
        elif token.text == ")" and len(clauses) > 1:
            clauses.pop()
        elif word == "SELECT":
            clauses[-1] = word
        elif (word == "FROM" and clauses[-1] and before not in {"DISTINCT", "FILL"}) or (
            word == "JOIN" and clauses[-1] == "FROM" and before != "ARRAY"
        ):
            clauses[-1] = "FROM"
            found |= _plain_name(listed[index + 1 : index + 3])
    return (found & table_names(statement)) - _defined(listed) - {NO_VALUE}


def _service_names(statement: str) -> set[str]:
    """The names in `FROM tinybird.name` and `JOIN tinybird.name`."""
    return {name for namespace, name in _qualified_tables(statement) if namespace == NAMESPACE}


def _qualified_tables(statement: str) -> set[tuple[str, str]]:
    """The two names in `FROM one.other` and `JOIN one.other`."""
    listed = meaningful_tokens(statement)
    return {
        (namespace.name, name.name)
        for word, namespace, point, name in zip(listed, listed[1:], listed[2:], listed[3:], strict=False)
        if _keyword(word) in {"FROM", "JOIN"} and point.text == "."
    }


def _plain_name(listed: Sequence[Token]) -> set[str]:
    named = listed and listed[0].kind in {TokenKind.WORD, TokenKind.QUOTED}
    return {listed[0].name} if named and [item.text for item in listed[1:]] not in (["("], ["."]) else set()


def _defined(listed: Sequence[Token]) -> set[str]:
    """Names in front of `AS (`, at any depth."""
    following = [[_keyword(item) for item in listed[index + 1 : index + 4]] for index in range(len(listed))]
    return {
        token.name
        for token, words in zip(listed, following, strict=True)
        if words[:2] == ["AS", "("] or words == ["AS", "MATERIALIZED", "("]
    }


def _keyword(token: Token) -> str:
    return token.text.upper() if token.kind is not TokenKind.QUOTED else ""


def _circles(reads: Mapping[str, AbstractSet[str]]) -> Iterator[list[str]]:
    """Paths from a name through what it reads back to itself. Each is cut where it was found, to find the next."""
    graph = {name: set(names) for name, names in reads.items()}
    for _ in range(_MOST_CYCLES):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            path: list[str] = error.args[1][::-1]
            yield path
            graph[path[0]].discard(path[1])
        else:
            return
