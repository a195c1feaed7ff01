"""Statements for callers whose token shows only some rows of a data source.

Every read of such a data source goes through here, whoever wrote the statement: what composition has made of an
endpoint or of a caller's own SQL gets a fence around each table with a filter (`sql.fencing`). What holds rows of such
a data source and has no filter of its own is closed: its quarantine, and what views and copies make of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from stonechat.auth.access import Caller, Scope, ScopeType
from stonechat.engine.contract import Engine, EngineFailure, Query
from stonechat.errors import Kind, StonechatError
from stonechat.project.composition import Composed
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX, quarantine_columns
from stonechat.project.service_data_sources import NAMESPACE, SERVICE_DATA_SOURCES, qualified, service_database
from stonechat.project.snapshot import Snapshot
from stonechat.project.workspaces import DATABASE_PREFIX
from stonechat.sql.fencing import Place, fence
from stonechat.sql.gate import TABLE_FUNCTIONS, SettingNotAllowed, require_read_only
from stonechat.sql.quoting import identifier
from stonechat.sql.references import UnreadableStatement, exact_statement_of, references_of, tree_of
from stonechat.sql.row_filters import InvalidRowFilter, parse_row_filter
from stonechat.sql.scopes import Node, TableName
from stonechat.sql.statements import TokenKind, meaningful_tokens
from stonechat.sql.tuning import is_tuning
from stonechat.sql.zeros import without_zeros

EMPTY_DATABASE = "stonechat_empty"
"""Where these statements run: a table that no fence was put around is not there."""
_MOST_KNOWN = 1000
_ALL_ROWS = 2**64 - 1
_NO_LIMIT_BEHIND = frozenset(
    {"LIMIT", "OFFSET", "FETCH", "UNION", "INTERSECT", "EXCEPT", "SETTINGS", "FORMAT", "INTO", "EXPLAIN"}
)
#: Settings that change nothing about which rows a condition holds for.
_NEUTRAL_SETTINGS = re.compile(
    r"final|any_join_distinct_right_table_keys|join_\w+|optimize_aggregation_in_order|output_format_\w+"
    r"|union_default_mode"
)
#: Failures whose text is about the statement alone, and never about a row.
_ABOUT_THE_STATEMENT = frozenset(
    {
        *("SYNTAX_ERROR", "UNKNOWN_IDENTIFIER", "UNKNOWN_FUNCTION", "UNKNOWN_AGGREGATE_FUNCTION", "NOT_AN_AGGREGATE"),
        *(
            "ILLEGAL_AGGREGATION",
            "NUMBER_OF_ARGUMENTS_DOESNT_MATCH",
            "ILLEGAL_TYPE_OF_ARGUMENT",
            "AMBIGUOUS_IDENTIFIER",
        ),
        *(
            "NO_COMMON_TYPE",
            "TIMEOUT_EXCEEDED",
            "MEMORY_LIMIT_EXCEEDED",
            "TOO_MANY_ROWS_OR_BYTES",
            "QUERY_WAS_CANCELLED",
        ),
        *("FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", "ILLEGAL_PREWHERE", "ILLEGAL_FINAL", "SAMPLING_NOT_SUPPORTED"),
    }
)

#: Where the engine goes on to quote the statement, and with it the filter and where the rows lie; or its plan of it.
_QUOTED_STATEMENT = re.compile(r" In (?:scope|query) |:? [Ww]hile executing ")
#: How a pipe stands in front of a caller's own statement; `view` is closed to callers.
_A_PIPE = " AS (SELECT * FROM view(WITH '"
_DATABASE = re.compile(rf"\b{DATABASE_PREFIX}[0-9a-f]{{12}}\w*\.")


class FilterDoesNotFit(StonechatError):
    """The filter of a token is no condition on the columns of its data source, or there is no such data source."""

    code = "SC506"
    kind = Kind.FORBIDDEN


class OutOfSight(StonechatError):
    """What is asked for holds rows of a data source of which the token shows only some, and they cannot be told apart.

    So it is with its quarantine, and with what materialized views and copies make of it.
    """

    code = "SC507"
    kind = Kind.FORBIDDEN

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The token has a filter, and none for '{name}', which is made of rows that are filtered",
            hint=f"Give the token the scope DATASOURCES:READ:{name}, with a filter of its own.",
        )


class Narrowing:
    """Puts fences into statements. What filters mean is remembered."""

    def __init__(self, engine: Engine) -> None:
        engine.command(f"CREATE DATABASE IF NOT EXISTS {identifier(EMPTY_DATABASE)}")
        self._engine = engine
        self._known: dict[tuple[str, AbstractSet[str]], Node] = {}

    def statement(self, snapshot: Snapshot, caller: Caller, composed: Composed, settings: Iterable[str]) -> str:
        """A composed statement over just the rows that the caller may see, for `EMPTY_DATABASE`. Asks the engine.

        `settings` are those beside the statement. Raises `FilterDoesNotFit`, `OutOfSight`, or what
        `require_read_only` does: names of databases would lead around the fences.
        """
        ask = self._engine.explain
        tree = tree_of(without_zeros(composed.sql), ask)
        references = references_of(tree, composed.bound)
        places = self._places(snapshot, caller)
        nameable = {table for table in references.tables if table[0] is None} | places.keys()
        require_read_only(
            references,
            tables=nameable,
            table_functions=TABLE_FUNCTIONS | {"view"},
            settings=True,
            tuning=True,
            output_format=True,
        )
        for setting in sorted({*references.settings, *settings}):
            if not _NEUTRAL_SETTINGS.fullmatch(setting) and not is_tuning(setting):
                raise SettingNotAllowed(setting)
        closed = _closed(snapshot.project, caller)
        for name in sorted(name for database, name in references.tables if database is None and name in closed):
            raise OutOfSight(name)
        sources = (*snapshot.project.data_sources, *snapshot.project.shared)
        columns = frozenset(name for source in sources for name in _columns(snapshot, source))
        fence(tree, places, columns)
        return counting_its_own_rows(exact_statement_of(tree, ask))

    def check(self, snapshot: Snapshot, name: str, condition: str) -> None:
        """Raise `InvalidRowFilter` unless a condition can filter the rows of a data source. Asks the engine."""
        self._condition(snapshot, name, condition)
        place = snapshot.table(name)
        try:
            self._engine.fetch(f"EXPLAIN SELECT 1 FROM {place} WHERE (\n{condition}\n)", database=EMPTY_DATABASE)
        except EngineFailure as error:
            if error.kind is not Kind.INVALID:
                raise
            raise InvalidRowFilter(error.message) from error

    def _places(self, snapshot: Snapshot, caller: Caller) -> Mapping[TableName, Place]:
        """Tables by their names in statements: all of the project, what other workspaces share with it, and service
        data sources that a scope names.
        """
        sources = snapshot.project.data_sources
        tables = [table for name in sources for table in (name, name + QUARANTINE_SUFFIX)]
        places: dict[TableName, Place] = {(None, name): Place(snapshot.table(name).database, name) for name in tables}
        shared = snapshot.project.shared
        places |= {each.parts: Place(each.database, each.source.name) for each in shared.values()}
        services = service_database(snapshot.workspace.database)
        for name in SERVICE_DATA_SOURCES:
            if _right_to(qualified(name)) in caller.scopes:
                places[NAMESPACE, name] = Place(services, name)
        for name, conditions in caller.filters.items():
            named: TableName = shared[name].parts if name in shared else (None, name)
            if named not in places:
                raise FilterDoesNotFit(f"The token has a filter for '{name}', which is no data source")
            try:
                nodes = [self._condition(snapshot, name, condition) for condition in conditions]
            except InvalidRowFilter as error:
                raise FilterDoesNotFit(f"The filter for '{name}' does not fit: {error.message}") from error
            places[named] = replace(places[named], conditions=nodes)
        return places

    def _condition(self, snapshot: Snapshot, name: str, condition: str) -> Node:
        key = condition, _columns(snapshot, name)
        node = self._known.get(key)
        if node is None:
            node = parse_row_filter(*key, self._engine.explain)
            if len(self._known) >= _MOST_KNOWN:
                self._known = {}
            self._known[key] = node
        return node


def counting_its_own_rows(statement: str) -> str:
    """The statement with a LIMIT that leaves nothing out, where it has none and can have one.

    The engine counts rows before the outermost LIMIT. It may leave those of fences early, sooner or later as the hidden
    rows lie.
    """
    depth = 0
    for token in meaningful_tokens(statement):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.kind is TokenKind.WORD and token.text.upper() in _NO_LIMIT_BEHIND:
            return statement
    return f"{statement}\nLIMIT {_ALL_ROWS}"


def as_told(error: EngineFailure, caller: Caller, query: Query, reads: Iterable[str]) -> EngineFailure:
    """A failure of a query over data sources as its caller may see it.

    The engine's own words are for those who may read every row behind the query: they quote values of rows that its
    filter, or the endpoint, leaves out, and what is computed of its secrets. No words name the databases in which the
    engine keeps the tables. Who is outside is not told the statement: the pipes that it is made of are the project's.
    """
    may_read_rows = not caller.filters and all(caller.may(ScopeType.READ_DATA_SOURCE, name) for name in reads)
    told = error if may_read_rows and (caller.is_admin or not query.parameters) else without_rows(error)
    # A caller whose statement reads a pipe did not write what is put in its place.
    is_foreign = caller.is_signed or _A_PIPE in told.message
    message = without_databases(_without_statement(told.message) if is_foreign else told.message)
    return told if message == told.message else _reworded(error, message, told.hint)


def unread_as_told(error: UnreadableStatement, caller: Caller) -> UnreadableStatement:
    """Why a composed statement is none, as the caller may see it: the engine quotes what it stumbled over."""
    if not caller.is_signed:
        return error
    return UnreadableStatement("The statement of the pipe cannot be read, with these values of its parameters")


def without_databases(text: str) -> str:
    """A text of the engine that does not name the databases in which it keeps the tables."""
    return _DATABASE.sub("", text)


def without_rows(error: EngineFailure) -> EngineFailure:
    """A failure without anything of a row in its text: only what is about the statement alone is in it."""
    if error.name in _ABOUT_THE_STATEMENT:
        return _reworded(error, _without_statement(error.message), error.hint)
    if error.kind is not Kind.INVALID:
        return error
    hint = "The engine's own words are for tokens that may read all data behind this."
    return _reworded(error, f"The engine refused the statement: {error.name}", hint)


def _without_statement(message: str) -> str:
    return _QUOTED_STATEMENT.split(message, maxsplit=1)[0].rstrip(".")


def _reworded(error: EngineFailure, message: str, hint: str | None) -> EngineFailure:
    return type(error)(message, number=error.number, name=error.name, hint=hint)


def _columns(snapshot: Snapshot, name: str) -> frozenset[str]:
    if (shared := snapshot.project.shared.get(name)) is not None:
        return frozenset(column.name for column in shared.source.columns)
    sources = snapshot.project.data_sources
    if name in sources:
        return frozenset(column.name for column in sources[name].columns)
    return frozenset(column for column, _ in quarantine_columns(sources[name.removesuffix(QUARANTINE_SUFFIX)]))


def _closed(project: Project, caller: Caller) -> AbstractSet[str]:
    """Tables made of filtered rows that no scope of the token names."""
    made = set(caller.filters)
    grown = True
    while grown:
        holding = made | {name + QUARANTINE_SUFFIX for name in made}
        new = {
            target
            for pipe, target in project.lineage.targets.items()
            if target not in made and project.lineage.sources(pipe) & holding
        }
        made |= new
        grown = bool(new)
    tables = {table for name in made for table in (name, name + QUARANTINE_SUFFIX)}
    return {name for name in tables if name not in caller.filters and _right_to(name) not in caller.scopes}


def _right_to(name: str) -> Scope:
    return Scope(ScopeType.READ_DATA_SOURCE, name)
