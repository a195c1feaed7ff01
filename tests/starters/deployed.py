"""The messaging project in a database of its own, asked through its templates and asked in plain SQL."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from stonechat.datafile.resources import NodeType
from stonechat.deploy.ddl import create_table, create_view
from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import Insert, Query, QueryResult
from stonechat.project.composition import compose_pipe
from stonechat.project.model import Project
from stonechat.starters.catalog import template_files

_NUMBERS = itertools.count()


def messaging_project() -> Project:
    files = template_files("messaging")
    datafiles = {name: data.decode() for name, data in files.items() if name.endswith((".datasource", ".pipe"))}
    return Project.from_files(datafiles)


class Messaging:
    """Tables and views of the project, and its endpoints as functions."""

    def __init__(self, engine: ChdbEngine, project: Project) -> None:
        self.engine = engine
        self.project = project
        self.database = f"messaging_{next(_NUMBERS)}"
        self._blocks = itertools.count()
        engine.command(f"CREATE DATABASE {self.database}")
        for source in project.data_sources.values():
            engine.command(create_table(source, self.database), database=self.database)
        for pipe in project.pipes_of_type(NodeType.MATERIALIZED):
            statement = compose_pipe(project, pipe, {}).sql
            target = pipe.output.options["datasource"]
            engine.command(create_view(pipe.name, target, statement, self.database), database=self.database)

    def drop(self) -> None:
        self.engine.command(f"DROP DATABASE {self.database} SYNC")

    def add(self, rows: bytes) -> None:
        columns = [column.name for column in self.project.data_sources["messages"].columns]
        token = f"{self.database}-{next(self._blocks)}"
        self.engine.insert(Insert(self.database, "messages", columns, "JSONEachRow", [rows], token))

    def statement(self, endpoint: str, values: Mapping[str, str]) -> str:
        return compose_pipe(self.project, self.project.pipes[endpoint], values).sql

    def answer(self, endpoint: str, values: Mapping[str, str]) -> QueryResult:
        return self.engine.query(Query(self.statement(endpoint, values), self.database, "JSONEachRow"))

    def rows(self, endpoint: str, **values: str) -> list[dict[str, Any]]:
        return _rows(self.answer(endpoint, values))

    def ask(self, statement: str) -> list[dict[str, Any]]:
        return _rows(self.engine.query(Query(statement, self.database, "JSONEachRow")))


def _rows(result: QueryResult) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.data.splitlines()]
