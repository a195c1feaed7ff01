"""A statement reads the same rows wherever its tables are: beside each other, or some in another database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.shared import shared_engine

from stonechat.engine.contract import Query
from stonechat.sql.qualifying import Placing

_BESIDE, _ELSEWHERE, _LEFT = "placed_beside", "placed_elsewhere", "placed_left"
_STATEMENTS = (Path(__file__).parent / "corpus" / "placed.sql").read_text(encoding="utf-8").splitlines()
_ROWS = {"m": "('m1', 1), ('m2', 2)", "t": "('t1', 1), ('t2', 2), ('t3', 3)"}


@pytest.fixture(scope="module", autouse=True)
def _tables() -> Iterator[None]:
    engine = shared_engine()
    for database, tables in ((_BESIDE, "mt"), (_ELSEWHERE, "m"), (_LEFT, "t")):
        engine.command(f"DROP DATABASE IF EXISTS {database} SYNC")
        engine.command(f"CREATE DATABASE {database}")
        for table in tables:
            engine.command(f"CREATE TABLE {table} (a String, n Int64) ENGINE = MergeTree ORDER BY a", database=database)
            engine.command(f"INSERT INTO {table} VALUES {_ROWS[table]}", database=database)
    yield
    for database in (_BESIDE, _ELSEWHERE, _LEFT):
        engine.command(f"DROP DATABASE IF EXISTS {database} SYNC")


def _rows(statement: str, database: str) -> list[bytes]:
    return sorted(shared_engine().query(Query(statement, database, "JSONCompactEachRow")).data.splitlines())


@pytest.mark.parametrize("statement", _STATEMENTS)
def test_a_statement_reads_the_same_wherever_its_tables_are(statement: str) -> None:
    placed = Placing({"m": _ELSEWHERE}).apply(statement)
    assert _rows(placed, _LEFT) == _rows(statement, _BESIDE), placed
