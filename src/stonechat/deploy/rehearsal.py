"""Trying a project out in a database of its own before anything live is touched.

Every table and view is really created, empty, and every node is analysed by the engine: what passes here fails later
only for reasons outside the project, such as a full disk.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from stonechat.datafile.problems import DatafileProblem
from stonechat.datafile.resources import Node, NodeType, Notice, Pipe
from stonechat.datafile.spans import place_in
from stonechat.deploy.branches import Branches
from stonechat.deploy.copies import copy_problems
from stonechat.deploy.ddl import create_view, table
from stonechat.deploy.placeholders import SYNTAX_ERROR, says_nothing, unknown_name
from stonechat.deploy.plan import views_of
from stonechat.deploy.tables import TRIAL_PREFIX, make_shared_tables, tried_statement, tried_tables, without_trials
from stonechat.deploy.untried import Untried, untried
from stonechat.engine.contract import Engine, EngineFailure, Query
from stonechat.errors import Position, StonechatError
from stonechat.project.authored import require_authored
from stonechat.project.checks import name_position, read_elsewhere
from stonechat.project.composition import Composed, compose_pipe, compose_placeholder
from stonechat.project.lineage import NodeKey, target_of
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.service_data_sources import NAMESPACE, service_database
from stonechat.sql.leftmost import united_selects
from stonechat.sql.quoting import identifier, literal, parameter_text
from stonechat.sql.references import UnreadableStatement, without_settings
from stonechat.sql.statements import without_end
from stonechat.sql.zeros import without_zeros
from stonechat.telemetry.tables import create_statements
from stonechat.template.render import MARK, place_of_line

_EXPLAIN = "EXPLAIN "
_STATE = "AggregateFunction("
_IN_QUOTES = re.compile("'([^']+)'")
_SETTINGS = re.compile(r"\bSETTINGS\b", re.IGNORECASE)
_ALIKE = "Each SELECT of a UNION over several tables has to name its columns as the first one does, in its order."
_UNION = re.compile(r"\bUNION\b", re.IGNORECASE)
_FENCED = "cannot be created from table functions (view("
_OTHER_NAMES = "Give another name to what its WITH defines, or to its column."
_FAILED_AT = re.compile(r"failed at position (\d+)")


class InvalidNode(DatafileProblem):
    """The engine does not accept a node's SQL."""

    code = "SC711"


class ViewMismatch(DatafileProblem):
    """A materialized pipe's columns are not those of its target."""

    code = "SC712"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What the engine finds: every problem, none when the project can be deployed, and calls that will not work."""

    problems: list[StonechatError]
    notices: list[Notice]


@contextmanager
def scratch_database(engine: Engine) -> Iterator[str]:
    """A database that is there as long as the `with` block."""
    database = f"{TRIAL_PREFIX}{secrets.token_hex(6)}"
    engine.command(f"CREATE DATABASE {identifier(database)}")
    try:
        yield database
    finally:
        _drop_all(engine, database)


def rehearse(project: Project, engine: Engine) -> Rehearsed:
    """Try a whole project, but for nodes over data sources of other workspaces, of which nothing is known here."""
    found = list(read_elsewhere(project.pipes.values(), project.templates, project.shared.keys()))
    unknown = {(pipe.name, node.name) for pipe, node, _ in found}
    what = untried(Project.empty(), project)
    nodes = {key for key in what.nodes if unknown.isdisjoint(project.lineage.statement_nodes(*key))}
    with scratch_database(engine) as database:
        rehearsed = rehearse_in(database, project, engine, replace(what, nodes=nodes))
    told = (
        Notice(f"'{name}' is another workspace's: only a server can try what reads it", name_position(node, name))
        for _, node, name in found
    )
    return replace(rehearsed, notices=[*told, *rehearsed.notices])


def rehearse_in(database: str, project: Project, engine: Engine, what: Untried) -> Rehearsed:
    """Try a part of a project. The empty database has the tables and views of it from then on."""
    tried = tried_tables(project, engine, database, what.tables)
    make_shared_tables(project, engine, database, what.tables)
    if any(NAMESPACE in node.sql for pipe in project.pipes.values() for node in pipe.nodes):
        for statement in create_statements(service_database(database)):
            engine.command(statement)
    found = list(_pipe_problems(project, engine, database, what.nodes, tried.missing))
    problems = [each for each in found if isinstance(each, StonechatError)]
    return Rehearsed([*tried.problems, *problems], [each for each in found if isinstance(each, Notice)])


def remove_leftovers(engine: Engine) -> None:
    """Drop the databases of rehearsals that a crash cut short."""
    _drop_all(engine, TRIAL_PREFIX)


def _drop_all(engine: Engine, prefix: str) -> None:
    for row in engine.fetch(f"SELECT name FROM system.databases WHERE startsWith(name, {literal(prefix)})"):
        engine.command(f"DROP DATABASE IF EXISTS {identifier(str(row['name']))} SYNC")


def _pipe_problems(
    project: Project, engine: Engine, database: str, keys: AbstractSet[NodeKey], missing: AbstractSet[str]
) -> Iterator[StonechatError | Notice]:
    """What is wrong with nodes, but not with those that read or write a data source without a table for a fault of its
    own: they would fail too, and bury the cause.
    """
    without = missing | {name + QUARANTINE_SUFFIX for name in missing}
    failed: set[NodeKey] = {key for key, names in project.lineage.nodes.items() if not without.isdisjoint(names)}
    for pipe in project.pipes.values():
        for node in pipe.nodes:
            key = (pipe.name, node.name)
            # What reads a node that fails would fail for the same reason.
            if key not in keys or not failed.isdisjoint(project.lineage.statement_nodes(*key)):
                continue
            for problem in _node_problems(project, pipe, node, engine, database):
                if isinstance(problem, StonechatError):
                    failed.add(key)
                yield problem
            if key not in failed and target_of(pipe) not in missing:
                if node.type is NodeType.MATERIALIZED:
                    yield from _view_problems(project, pipe, engine, database)
                elif node.type is NodeType.COPY:
                    yield from copy_problems(project, pipe, engine, database)


def _node_problems(
    project: Project, pipe: Pipe, node: Node, engine: Engine, database: str
) -> Iterator[StonechatError | Notice]:
    try:
        composed = compose_placeholder(project, pipe, node)
    except StonechatError as error:
        yield InvalidNode(f"Node '{node.name}': {error.message}", _statement_position(node), hint=error.hint)
        return
    try:
        failure = _plan_failure(project, composed, engine, database)
        if failure is None or says_nothing(failure, composed, pipe):
            attempt = partial(_plan_failure, project, engine=engine, database=database)
            for broken in Branches(project, pipe, node, attempt, {composed.sql: failure}).broken():
                said = f"when {broken.told}: {_said(broken.failure)}"
                place = _position(project, pipe, node, broken.failure, sql=broken.sql, values=broken.values)
                place = place or _tag_position(node, broken.line)
                if broken.by_absence:
                    yield Notice(f"Node '{node.name}' fails {said}", place)
                else:
                    yield InvalidNode(f"Node '{node.name}', {said}", place, hint=broken.failure.hint)
        else:
            place = _position(project, pipe, node, failure, sql=composed.sql, values=None) or _statement_position(node)
            # In a string, it may be no template's.
            unmarked = failure.number == SYNTAX_ERROR and "{%" in node.sql and not node.sql.startswith("%")
            hint = "Begin the SQL with a line that is just %" if unmarked else failure.hint
            yield InvalidNode(f"Node '{node.name}': {_said(failure)}", place, hint=hint)
    except StonechatError as error:
        yield InvalidNode(f"Node '{node.name}': {error.message}", _named_position(node, error), hint=error.hint)


def _named_position(node: Node, error: StonechatError) -> Position:
    """Where a node's SQL has what the message of an error names in quotes, such as a table or a function."""
    named = _IN_QUOTES.search(error.message)
    return name_position(node, named[1]) if named else _statement_position(node)


def _plan_failure(project: Project, composed: Composed, engine: Engine, database: str) -> EngineFailure | None:
    """Why the engine cannot plan a statement. Raises a `SQLNotAllowed` for what a project may not use."""
    bound = {name: parameter_text(project.secrets.get(name, value)) for name, value in composed.bound.items()}
    # First, so that no text of the engine tells of what is none of the project's; it says where it cannot read.
    with suppress(UnreadableStatement):
        require_authored(composed, engine.explain, project.shared)
    try:
        written = tried_statement(composed.sql, project, database)
        statement, settings = without_settings(written, engine.explain)
        engine.query(
            Query(_EXPLAIN + statement, database=database, format="TabSeparated", parameters=bound, settings=settings)
        )
    except EngineFailure as error:
        return error
    return None


def _position(
    project: Project, pipe: Pipe, node: Node, failure: EngineFailure, *, sql: str, values: Mapping[str, str] | None
) -> Position | None:
    """Where in a node's SQL a failure lies: a name that is unknown, or where the parser stopped; None where unknown.

    `sql` is the node's statement for these values, or for None that with dummies.
    """
    if unknown := unknown_name(failure):
        return name_position(node, unknown)
    offset = failure_offset(failure, _EXPLAIN + sql)
    # Without its settings, or with a database's name, the statement was written anew: offsets are not the file's.
    moved = any(name in sql for name in (NAMESPACE, *(each.workspace.name for each in project.shared.values())))
    if offset is None or moved or _SETTINGS.search(sql) or without_zeros(sql) != sql:
        return None
    template = project.template(pipe, node)
    rendered = template.placeholder() if values is None else template.render(values, secrets=project.secrets)
    own = _own_offset(without_end(rendered.sql), sql, offset - len(_EXPLAIN))
    if own is None:
        return None
    place = template.place_of(own, values, project.secrets)
    return place_in(node.sql, place, node.sql_position, node.sql_indent)


def _own_offset(own: str, statement: str, offset: int) -> int | None:
    """Where in a node's own SQL an offset of its statement lies: other nodes are in front of what it selects."""
    left = len(statement) - offset
    if left <= len(own) and own.endswith(statement[offset:]):
        return len(own) - left
    start = statement.rfind(own)
    return offset - start if start >= 0 and 0 <= offset - start <= len(own) else None


def _statement_position(node: Node) -> Position:
    """Where a node's SQL begins, behind the mark of a template."""
    start = len(node.sql) - len(node.sql.removeprefix(MARK).lstrip())
    return place_in(node.sql, start, node.sql_position, node.sql_indent)


def _tag_position(node: Node, line: int) -> Position:
    return place_in(node.sql, place_of_line(node.sql, line), node.sql_position, node.sql_indent)


def _said(failure: EngineFailure) -> str:
    """The engine's message without the list of all that it would have taken, and the databases of the trial."""
    return without_trials(failure.message.partition(". Expected one of: ")[0])


def failure_offset(error: EngineFailure, statement: str) -> int | None:
    """Where in a statement the engine's parser stopped, counted in characters; the engine counts bytes."""
    match = _FAILED_AT.search(error.message)
    return len(statement.encode()[: int(match[1]) - 1].decode(errors="ignore")) if match else None


def _view_problems(project: Project, pipe: Pipe, engine: Engine, database: str) -> Iterator[StonechatError]:
    views = views_of(project, pipe)
    target = project.data_sources[views[0].target]
    try:
        described = engine.fetch(f"DESCRIBE ({compose_pipe(project, pipe, {}).sql})", database=database)
    except EngineFailure as error:
        yield InvalidNode(f"Node '{pipe.output.name}': {_said(error)}", pipe.output.sql_position)
        return
    given = {str(row["name"]): str(row["type"]) for row in described}
    stored = engine.fetch(f"DESCRIBE {table(database, target.name)}", database=database)
    wanted = {str(row["name"]): str(row["type"]) for row in stored}
    optional = {column.name for column in target.columns if column.default}
    mismatches = list(_mismatches(given, wanted, optional, engine))
    for name, what in mismatches:
        yield ViewMismatch(
            f"Materialized pipe '{pipe.name}' does not match its data source '{target.name}': {what}",
            name_position(pipe.output, name),
        )
    if mismatches:
        return
    try:
        if len(views) > 1 and (differing := _differing_names(compose_pipe(project, pipe, {}).sql, engine, database)):
            other, first = differing
            message = f"Materialized pipe '{pipe.name}' has a SELECT of its UNION that gives '{other}', not '{first}'"
            united = (node for node in pipe.nodes if _UNION.search(node.sql) and other in node.sql)
            yield ViewMismatch(message, name_position(next(united, pipe.output), other), hint=_ALIKE)
            return
        for view in views:
            engine.command(create_view(view.name, view.target, view.statement, database), database=database)
    except EngineFailure as error:
        fenced = _FENCED in error.message and not any("view(" in node.sql for node in pipe.nodes)
        said = "a name of its own is another's in a node that it reads, which a view cannot tell apart"
        hint = _OTHER_NAMES if fenced else _ALIKE if len(views) > 1 else None
        message = f"Node '{pipe.output.name}': {said if fenced else _said(error)}"
        yield InvalidNode(message, pipe.output.sql_position, hint=hint)


def _differing_names(statement: str, engine: Engine, database: str) -> tuple[str, str] | None:
    """Where a SELECT of a UNION names a column otherwise than the first one does: its name, and that of the first.

    A UNION puts columns together by their places; what is around it, and a target, find them by their names.
    """
    for selects in united_selects(statement):
        first, *others = (
            [str(row["name"]) for row in engine.fetch(f"DESCRIBE ({select})", database=database)] for select in selects
        )
        for names in others:
            pairs = zip(names, first, strict=True)
            if differing := next(((other, name) for other, name in pairs if other != name), None):
                return differing
    return None


def _mismatches(
    given: dict[str, str], wanted: dict[str, str], optional: set[str], engine: Engine
) -> Iterator[tuple[str, str]]:
    """What does not fit, each with the column that it is about."""
    for name, kind in given.items():
        if name not in wanted:
            yield name, f"the query gives a column '{name}' that the data source does not have"
        elif not _is_taken(kind, wanted[name], engine):
            yield name, f"the column '{name}' is {kind} in the query and {wanted[name]} in the data source"
    for name in sorted(wanted.keys() - given.keys() - optional):
        yield name, f"the query does not give the column '{name}'"


def _is_taken(given: str, wanted: str, engine: Engine) -> bool:
    """Whether a view may write values of one type into a column of another: what is stored alike, or may be NULL too.

    Which states of aggregates are alike only the engine knows: those of `sumIf` and `sum` are, of `count` of whatever.
    """
    one, other = _plain(given), _plain(wanted)
    if other in {one, f"Nullable({one})"}:
        return True
    if not (one.startswith(_STATE) and other.startswith(_STATE)):
        return False
    try:
        engine.fetch(f"SELECT CAST(state AS {wanted}) FROM null({literal(f'state {given}')})")
    except EngineFailure:
        return False
    return True


def _plain(kind: str) -> str:
    """A type without what the engine stores alike: dictionary encoding, time zones, the simple form of an aggregate."""
    kind = re.sub(r"(DateTime)\('[^']*'\)|(DateTime64\(\d), '[^']*'(\))", r"\1\2\3", kind)
    kind = re.sub(r"SimpleAggregateFunction\(\w+, (.*)\)$", r"\1", kind)
    return re.sub(r"LowCardinality\(([^()]*(?:\([^()]*\))?)\)", r"\1", kind)
