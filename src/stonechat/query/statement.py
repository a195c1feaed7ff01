"""A statement of the caller's own on its way to the engine: rendered, and composed with the pipes that it names.

The engine looks names of a CTE up where the CTE is used. So a pipe stands behind a fence: in front of
`SELECT * FROM p`, a caller's own `WITH tenants AS (...)`, alias or lambda would otherwise take the place of a table or
function inside `p`, and lift the filter that the caller may only see through. Inside `view(...)` no name from outside
is known. And where the caller may not read all that the pipe reads, the fence has a LIMIT. Below it the engine pushes
nothing: else it evaluates the caller's conditions on rows that a join or a group in the pipe leaves out, and says in an
error what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from stonechat.auth.access import Caller, ScopeType
from stonechat.datafile.resources import Pipe
from stonechat.engine.contract import EngineFailure
from stonechat.errors import Kind, StonechatError
from stonechat.project.composition import Composed, Values, compose_pipe
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.service_data_sources import NAMESPACE, qualified
from stonechat.query.gate import UNDERSCORE
from stonechat.sql.fencing import NO_LIMIT
from stonechat.sql.gate import SQLNotAllowed
from stonechat.sql.quoting import literal
from stonechat.sql.references import Ask, References, require_text
from stonechat.sql.statements import without_format_clause
from stonechat.sql.with_clauses import apart, with_clause
from stonechat.template.errors import TemplateMarkMissing
from stonechat.template.render import MARK, Rendered, Template

LONGEST_STATEMENT = 65_536
"""Bytes, as written and as rendered: the engine's parser takes a second for a hundred thousand."""


class StatementTooLong(StonechatError):
    """A caller's statement, as written or as rendered, is longer than one should be."""

    code = "SC503"
    kind = Kind.TOO_LARGE

    def __init__(self, size: int) -> None:
        super().__init__(f"The statement has {size} bytes, more than the limit of {LONGEST_STATEMENT}.")


class SecretRefused(SQLNotAllowed):
    """A template of a caller who is no admin asks for a secret, with or without a default."""

    code = "SC504"

    def __init__(self) -> None:
        super().__init__("Only an admin token may use tb_secret in a statement of its own.")


def render_statement(statement: str, values: Values, secrets: Mapping[str, str] | None, ask: Ask) -> Rendered:
    """The statement itself; a template, which begins with `%`, rendered for the values.

    `secrets` is None for callers who may use none: even a default would take the place of the secret of that name in
    the pipes beside it. Raises `StatementTooLong`, `SecretRefused`, a `TemplateError`, or what `ask` does.
    """
    require_short(statement)
    rendered = Rendered(statement)
    if statement.lstrip().startswith(MARK):
        rendered = Template.compile(statement, name="q").render(values, secrets=secrets or {})
        if rendered.bound and secrets is None:
            raise SecretRefused
        require_short(rendered.sql)
    if rendered.sql.isascii() and "{" not in rendered.sql:
        return rendered
    # The engine knows quotation marks beyond ASCII that `sql.statements` does not, and behind which a bound parameter
    # could hide from the gate. As the engine itself writes the statement, both read it alike.
    try:
        written = ask(f"SELECT formatQuerySingleLine({literal(rendered.sql)})").rstrip("\n")
    except EngineFailure:
        if rendered.sql is statement and "{{" in statement:
            raise TemplateMarkMissing(line=statement.count("\n", 0, statement.index("{{")) + 1) from None
        raise
    require_text(written)
    return replace(rendered, sql=written)


def compose_own(
    project: Project,
    own: Rendered,
    named: References,
    values: Values,
    pipe: Pipe | None,
    *,
    caller: Caller,
) -> Composed:
    """An admitted statement of a caller with the pipes and the nodes of `pipe` that it names. `_` are its rows.

    Raises what rendering a pipe does.
    """
    names = frozenset(name for database, name in named.tables if database is None)
    parts = dict(_parts(project, names, values, pipe, caller.fixed))
    if not caller.may(ScopeType.READ_ALL):
        # How many threads a query takes is a limit, which those who are bound by it do not set.
        own = replace(own, settings={name: value for name, value in own.settings.items() if name != "max_threads"})
    sql = with_clause([(name, _fenced(name, part, caller)) for name, part in parts.items()], own.sql)
    services = {qualified(name) for database, name in named.tables if database == NAMESPACE}
    shared = {name for name, each in project.shared.items() if each.parts in named.tables}
    reads = (names & _tables(project)) | services | shared
    return _united(sql, own, reads, list(parts.values()))


def _parts(
    project: Project, names: frozenset[str], values: Values, pipe: Pipe | None, fixed: Mapping[str, Values]
) -> Iterator[tuple[str, Composed]]:
    nodes = {node.name: node for node in pipe.nodes} if pipe else {}
    for name in sorted(names):
        if pipe is not None and (name == UNDERSCORE or name in nodes):
            yield name, compose_pipe(project, pipe, values, node=nodes.get(name), fixed=fixed)
        elif name in project.pipes:
            yield name, compose_pipe(project, project.pipes[name], values, fixed=fixed)


def _fenced(name: str, part: Composed, caller: Caller) -> str:
    open_to_caller = all(caller.may(ScopeType.READ_DATA_SOURCE, name) for name in part.reads)
    limit = "" if open_to_caller else f" LIMIT {NO_LIMIT}"
    body = with_clause([], without_format_clause(part.sql))
    return f"SELECT * FROM view({apart(name)} SELECT * FROM (\n{body}\n){limit})"


def _united(sql: str, own: Rendered, reads: frozenset[str], parts: Sequence[Composed]) -> Composed:
    bound = {name: value for part in parts for name, value in part.bound.items()}
    lifetimes = [ttl for ttl in (own.cache_ttl, *(part.cache_ttl for part in parts)) if ttl is not None]
    return Composed(
        sql,
        reads=reads.union(*(part.reads for part in parts)),
        bound={**bound, **own.bound},
        settings={**{name: value for part in parts for name, value in part.settings.items()}, **own.settings},
        cache_ttl=min(lifetimes, default=None),
        used=own.used.union(*(part.used for part in parts)),
    )


def _tables(project: Project) -> frozenset[str]:
    return frozenset(table for name in project.data_sources for table in (name, name + QUARANTINE_SUFFIX))


def require_short(statement: str) -> None:
    """Raise `StatementTooLong` for what would keep the engine's parser busy for long."""
    if (size := len(statement.encode(errors="replace"))) > LONGEST_STATEMENT:
        raise StatementTooLong(size)
