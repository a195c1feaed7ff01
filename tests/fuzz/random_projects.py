"""Random projects over a few rows, and the same as plain tables, each node made of its own text."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.engine.shared import shared_engine
from tests.fuzz.random_selects import NAMES, SelectMaker

from stonechat.engine.contract import EngineFailure, Query, QueryLimits

Rows = Sequence[tuple[str, int]]

HIDDEN = "HID"
"""What the texts of rows begin with that a filter hides."""
LIMITS = QueryLimits(seconds=4)
_SCHEMA = """SCHEMA >
    `k` String `json:$.k`,
    `n` Int64 `json:$.n`

ENGINE ReplacingMergeTree
ENGINE_SORTING_KEY k, n, intHash32(n)
ENGINE_SAMPLING_KEY intHash32(n)
"""
_TABLE = "(k String, n Int64) ENGINE = ReplacingMergeTree ORDER BY (k, n, intHash32(n)) SAMPLE BY intHash32(n)"
_ATTEMPTS = 4


@dataclass(frozen=True)
class RandomProject:
    """The rows of data sources by their names, and the SQL of nodes: pipe -> node -> text."""

    rows: Mapping[str, Rows]
    pipes: Mapping[str, Mapping[str, str]]

    @property
    def files(self) -> dict[str, str]:
        """What is deployed."""
        made = {f"{name}.datasource": _SCHEMA for name in self.rows}
        for pipe, nodes in self.pipes.items():
            indented = {name: sql.replace("\n", "\n    ") for name, sql in nodes.items()}
            text = "".join(f"NODE {name}\nSQL >\n    {sql}\n\n" for name, sql in indented.items())
            made[f"{pipe}.pipe"] = f"{text}TYPE endpoint\n"
        return made


class AsTables:
    """A project as plain tables of one database."""

    def __init__(self, database: str, rows: Mapping[str, Rows]) -> None:
        self._database = database
        make_tables(database, rows)

    def answer(self, statement: str) -> list[str]:
        """The rows of a statement, sorted. Raises `EngineFailure`."""
        query = Query(statement, self._database, "JSONCompactEachRow", limits=LIMITS)
        return sorted_rows(shared_engine().query(query).data)

    def add(self, name: str, sql: str) -> None:
        """Make a table of what a statement says. Raises `EngineFailure`; then there is none of the name."""
        engine = shared_engine()
        self.drop(name)
        rows = self.answer(f"SELECT k, n FROM (\n{sql}\n)")
        engine.command(f"CREATE TABLE {name} (k String, n Int64) ENGINE = Memory", database=self._database)
        try:
            if rows:
                listed = "\n".join(rows)
                statement = f"INSERT INTO {name} FORMAT JSONCompactEachRow {listed}"
                engine.command(statement, database=self._database)
        except EngineFailure:
            self.drop(name)
            raise

    def drop(self, *names: str) -> None:
        """Take tables away."""
        for name in names:
            shared_engine().command(f"DROP TABLE IF EXISTS {name}", database=self._database)

    def add_pipe(self, pipe: str, nodes: Mapping[str, str]) -> list[str]:
        """Make tables of the nodes of a pipe and of itself, and give the rows of its last node."""
        rows: list[str] = []
        for node, sql in nodes.items():
            rows = self.answer(sql)
            self.add(node, sql)
        self.add(pipe, f"SELECT * FROM {list(nodes)[-1]}")
        return rows


def sorted_rows(data: bytes) -> list[str]:
    """An answer in JSONCompactEachRow, in an order of its own."""
    return sorted(json.dumps(json.loads(line)) for line in data.decode().splitlines())


def make_tables(database: str, rows: Mapping[str, Rows]) -> None:
    """Make a database anew, with these tables: each has some rows twice, for FINAL."""
    engine = shared_engine()
    engine.command(f"DROP DATABASE IF EXISTS {database} SYNC")
    engine.command(f"CREATE DATABASE {database}")
    for name, listed in rows.items():
        engine.command(f"CREATE TABLE {name} {_TABLE}", database=database)
        for part in filter(None, (listed, listed[:2])):
            values = ", ".join(f"('{k}', {n})" for k, n in part)
            engine.command(f"INSERT INTO {name} VALUES {values}", database=database)


def random_project(chance: random.Random, database: str) -> RandomProject:
    """One that the engine takes, as it finds in a database of that name."""
    names = chance.sample(NAMES, 7)
    rows: dict[str, Rows] = {}
    for name in names[:3]:
        numbers = chance.sample(range(9), 4)
        shown = [(f"{name}{number % 2}", number) for number in numbers]
        rows[name] = [*shown, *((f"{HIDDEN}{name}", n + 100 * (i % 2)) for i, n in enumerate(numbers))]
    tables = AsTables(database, rows)
    pipes: dict[str, dict[str, str]] = {}
    for pipe in names[3:5]:
        nodes: dict[str, str] = {}
        for node in chance.sample([name for name in NAMES if name not in names[:5]], chance.choice([1, 2, 3])):
            if (sql := _node(chance, [*rows, *pipes, *nodes], list(rows), tables, node)) is not None:
                nodes[node] = sql
        tables.drop(*nodes)
        if nodes:
            pipes[pipe] = nodes
            tables.add_pipe(pipe, nodes)
            tables.drop(*nodes)
    return RandomProject(rows, pipes)


def _node(
    chance: random.Random, known: Sequence[str], with_final: Sequence[str], tables: AsTables, node: str
) -> str | None:
    for _ in range(_ATTEMPTS):
        sql = SelectMaker(chance, known, with_final).statement()
        try:
            tables.add(node, sql)
        except EngineFailure:
            continue
        return sql
    return None
