"""What is wrong with copy pipes that the engine can tell: columns, types, and parameters that nobody gives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from stonechat.datafile.problems import DatafileProblem
from stonechat.datafile.resources import Pipe
from stonechat.deploy.ddl import table
from stonechat.deploy.placeholders import says_nothing
from stonechat.deploy.tables import tried_statement, without_trials
from stonechat.engine.contract import Engine, EngineFailure, Query
from stonechat.errors import StonechatError
from stonechat.project.checks import name_position
from stonechat.project.composition import compose_pipe, compose_placeholder
from stonechat.project.model import Project
from stonechat.project.service_data_sources import NAMESPACE
from stonechat.project.sharing import SharedSource
from stonechat.sql.conversions import fits
from stonechat.sql.gate import TABLE_FUNCTIONS, SQLNotAllowed, require_read_only
from stonechat.sql.quoting import parameter_text
from stonechat.sql.references import classify, without_settings

_MOMENT = "2000-01-01 00:00:00"


class CopyMismatch(DatafileProblem):
    """A copy pipe's columns are not those of its data source."""

    code = "SC716"


class CopyNotRunnable(DatafileProblem):
    """A copy pipe asks for what no run of it can have."""

    code = "SC717"


def copy_problems(project: Project, pipe: Pipe, engine: Engine, database: str) -> Iterator[StonechatError]:
    """Every problem of a copy pipe whose nodes are sound. The database has the project's tables, empty."""
    yield from _schedule_problems(project, pipe)
    composed = compose_placeholder(project, pipe, pipe.output)
    try:
        require_copyable(engine, composed.sql, project.shared)
        given = _given(engine, tried_statement(composed.sql, project, database), database, composed.bound)
    except SQLNotAllowed as error:
        message = f"Copy pipe '{pipe.name}': {error.message}"
        yield CopyNotRunnable(message, pipe.output.sql_position, hint=error.hint)
        return
    except EngineFailure as error:
        if not says_nothing(error, composed, pipe):
            yield CopyNotRunnable(f"Copy pipe '{pipe.name}': {without_trials(error.message)}", pipe.output.sql_position)
        return
    if composed.aborted:
        return
    target = project.data_sources[pipe.output.options["target_datasource"]]
    stored = engine.fetch(f"DESCRIBE {table(database, target.name)}")
    wanted = {str(row["name"]): str(row["type"]) for row in stored}
    optional = {column.name for column in target.columns if column.default or column.nullable}
    for name, what, hint in _mismatches(given, wanted, optional):
        message = f"Copy pipe '{pipe.name}' does not match its data source '{target.name}': {what}"
        yield CopyMismatch(message, name_position(pipe.output, name), hint=hint)


def require_copyable(engine: Engine, statement: str, shared: Mapping[str, SharedSource]) -> bool:
    """Raise a `SQLNotAllowed` for what a copy may not use: it runs with the right to write.

    `shared` is what other workspaces let this one read. Returns whether the statement reads service data sources.
    """
    references = classify(statement, engine.explain)
    own = {name for name in references.tables if name[0] in {None, NAMESPACE}}
    readable = own | {each.parts for each in shared.values()}
    require_read_only(references, tables=readable, table_functions=TABLE_FUNCTIONS, settings=True, tuning=True)
    return any(name[0] == NAMESPACE for name in own)


def _schedule_problems(project: Project, pipe: Pipe) -> Iterator[StonechatError]:
    """A run by schedule has no parameters but `job_timestamp`."""
    if pipe.output.options.get("copy_schedule", "@on-demand") == "@on-demand":
        return
    try:
        compose_pipe(project, pipe, {"job_timestamp": _MOMENT})
    except StonechatError as error:
        yield CopyNotRunnable(
            f"Copy pipe '{pipe.name}' has a schedule and cannot run by itself: {error.message}",
            pipe.output.sql_position,
            hint="Give every parameter a default.",
        )


def _given(engine: Engine, sql: str, database: str, bound: Mapping[str, object]) -> Mapping[str, str]:
    """The columns that a statement gives, with their types."""
    statement, settings = without_settings(sql, engine.explain)
    parameters = {name: parameter_text(value) for name, value in bound.items()}
    query = Query(f"DESCRIBE (\n{statement}\n)", database, "JSONEachRow", parameters, settings)
    rows = map(json.loads, engine.query(query).data.splitlines())
    return {str(row["name"]): str(row["type"]) for row in rows}


def _mismatches(
    given: Mapping[str, str], wanted: Mapping[str, str], optional: set[str]
) -> Iterator[tuple[str, str, str | None]]:
    """What does not fit: the column that it is about, what is wrong, and what to do."""
    for name, kind in given.items():
        if name not in wanted:
            yield name, f"the query gives a column '{name}' that the data source does not have", None
        elif not fits(kind, wanted[name]):
            hint = f"Convert it in the query, for example with accurateCast({name}, '{wanted[name]}')."
            yield name, f"the column '{name}' is {kind} in the query and {wanted[name]} in the data source", hint
    for name in sorted(wanted.keys() - given.keys() - optional):
        yield name, f"the query does not give the column '{name}'", "Add it, or give it a DEFAULT in the data source."
