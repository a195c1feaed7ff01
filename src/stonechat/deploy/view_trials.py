"""Views tried out: whether a materialized pipe gives what its data source takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stonechat.datafile.problems import DatafileProblem
from stonechat.datafile.resources import Pipe
from stonechat.deploy.ddl import create_view, table
from stonechat.deploy.node_faults import InvalidNode, said
from stonechat.deploy.plan import CreateView, views_of
from stonechat.engine.contract import Engine, EngineFailure
from stonechat.errors import StonechatError
from stonechat.project.checks import name_position
from stonechat.project.composition import compose_pipe
from stonechat.project.model import Project
from stonechat.sql.leftmost import united_selects
from stonechat.sql.quoting import literal

_STATE = "AggregateFunction("
_ALIKE = "Each SELECT of a UNION over several tables has to name its columns as the first one does, in its order."
_UNION = re.compile(r"\bUNION\b", re.IGNORECASE)
_FENCED = "cannot be created from table functions (view("
_OTHER_NAMES = "Give another name to what its WITH defines, or to its column."


class ViewMismatch(DatafileProblem):
    """A materialized pipe's columns are not those of its target."""

    code = "SC712"


def view_problems(project: Project, pipe: Pipe, engine: Engine, database: str) -> Iterator[StonechatError]:
    """What keeps a materialized pipe from filling its data source. Its views are made, where nothing does."""
    views = views_of(project, pipe)
    target = project.data_sources[views[0].target]
    try:
        described = engine.fetch(f"DESCRIBE ({compose_pipe(project, pipe, {}).sql})", database=database)
    except EngineFailure as error:
        yield InvalidNode(f"Node '{pipe.output.name}': {said(error)}", pipe.output.sql_position)
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
    if not mismatches:
        yield from _creation_problems(project, pipe, views, engine, database)


def _creation_problems(
    project: Project, pipe: Pipe, views: Sequence[CreateView], engine: Engine, database: str
) -> Iterator[StonechatError]:
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
        shared = "a name of its own is another's in a node that it reads, which a view cannot tell apart"
        hint = _OTHER_NAMES if fenced else _ALIKE if len(views) > 1 else None
        message = f"Node '{pipe.output.name}': {shared if fenced else said(error)}"
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
