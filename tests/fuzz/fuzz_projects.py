"""Endpoints and statements have the rows that plain tables in their place have, whatever names are given to what.

Each node of a random project is made a table of its own text. A call of the endpoint, a statement over it, and one of
the caller's own have to say the same: with all tables in one database or not, and for a token that may see only some
rows as if there were no others. A statement may be refused; then no word of it is of a hidden row.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.engine.shared import shared_engine
from tests.fuzz.random_projects import (
    HIDDEN,
    LIMITS,
    AsTables,
    RandomProject,
    Rows,
    make_tables,
    random_project,
    sorted_rows,
)
from tests.fuzz.random_selects import SelectMaker
from tests.fuzz.running import FIRST_SEED, INPUTS

from stonechat.auth.access import Caller, Scope
from stonechat.engine.contract import EngineFailure, QueryResult
from stonechat.engine.formats import Format
from stonechat.errors import StonechatError
from stonechat.project.model import Project
from stonechat.project.places import Place
from stonechat.project.snapshot import Snapshot
from stonechat.project.versions import DataVersions
from stonechat.project.workspaces import Workspace
from stonechat.query.answers import Answer
from stonechat.query.execute import QueryBounds, QueryService
from stonechat.query.requests import EndpointRequest, StatementRequest

# A project takes as long as many other inputs.
_PROJECTS = -(-INPUTS // 2500)
_STATEMENTS = 3
_MOST_REFUSED = 0.2
_WHOLE, _LEFT, _MOVED = "ws_000000000001", "ws_000000000002", "ws_000000000002_d1"
_ROWS = Format("ndjson", "application/x-ndjson", "JSONCompactEachRow")
_ADMIN = Caller("w", "t", "admin", frozenset({Scope.parse("ADMIN")}))
Request = EndpointRequest | StatementRequest


def test_a_project_answers_as_if_its_nodes_and_pipes_were_tables() -> None:
    comparing = _Comparing(QueryService(shared_engine(), DataVersions(), QueryBounds(LIMITS, 2, 10, 0, 100_000_000)))
    try:
        for seed in range(FIRST_SEED, FIRST_SEED + _PROJECTS):
            comparing.compare(random_project(random.Random(seed), "projects_tried"), seed)
    finally:
        comparing.service.close()
    assert comparing.refused < _MOST_REFUSED * comparing.compared, comparing


@dataclass
class _Comparing:
    """Counts the answers that were compared, and the requests that were refused though plain tables answer them."""

    service: QueryService
    compared: int = 0
    refused: int = 0

    def compare(self, made: RandomProject, seed: int) -> None:
        """Each request of each caller, wherever the tables are."""
        whole, placed = _snapshots(Project.from_files(made.files), made)
        hiding = list(made.rows)[1:]
        for caller, rows in ((_ADMIN, made.rows), (_filtered(made, hiding), _shown(made.rows, hiding))):
            for request, expected in _requests(made, rows, seed):
                for snapshot in (whole, placed):
                    note = f"STONECHAT_FUZZ_SEED={seed}, {request}, {caller.filters}"
                    found = self._answer(snapshot, caller, request)
                    if isinstance(found, StonechatError):
                        self.refused += expected is not None
                        assert not caller.filters or HIDDEN not in str(found), note
                    elif expected is not None:
                        self.compared += 1
                        assert found == expected, note

    def _answer(self, snapshot: Snapshot, caller: Caller, request: Request) -> list[str] | StonechatError:
        called: Coroutine[Any, Any, Answer]
        if isinstance(request, EndpointRequest):
            called = self.service.endpoint(snapshot, caller, request)
        else:
            called = self.service.statement(snapshot, caller, request)
        try:
            result = asyncio.run(called).result
        except StonechatError as error:
            return error
        assert isinstance(result, QueryResult)
        return sorted_rows(result.data)


def _snapshots(project: Project, made: RandomProject) -> tuple[Snapshot, Snapshot]:
    moved = list(made.rows)[:2]
    make_tables(_WHOLE, made.rows)
    make_tables(_MOVED, {name: made.rows[name] for name in moved})
    make_tables(_LEFT, {name: rows for name, rows in made.rows.items() if name not in moved})
    places = dict.fromkeys(moved, Place(_MOVED))
    return (
        Snapshot(Workspace("w", "main", _WHOLE, "2026-01-01"), 1, project, {}),
        Snapshot(Workspace("w", "main", _LEFT, "2026-01-01"), 2, project, {}, places),
    )


def _shown(rows: Mapping[str, Rows], hiding: Sequence[str]) -> Mapping[str, Rows]:
    return {
        name: [row for row in listed if name not in hiding or not row[0].startswith(HIDDEN)]
        for name, listed in rows.items()
    }


def _filtered(made: RandomProject, hiding: Sequence[str]) -> Caller:
    condition = f"NOT startsWith(k, '{HIDDEN}')"
    scopes = [
        f"DATASOURCES:READ:{name}:{condition}" if name in hiding else f"DATASOURCES:READ:{name}" for name in made.rows
    ]
    scopes += [f"PIPES:READ:{name}" for name in made.pipes]
    return Caller.of("w", "t", "filtered", [Scope.parse(scope) for scope in scopes])


def _requests(made: RandomProject, rows: Mapping[str, Rows], seed: int) -> Iterator[tuple[Request, list[str] | None]]:
    """Requests, each with its rows according to plain tables; None where these refuse it."""
    tables = AsTables("projects_as_tables", rows)
    for pipe, nodes in made.pipes.items():
        chance = random.Random(f"{seed} {pipe}")
        yield EndpointRequest(pipe, _ROWS), tables.add_pipe(pipe, nodes)
        tables.add("_", f"SELECT * FROM {pipe}")
        over_nodes = SelectMaker(chance, [*made.rows, *nodes, "_"], list(made.rows)).statement()
        yield StatementRequest(over_nodes, _ROWS, pipe=pipe), _answer(tables, over_nodes)
        tables.drop(*nodes)
        over_rows = SelectMaker(chance, ["_", pipe]).statement()
        yield EndpointRequest(pipe, _ROWS, wrap=over_rows), _answer(tables, over_rows)
        tables.drop("_")
    chance = random.Random(f"{seed} statements")
    for _ in range(_STATEMENTS):
        statement = SelectMaker(chance, [*made.rows, *made.pipes], list(made.rows)).statement()
        yield StatementRequest(statement, _ROWS), _answer(tables, statement)


def _answer(tables: AsTables, statement: str) -> list[str] | None:
    try:
        return tables.answer(statement)
    except EngineFailure:
        return None
