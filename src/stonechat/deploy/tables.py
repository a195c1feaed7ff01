"""Trying the tables of a project out, and finding what of a data source the engine does not take.

Of a table that cannot be made the engine tells one thing, and rarely where it stands. So each part is tried by itself:
the columns, what their defaults and codecs say, the indexes, the engine and its keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from stonechat.datafile.instructions import RENAMED
from stonechat.datafile.problems import DatafileProblem, Findings
from stonechat.datafile.resources import Column, DataSource, TableEngine
from stonechat.datafile.scanner import scan, source_lines
from stonechat.deploy.ddl import create_quarantine, create_table, drop_table
from stonechat.engine.contract import Engine, EngineFailure
from stonechat.errors import Position, StonechatError
from stonechat.project.model import Project
from stonechat.project.secrets import secret_problems
from stonechat.project.service_data_sources import NAMESPACE, service_database
from stonechat.project.sharing import SharedSource
from stonechat.sql.qualifying import Placing
from stonechat.sql.quoting import identifier
from stonechat.sql.zeros import without_zeros

TRIAL_PREFIX = "rehearsal_"
_TRIAL = re.compile(rf"\b{TRIAL_PREFIX}[0-9a-f]+\w*\.")
_NOISE = (": In scope ", ". In scope ", ", available columns: ", ". Expected one of: ")


class InvalidTable(DatafileProblem):
    """The engine does not accept a data source as a table."""

    code = "SC710"


@dataclass(slots=True)
class TriedTables:
    """What trying tables gave: the problems, and the data sources that have no table for them."""

    problems: list[StonechatError] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)


def tried_tables(project: Project, engine: Engine, database: str, names: AbstractSet[str]) -> TriedTables:
    """Make the tables and quarantines of some data sources in a database that has none of them."""
    tried = TriedTables()
    for source in project.data_sources.values():
        if source.name not in names:
            continue
        try:
            engine.command(create_table(source, database), database=database)
            engine.command(create_quarantine(source, database), database=database)
        except EngineFailure as error:
            tried.missing.add(source.name)
            # A secret that nobody knows stands there as it is written, which the engine cannot read.
            missing = list(secret_problems(source, project.files[source.position.file], {}))
            tried.problems += missing or _problems(project, source, engine, database, error)
    return tried


def make_shared_tables(project: Project, engine: Engine, database: str, names: AbstractSet[str]) -> None:
    """Make empty tables like those that other workspaces share under these names, for `tried_statement`."""
    for name in sorted(names & project.shared.keys()):
        shared = project.shared[name]
        beside = _beside(database, shared)
        engine.command(f"CREATE DATABASE IF NOT EXISTS {identifier(beside)}")
        engine.command(create_table(shared.source, beside), database=beside)


def tried_statement(statement: str, project: Project, database: str) -> str:
    """A statement as it is tried in a database, with the tables beside it that are in others when the project is live.

    As it will be, it is run by connections that only read.
    """
    shared = {each.parts: _beside(database, each) for each in project.shared.values()}
    placing = Placing(namespaces={NAMESPACE: service_database(database)}, qualified=shared)
    return placing.apply(without_zeros(statement))


def without_trials(text: str) -> str:
    """A text of the engine without the databases in which a project is tried."""
    return _TRIAL.sub("", text)


def _beside(database: str, shared: SharedSource) -> str:
    return f"{database}_{shared.workspace.database}"


def _problems(
    project: Project, source: DataSource, engine: Engine, database: str, error: EngineFailure
) -> Iterator[StonechatError]:
    def failure(part: DataSource) -> EngineFailure | None:
        try:
            engine.command(create_table(part, database), database=database)
        except EngineFailure as failed:
            return failed
        finally:
            engine.command(drop_table(source.name, database))
        return None

    faults = _Faults(project.files[source.position.file], source, failure).find()
    for place, fault in faults or [(source.position, error)]:
        yield InvalidTable(f"Data source '{source.name}': {_said(fault)}", place, hint=fault.hint)


def _said(failure: EngineFailure) -> str:
    """The engine's message without what it wrote out of the statement, and without lists of all there is."""
    message = failure.message
    for noise in _NOISE:
        message = message.partition(noise)[0]
    return message


_Fault = tuple[Position, EngineFailure]


class _Faults:
    """Finds the parts of a data source that fail by themselves, with the failures. `failure` tries a table."""

    def __init__(self, text: str, source: DataSource, failure: Callable[[DataSource], EngineFailure | None]) -> None:
        lines = source_lines(text)
        instructions = scan(source.position.file, lines, Findings(lines))
        self._given = {RENAMED.get(each.command, each.command): each for each in instructions}
        self._source = source
        self._failure = failure

    def find(self) -> list[_Fault]:
        """Types first, then what columns say of each other, then all that is said of columns: each over sound ones."""
        plain = [replace(column, default=None, codec=None) for column in self._source.columns if column.type.name]
        return (
            [(column.position, failed) for column in plain if (failed := self._of_columns([column]))]
            or list(self._of_clauses(plain))
            or [*self._of_engine(), *self._of_indexes()]
        )

    def _of_columns(self, columns: Sequence[Column]) -> EngineFailure | None:
        return self._failure(replace(self._source, columns=tuple(columns), indexes=(), engine=TableEngine()))

    def _of_clauses(self, plain: Sequence[Column]) -> Iterator[_Fault]:
        sound = {column.name: column for column in plain}
        for column in self._source.columns:
            if column.default or column.codec:
                if failed := self._of_columns(list({**sound, column.name: column}.values())):
                    yield column.position, failed
                elif not column.type.name:
                    sound[column.name] = column

    def _of_engine(self) -> Iterator[_Fault]:
        bare, wanted = replace(self._source, indexes=()), self._source.engine
        keyless = TableEngine(
            wanted.name,
            version_column=wanted.version_column,
            is_deleted_column=wanted.is_deleted_column,
            sign_column=wanted.sign_column,
            sum_columns=wanted.sum_columns,
        )
        if failed := self._failure(replace(bare, engine=keyless)):
            yield self._place("ENGINE"), failed
            return
        plain = replace(keyless, sorting_key=wanted.sorting_key)
        if failed := self._failure(replace(bare, engine=plain)):
            yield self._place("ENGINE_SORTING_KEY"), failed
            plain = keyless
        for key, engine in (
            ("ENGINE_PARTITION_KEY", replace(plain, partition_key=wanted.partition_key)),
            ("ENGINE_PRIMARY_KEY", replace(plain, primary_key=wanted.primary_key)),
            ("ENGINE_SAMPLING_KEY", replace(plain, sampling_key=wanted.sampling_key)),
            ("ENGINE_TTL", replace(plain, ttl=wanted.ttl)),
            ("ENGINE_SETTINGS", replace(plain, settings=wanted.settings)),
        ):
            # Keys of rows are parts of the sorting key, which may be what is wrong.
            depends = key in {"ENGINE_PRIMARY_KEY", "ENGINE_SAMPLING_KEY"} and plain is keyless
            if not depends and engine != plain and (failed := self._failure(replace(bare, engine=engine))):
                yield self._place(key), failed

    def _of_indexes(self) -> Iterator[_Fault]:
        for index in self._source.indexes:
            if failed := self._failure(replace(self._source, indexes=(index,), engine=TableEngine())):
                lines = self._given["INDEXES"].value.lines()
                named = rf"(?:INDEX\s+)?[`\"]?{re.escape(index.name)}\b"
                line = next((line for line in lines if re.match(named, line.text, re.IGNORECASE)), None)
                yield line.position if line else self._place("INDEXES"), failed

    def _place(self, command: str) -> Position:
        """Where the value of an instruction stands."""
        instruction = self._given.get(command)
        return instruction.value.part(0, len(instruction.value.text)).position if instruction else self._source.position
