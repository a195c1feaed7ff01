"""Filling a new version of a table with rows that take time to make, in bounded steps.

The rows come from frozen clones, whose parts stay as they are. A step is one insert of a bounded stretch of these
parts; its token makes it harmless to repeat, so that filling goes on after a restart where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from stonechat.deploy.ddl import alter_table, clone_table, create_table, drop_table, rows_of, thaw_table
from stonechat.deploy.plan import (
    Backfill,
    CloneDataSource,
    CreateDataSource,
    RenewDataSource,
    RewriteDataSource,
    Table,
)
from stonechat.deploy.trial import failing_columns
from stonechat.engine.contract import Engine, EngineFailure, Fill, Query, QueryCancelled, QueryLimits
from stonechat.errors import Kind, StonechatError
from stonechat.project.snapshot import Snapshot
from stonechat.project.snapshot import Table as StoredTable
from stonechat.sql.quoting import literal

JOINING = "joining"
"""Noted as the progress of a deployment while its tables get the rows that have gathered."""
STEP_BYTES = 64_000_000
MOST_STEP_ROWS = 500_000
_TABLE = ""
"""The key of the rows that do not come from a view."""
_LIMITS = QueryLimits(seconds=0.0, memory_bytes=0)
"""None: a step is bounded by its rows."""


class FillingFailed(StonechatError):
    """The rows of a data source cannot be brought into its new version."""

    code = "SC704"
    kind = Kind.INVALID

    def __init__(self, data_source: str, reason: StonechatError) -> None:
        super().__init__(
            f"Error on datasource '{data_source}': Error migrating data: {reason.message}",
            hint=reason.hint or "A FORWARD_QUERY can say what becomes of the rows.",
            position=reason.position,
        )


@dataclass(slots=True)
class Filling:
    """One table that is being filled, as it is kept.

    The table will be in `database`, what its rows come from is in `frozen`, and rows that arrive meanwhile gather in
    `gathered`. `sources` has for each view the data source whose rows set it off; `done` has the steps that are over,
    and `steps` how many there are, as far as that is known.
    """

    name: str
    database: str
    frozen: str
    gathered: str
    sources: dict[str, str] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some rows of a frozen table: `condition` names them by their place in parts."""

    condition: str
    rows: int


class Filler:
    """Fills one table. `noted` is told after each step, and may raise to end the work there."""

    def __init__(
        self,
        engine: Engine,
        snapshot: Snapshot,
        filling: Filling,
        *,
        noted: Callable[[], None],
        query_id: str,
    ) -> None:
        self._engine = engine
        self._snapshot = snapshot
        self._filling = filling
        self._noted = noted
        self._query_id = query_id
        self._stretch: Stretch | None = None

    def fill(self, step: Table, backfills: Sequence[Backfill]) -> None:
        """Do what is left. Raises `FillingFailed`."""
        try:
            self._make(step)
            for each in backfills:
                self._run_through(each)
        except QueryCancelled:
            self._noted()
            raise
        except EngineFailure as failure:
            raise FillingFailed(self._filling.name, self._at_fault(step) or failure) from failure

    def _at_fault(self, step: Table) -> StonechatError | None:
        """The column of a FORWARD_QUERY that failed over the rows that were being filled in."""
        if self._stretch is None or not (isinstance(step, RewriteDataSource) and step.source.forward_query):
            return None
        frozen = StoredTable(self._filling.frozen, step.source.name)
        return next(failing_columns(self._engine, step, frozen, self._stretch.condition), None)

    def _make(self, step: Table) -> None:
        """The table itself, with the rows that are not of views."""
        name, database, frozen = self._filling.name, self._filling.database, self._filling.frozen
        if _TABLE not in self._filling.done:
            self._command(drop_table(name, database))
            match step:
                case CloneDataSource(source, alterations):
                    self._command(clone_table(name, frozen, database))
                    for statement in thaw_table(source, database):
                        self._command(statement)
                    for alteration in alterations:
                        self._command(alter_table(name, alteration, database))
                case CreateDataSource(source) | RenewDataSource(source) | RewriteDataSource(source):
                    self._command(create_table(source, database))
                case _:
                    assert_never(step)
            self._note(_TABLE, 0)
        if isinstance(step, RewriteDataSource):
            statement = rows_of(step.select, name, frozen)
            self._insert(_TABLE, statement, name)

    def _run_through(self, step: Backfill) -> None:
        view, frozen = step.view, self._filling.frozen
        source = self._filling.sources.get(view.name)
        if source is not None:
            self._insert(view.name, self._snapshot.placed(view.statement, dict.fromkeys(view.reads, frozen)), source)

    def _insert(self, key: str, statement: str, source: str) -> None:
        """Run a statement over all rows of a frozen table, stretch by stretch."""
        base = self._snapshot.workspace.database
        described = self._engine.fetch(f"DESCRIBE ({statement})", database=base)
        columns = tuple(str(row["name"]) for row in described)
        parts = self._parts(source)
        stretches = list(_stretches(parts))
        self._filling.steps[key] = len(stretches)
        for number, stretch in enumerate(stretches):
            if number >= self._filling.done.get(key, 0):
                self._require(parts, source)
                self._stretch = stretch
                bounded = _bounded(statement, StoredTable(self._filling.frozen, source), stretch)
                self._fill(key, number, columns, bounded)
                self._note(key, number + 1)

    def _fill(self, key: str, number: int, columns: Sequence[str], statement: str) -> None:
        filling, database = self._filling, self._snapshot.workspace.database
        token = f"{self._snapshot.deployment_id}/{filling.name}/{key}/{number}"
        query = Query(statement, database, limits=_LIMITS, query_id=self._query_id)
        self._engine.fill(Fill(filling.database, filling.name, columns, query, token))

    def _parts(self, source: str) -> Sequence[Mapping[str, Any]]:
        return self._engine.fetch(
            "SELECT name, rows, data_uncompressed_bytes AS bytes FROM system.parts "
            f"WHERE active AND database = {literal(self._filling.frozen)} AND table = {literal(source)} ORDER BY name"
        )

    def _require(self, parts: Sequence[Mapping[str, Any]], source: str) -> None:
        """Stretches are named by parts: others would be passed over without a word."""
        if self._parts(source) != parts:
            raise EngineFailure("the parts of a frozen table have changed")

    def _note(self, key: str, done: int) -> None:
        self._filling.done[key] = done
        self._noted()

    def _command(self, statement: str) -> None:
        self._engine.command(statement, database=self._snapshot.workspace.database, query_id=self._query_id)


def _bounded(statement: str, table: StoredTable, stretch: Stretch) -> str:
    """A statement that reads a table, of which it finds one stretch. It may end in a comment."""
    filters = f"{{{literal(f'{table.database}.{table.name}')}: {literal(stretch.condition)}}}"
    return f"SELECT * FROM\n(\n{statement}\n)\nSETTINGS additional_table_filters = {filters}"


def _stretches(parts: Sequence[Mapping[str, Any]]) -> Iterator[Stretch]:
    """All rows of the parts in stretches of a bounded size; small parts share one."""
    whole: list[str] = []
    rows = size = 0
    for part in parts:
        limit = _most_rows(part)
        if part["rows"] > limit:
            for start in range(0, part["rows"], limit):
                end = min(start + limit, part["rows"])
                condition = f"_part = {literal(part['name'])} AND _part_offset >= {start} AND _part_offset < {end}"
                yield Stretch(condition, end - start)
            continue
        if whole and (rows + part["rows"] > MOST_STEP_ROWS or size + part["bytes"] > STEP_BYTES):
            yield _of_whole(whole, rows)
            whole, rows, size = [], 0, 0
        whole.append(part["name"])
        rows, size = rows + part["rows"], size + part["bytes"]
    if whole:
        yield _of_whole(whole, rows)


def _most_rows(part: Mapping[str, Any]) -> int:
    width = max(part["bytes"] / max(part["rows"], 1), 1)
    return max(min(int(STEP_BYTES / width), MOST_STEP_ROWS), 1)


def _of_whole(names: Sequence[str], rows: int) -> Stretch:
    return Stretch(f"_part IN ({', '.join(map(literal, names))})", rows)
