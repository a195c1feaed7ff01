"""Trying on empty tables what a deployment would do to full ones, before it does.

The engine is asked whether it makes the wanted table of the live one by the alterations that are planned; where it does
not, the rows are written anew. A FORWARD_QUERY is asked for the columns that it gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from stonechat.datafile.problems import DatafileProblem
from stonechat.datafile.resources import DataSource
from stonechat.datafile.spans import place_in
from stonechat.deploy.ddl import alter_table, create_table, rows_of, table
from stonechat.deploy.evolution import keeps_values
from stonechat.deploy.node_faults import failure_offset
from stonechat.deploy.placeholders import unknown_name
from stonechat.deploy.plan import CloneDataSource, Plan, RewriteDataSource, Step
from stonechat.deploy.versions import rewritten
from stonechat.engine.contract import Engine, EngineBusy, EngineFailure, Query, QueryLimits, QueryTimeout
from stonechat.errors import Position, StonechatError
from stonechat.project.model import Project
from stonechat.project.snapshot import Snapshot, Table
from stonechat.sql.conversions import fits
from stonechat.sql.gate import require_read_only
from stonechat.sql.quoting import identifier, literal
from stonechat.sql.references import classify
from stonechat.sql.types import InvalidType, parse_type

_EXPLAIN = "EXPLAIN "
_PROBING = QueryLimits(seconds=5.0)
_UNKNOWN_IDENTIFIER = 47
_CONVERSION_HINT = "Write accurateCastOrDefault or accurateCastOrNull for values that do not fit."
_MORE_ROWS_AT_ONCE = re.compile(r"^\W*(Aggregating|MergingAggregated|Distinct|Window)\b", re.MULTILINE)


class InvalidForwardQuery(DatafileProblem):
    """The engine does not accept a FORWARD_QUERY over the live table, or it does not make each row of one row."""

    code = "SC713"


class ForwardQueryMismatch(DatafileProblem):
    """The columns that a FORWARD_QUERY gives are not those of its data source."""

    code = "SC714"


class ConversionFailed(DatafileProblem):
    """A value of the live table is none of the wanted column's type."""

    code = "SC715"


@dataclass(frozen=True, slots=True)
class Trial:
    """Where a plan is tried: `wanted` is a database with the wanted tables, `live` an empty one for the live ones."""

    engine: Engine
    live_project: Project
    wanted: str
    live: str

    def of(self, plan: Plan, problems: list[StonechatError]) -> Plan:
        """The plan as the engine can carry it out; what it cannot at all is added to the problems."""
        return replace(plan, before=tuple(self._tried(step, problems) for step in plan.before))

    def _tried(self, step: Step, problems: list[StonechatError]) -> Step:
        match step:
            case CloneDataSource(source, alterations) if alterations:
                reason = self._refusal(source, alterations)
                live = self.live_project.data_sources[source.name]
                return rewritten(live, source, step.quarantine, (reason,)) if reason else step
            case RewriteDataSource(source) if source.forward_query and step.select.endswith(source.forward_query):
                problems.extend(self._forward_problems(step))
                return step
            case _:
                return step

    def _refusal(self, source: DataSource, alterations: tuple[str, ...]) -> str | None:
        """Why the alterations do not make the wanted table of the live one."""
        self._create(source.name)
        try:
            for command in alterations:
                self.engine.command(alter_table(source.name, command, self.live))
        except EngineFailure as error:
            return f"the engine does not change them in place ({error.message})"
        made, wanted = self._definition(self.live, source.name), self._definition(self.wanted, source.name)
        return None if made == wanted else "the table cannot be changed in place"

    def _create(self, name: str) -> None:
        self.engine.command(create_table(self.live_project.data_sources[name], self.live), database=self.live)

    def _definition(self, database: str, name: str) -> tuple[str, list[str]]:
        query = (
            f"SELECT create_table_query FROM system.tables WHERE database = {literal(database)} "
            f"AND name = {literal(name)}"
        )
        text = str(self.engine.fetch(query)[0]["create_table_query"]).replace(database, "")
        table_itself, _, settings = text.rpartition(" SETTINGS ")
        return table_itself, sorted(settings.split(", "))

    def _forward_problems(self, step: RewriteDataSource) -> Iterator[StonechatError]:
        self._create(step.source.name)
        statement = rows_of(step.select, step.source.name, self.live)
        place = _Places(step)
        try:
            explained = self.engine.query(Query(_EXPLAIN + statement, self.live, format="TabSeparatedRaw"))
            references = classify(statement, self.engine.explain)
            require_read_only(references, tables={(self.live, step.source.name)})
            given = self._columns(f"({statement}\n)")
        except EngineFailure as error:
            message = (
                error.message.partition(". Expected one of: ")[0]
                .replace(f"`{self.live}`.", "")
                .replace(f"{self.live}.", "")
            )
            yield InvalidForwardQuery(f"FORWARD_QUERY: {message}", place.of_failure(error, statement))
            return
        except StonechatError as error:
            yield InvalidForwardQuery(f"FORWARD_QUERY: {error.message}", place.start, hint=error.hint)
            return
        if _MORE_ROWS_AT_ONCE.search(explained.data.decode()):
            message = "FORWARD_QUERY has to make each row of one row: no aggregates, DISTINCT or window functions"
            yield InvalidForwardQuery(message, place.start)
            return
        yield from self._mismatches(step.source, given, place)

    def _columns(self, what: str) -> Mapping[str, str]:
        return {str(row["name"]): str(row["type"]) for row in self.engine.fetch(f"DESCRIBE {what}")}

    def _mismatches(self, source: DataSource, given: Mapping[str, str], place: _Places) -> Iterator[StonechatError]:
        wanted = self._columns(table(self.wanted, source.name))
        for name, kind in given.items():
            if name not in wanted:
                hint = f"Leave it out, for instance with SELECT * EXCEPT ({name})."
                message = f"FORWARD_QUERY gives a column '{name}' that SCHEMA does not have"
                yield ForwardQueryMismatch(message, place.of_name(name), hint=hint)
            elif not _fits(kind, wanted[name]):
                hint = f"Convert it, for instance with CAST({name} AS {wanted[name]}) AS {name}."
                message = f"FORWARD_QUERY gives the column '{name}' as {kind}, and SCHEMA has it as {wanted[name]}"
                yield ForwardQueryMismatch(message, place.of_name(name), hint=hint)
        for column in source.columns:
            if column.name not in given and column.default is None:
                message = f"FORWARD_QUERY does not give the column '{column.name}', which has no DEFAULT"
                yield ForwardQueryMismatch(message, column.position)


def _fits(given: str, wanted: str) -> bool:
    """Whether a table takes the values of a query as they are, or refuses those that are none of its own."""
    try:
        return keeps_values(parse_type(given), parse_type(wanted)) or fits(given, wanted)
    except InvalidType:
        return given == wanted


class _Places:
    """Where things of a FORWARD_QUERY stand in its file."""

    def __init__(self, step: RewriteDataSource) -> None:
        self._text = step.source.forward_query or ""
        self._lead = len(step.select) - len(self._text)
        self._indent = step.source.forward_query_indent
        self.start = step.source.forward_query_position or step.source.position

    def of_name(self, name: str) -> Position:
        """Where a name is given as an alias, or stands at all; else where the query begins."""
        quoted = rf"[`\"]?\b{re.escape(name)}\b"
        match = re.search(rf"\bAS\s+{quoted}", self._text, re.IGNORECASE) or re.search(quoted, self._text)
        return place_in(self._text, match.start(), self.start, self._indent) if match else self.start

    def of_failure(self, error: EngineFailure, statement: str) -> Position:
        """Where the engine's parser stopped, or a name stands that it does not know."""
        if (name := unknown_name(error)) is not None:
            return self.of_name(name)
        offset = failure_offset(error, _EXPLAIN + statement)
        if offset is None:
            return self.start
        inside = min(max(offset - len(_EXPLAIN) - self._lead, 0), len(self._text))
        return place_in(self._text, inside, self.start, self._indent)


def conversion_failures(engine: Engine, live: Snapshot, plan: Plan) -> Iterator[StonechatError]:
    """Values of the live tables that a FORWARD_QUERY fails at, one a column, as far as some seconds of reading tell."""
    for step in plan.before:
        if isinstance(step, RewriteDataSource) and step.source.forward_query:
            yield from failing_columns(engine, step, live.table(step.source.name))


def failing_columns(
    engine: Engine, step: RewriteDataSource, live: Table, condition: str = ""
) -> Iterator[StonechatError]:
    """The columns of a FORWARD_QUERY that fail over rows of a table, each with the value that the engine names."""
    rows = rows_of(step.select, live.name, live.database, condition)
    failure = _failure(engine, rows, live)
    if failure is None:
        return
    place = _Places(step)
    found = False
    for column in step.source.columns:
        alone = _failure(engine, f"SELECT {identifier(column.name)} FROM (\n{rows}\n)", live)
        if alone is not None and alone.number != _UNKNOWN_IDENTIFIER:
            found = True
            message = f"The column '{column.name}' of the data source '{live.name}' does not convert: {_plain(alone)}"
            yield ConversionFailed(message, place.of_name(column.name), hint=_CONVERSION_HINT)
    if not found:
        message = f"The rows of the data source '{live.name}' do not convert: {_plain(failure)}"
        yield ConversionFailed(message, place.start, hint=_CONVERSION_HINT)


def _failure(engine: Engine, statement: str, live: Table) -> EngineFailure | None:
    try:
        engine.query(Query(statement, live.database, format="Null", limits=_PROBING))
    except (QueryTimeout, EngineBusy):
        return None  # what is left is tried when the rows are written
    except EngineFailure as error:
        return error
    return None


def _plain(failure: EngineFailure) -> str:
    return failure.message.partition(": while ")[0].partition(": In scope ")[0]
