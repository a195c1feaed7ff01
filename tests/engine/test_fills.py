"""Rows go from one table to another inside the engine, all of them and once."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from tests.engine.test_cancellation import eventually

from stonechat.engine import windows
from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import EngineFailure, Fill, Query, QueryCancelled, QueryLimits, QueryResult, QueryTimeout

_WINDOW = "SETTINGS non_replicated_deduplication_window = 1000"


@pytest.fixture
def table(engine: ChdbEngine, database: str) -> str:
    engine.command(f"CREATE TABLE t (k UInt32, v String) ORDER BY k PARTITION BY k % 3 {_WINDOW}", database=database)
    return "t"


def _fill(database: str, table: str, statement: str, **more: Any) -> Fill:
    token, columns = more.pop("token", ""), more.pop("columns", ("k",))
    return Fill(database, table, columns, Query(statement, database, **more), token)


def _value(engine: ChdbEngine, database: str, statement: str) -> object:
    (row,) = engine.fetch(statement, database=database)
    return next(iter(row.values()))


def test_equal_blocks_of_a_fill_without_token_are_all_kept(engine: ChdbEngine, database: str, table: str) -> None:
    result = engine.fill(_fill(database, table, "SELECT 1 AS k FROM numbers(3000000)"))
    assert result.rows == 3_000_000
    assert result.rows_read == 3_000_000
    assert _value(engine, database, "SELECT count() AS n FROM t") == 3_000_000


def test_a_token_holds_for_all_partitions_and_for_views(engine: ChdbEngine, database: str, table: str) -> None:
    engine.command(
        f"CREATE TABLE sums (m UInt8, n UInt64) ENGINE = SummingMergeTree ORDER BY m {_WINDOW}", database=database
    )
    engine.command(
        "CREATE MATERIALIZED VIEW view TO sums AS SELECT k % 2 AS m, count() AS n FROM t GROUP BY m", database=database
    )
    fill = _fill(database, table, "SELECT number AS k FROM numbers(300000)", token="j/0")
    engine.fill(fill)
    engine.fill(fill)
    assert _value(engine, database, "SELECT count() AS n FROM t") == 300_000
    assert _value(engine, database, "SELECT sum(n) AS n FROM sums") == 300_000
    assert (
        _value(
            engine,
            database,
            "SELECT max(rows) AS n FROM system.parts WHERE database = currentDatabase() AND table = 't'",
        )
        == 100_000
    )
    engine.fill(_fill(database, table, fill.query.statement, token="j/1"))
    assert _value(engine, database, "SELECT sum(n) AS n FROM sums") == 600_000


def test_a_fill_of_more_partitions_than_a_window_has_places_is_remembered_whole(
    engine: ChdbEngine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "DEDUPLICATION_WINDOW", 20)
    window = "SETTINGS non_replicated_deduplication_window = 20"
    engine.command(f"CREATE TABLE days (k UInt64) PARTITION BY k ORDER BY k {window}", database=database)
    for _ in range(2):
        engine.fill(_fill(database, "days", "SELECT number AS k FROM numbers(60)", token="j/0"))
    assert _value(engine, database, "SELECT count() AS n FROM days") == 60


def test_values_are_bound_and_comments_end_nothing(engine: ChdbEngine, database: str, table: str) -> None:
    parameters = {"v": "O'Brien \\\\ ❄"}
    statement = "SELECT 1 AS k, {v:String} AS v -- the end"
    engine.fill(_fill(database, table, statement, parameters=parameters, columns=("k", "v")))
    assert _value(engine, database, "SELECT v FROM t") == "O'Brien \\ ❄"


@pytest.mark.parametrize("statement", ["DROP TABLE t", "SELECT 1 AS k; SELECT 2 AS k", "SELECT 1 AS k) SELECT (2"])
def test_only_one_statement_that_reads_fills(engine: ChdbEngine, database: str, table: str, statement: str) -> None:
    with pytest.raises(EngineFailure):
        engine.fill(_fill(database, table, statement))
    assert _value(engine, database, "SELECT count() AS n FROM t") == 0


def test_a_fill_ends_at_its_time_limit(engine: ChdbEngine, database: str, table: str) -> None:
    limits = QueryLimits(seconds=0.2)
    with pytest.raises(QueryTimeout):
        engine.fill(_fill(database, table, "SELECT sum(number) AS k FROM numbers(1000000000000)", limits=limits))


def test_a_fill_tells_how_far_it_is_and_ends_when_it_is_cancelled(
    engine: ChdbEngine, database: str, table: str
) -> None:
    endless = "SELECT sum(number) AS k FROM numbers(1000000000000)"
    limits = QueryLimits(seconds=60)
    with ThreadPoolExecutor(1) as threads:
        fill = _fill(database, table, endless, limits=limits, query_id="copy ☃")
        filled: Future[QueryResult] = threads.submit(engine.fill, fill)
        read = threading.Event()

        def reads() -> bool:
            reading = engine.reading("copy ☃")
            if reading is not None and reading.rows and reading.expected == 1_000_000_000_000:
                read.set()
            return read.is_set()

        assert eventually(reads)
        engine.cancel("copy ☃")
        assert isinstance(filled.exception(10), QueryCancelled)
    assert engine.reading("copy ☃") is None
