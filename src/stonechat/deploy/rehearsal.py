"""Trying a project out in a database of its own before anything live is touched.

Every table and view is really created, empty, and every node is analysed by the engine: what passes here fails later
only for reasons outside the project, such as a full disk.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from stonechat.datafile.resources import Node, NodeType, Notice, Pipe
from stonechat.deploy.branches import Branches
from stonechat.deploy.copies import copy_problems
from stonechat.deploy.node_faults import (
    EXPLAIN,
    InvalidNode,
    fault_position,
    named_position,
    said,
    statement_position,
    tag_position,
)
from stonechat.deploy.placeholders import SYNTAX_ERROR, says_nothing
from stonechat.deploy.tables import TRIAL_PREFIX, make_shared_tables, tried_statement, tried_tables
from stonechat.deploy.untried import Untried, untried
from stonechat.deploy.view_trials import view_problems
from stonechat.engine.contract import Engine, EngineFailure, Query
from stonechat.errors import StonechatError
from stonechat.project.authored import require_authored
from stonechat.project.checks import name_position, read_elsewhere
from stonechat.project.composition import Composed, compose_placeholder
from stonechat.project.lineage import NodeKey, target_of
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.service_data_sources import NAMESPACE, service_database
from stonechat.sql.quoting import identifier, literal, parameter_text
from stonechat.sql.references import UnreadableStatement, without_settings
from stonechat.telemetry.tables import create_statements


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
                    yield from view_problems(project, pipe, engine, database)
                elif node.type is NodeType.COPY:
                    yield from copy_problems(project, pipe, engine, database)


def _node_problems(
    project: Project, pipe: Pipe, node: Node, engine: Engine, database: str
) -> Iterator[StonechatError | Notice]:
    try:
        composed = compose_placeholder(project, pipe, node)
    except StonechatError as error:
        yield InvalidNode(f"Node '{node.name}': {error.message}", statement_position(node), hint=error.hint)
        return
    try:
        failure = _plan_failure(project, composed, engine, database)
        if failure is None or says_nothing(failure, composed, pipe):
            attempt = partial(_plan_failure, project, engine=engine, database=database)
            for broken in Branches(project, pipe, node, attempt, {composed.sql: failure}).broken():
                words = f"when {broken.told}: {said(broken.failure)}"
                place = fault_position(project, pipe, node, broken.failure, sql=broken.sql, values=broken.values)
                place = place or tag_position(node, broken.line)
                if broken.by_absence:
                    yield Notice(f"Node '{node.name}' fails {words}", place)
                else:
                    yield InvalidNode(f"Node '{node.name}', {words}", place, hint=broken.failure.hint)
        else:
            place = fault_position(project, pipe, node, failure, sql=composed.sql, values=None)
            place = place or statement_position(node)
            # In a string, it may be no template's.
            unmarked = failure.number == SYNTAX_ERROR and "{%" in node.sql and not node.sql.startswith("%")
            hint = "Begin the SQL with a line that is just %" if unmarked else failure.hint
            yield InvalidNode(f"Node '{node.name}': {said(failure)}", place, hint=hint)
    except StonechatError as error:
        yield InvalidNode(f"Node '{node.name}': {error.message}", named_position(node, error), hint=error.hint)


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
            Query(EXPLAIN + statement, database=database, format="TabSeparated", parameters=bound, settings=settings)
        )
    except EngineFailure as error:
        return error
    return None
