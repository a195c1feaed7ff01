"""Deployments carried out step by step, with no writer beside."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence

from stonechat.deploy.ddl import (
    alter_table,
    backfill,
    clone_table,
    create_quarantine,
    create_table,
    create_view,
    rows_of,
)
from stonechat.deploy.plan import (
    Backfill,
    CloneDataSource,
    CreateDataSource,
    CreateView,
    Plan,
    RenewDataSource,
    RewriteDataSource,
    Table,
)
from stonechat.deploy.preparation import Preparation, prepare
from stonechat.engine.contract import Engine, Insert
from stonechat.project.live import Snapshot
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.workspaces import Workspace
from stonechat.sql.quoting import identifier

_worlds = itertools.count()


class World:
    """One workspace: what is live in it, and its tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._workspace = Workspace("w", "w", f"ws_world{next(_worlds)}", "")
        self._databases = [self._workspace.database]
        engine.command(f"CREATE DATABASE {self._workspace.database}")
        self._live = Snapshot(self._workspace, 0, Project.empty(), {})
        self._tokens = itertools.count()

    def close(self) -> None:
        for database in self._databases:
            self._engine.command(f"DROP DATABASE {database} SYNC")

    def deploy(self, files: Mapping[str, str], *, allow_destructive: bool = False) -> Preparation:
        wanted = Project.from_files(files)
        prepared = prepare(self._live, wanted, self._engine, allow_destructive=allow_destructive)
        database = f"{self._workspace.database}_d{len(self._databases)}"
        self._databases.append(database)
        self._engine.command(f"CREATE DATABASE {database}")
        made = {step.source.name for step in prepared.plan.before if isinstance(step, Table)}
        made |= {step.pipe.name for step in prepared.plan.before if isinstance(step, CreateView)}
        kept = {name: place for name, place in self._live.databases.items() if name not in made}
        after = Snapshot(
            self._workspace, self._live.deployment_id + 1, wanted, {}, kept | dict.fromkeys(made, database)
        )
        self._carry_out(prepared.plan, database, after)
        self._live = after
        return prepared

    def send(self, data_source: str, rows: bytes) -> None:
        """Rows as the writer commits them."""
        columns = [column.name for column in self._live.project.data_sources[data_source].columns]
        there = self._live.table(data_source)
        token = str(next(self._tokens))
        self._engine.insert(Insert(there.database, there.name, columns, "JSONEachRow", [rows], token))

    def contents(self) -> str:
        """The rows of every data source in the order of all columns, then of its quarantine, if there are any."""
        sections = []
        for name, source in sorted(self._live.project.data_sources.items()):
            columns = [
                f"finalizeAggregation({identifier(column.name)}) AS {identifier(column.name)}"
                if column.type.name == "AggregateFunction"
                else identifier(column.name)
                for column in source.columns
            ]
            final = " FINAL" if source.engine.name not in {"MergeTree", "Null"} else ""
            query = f"SELECT {', '.join(columns)} FROM {self._live.table(name)}{final} ORDER BY ALL"
            sections.append("\n".join([f"{name}:", *(f"  {json.dumps(row)}" for row in self._engine.fetch(query))]))
        return "\n".join(sections) + "\n"

    def _carry_out(self, plan: Plan, database: str, after: Snapshot) -> None:
        for step in plan.before:
            match step:
                case Backfill(view):
                    self._insert(view.target, after.placed(view.statement), database)
                case CreateView(pipe, target, statement):
                    self._command(create_view(pipe.name, target, after.placed(statement), database))
                case CreateDataSource(source):
                    self._command(create_table(source, database))
                    self._command(create_quarantine(source, database))
                case CloneDataSource() | RewriteDataSource() | RenewDataSource():
                    self._make_version(step, database)
                    self._clone(step.source.name + QUARANTINE_SUFFIX, step.quarantine, database)
                case _:
                    raise AssertionError(step)
        for pipe in self._live.project.pipes.values():
            there = self._live.table(pipe.name)
            if after.project.pipes.get(pipe.name) is None or after.table(pipe.name) != there:
                self._command(f"DROP TABLE IF EXISTS {there}")

    def _make_version(self, step: CloneDataSource | RewriteDataSource | RenewDataSource, database: str) -> None:
        name = step.source.name
        if isinstance(step, CloneDataSource):
            self._clone(name, step.alterations, database)
            return
        self._command(create_table(step.source, database))
        if isinstance(step, RewriteDataSource):
            self._insert(name, rows_of(step.select, name, self._live.table(name).database), database)

    def _clone(self, name: str, alterations: Sequence[str], database: str) -> None:
        self._command(clone_table(name, self._live.table(name).database, database))
        for alteration in alterations:
            self._command(alter_table(name, alteration, database))

    def _insert(self, target: str, statement: str, database: str) -> None:
        described = self._engine.fetch(f"DESCRIBE ({statement}\n)", database=self._workspace.database)
        columns = tuple(str(row["name"]) for row in described)
        self._command(backfill("filled", target, columns, statement, database))

    def _command(self, statement: str) -> None:
        self._engine.command(statement, database=self._workspace.database)
