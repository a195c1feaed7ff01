"""Answers in files: the bytes of `query`, whatever their size, and nobody else's."""

from __future__ import annotations

import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import BinaryIO

import pytest

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import (
    EngineFailure,
    NotReadOnly,
    Query,
    QueryCancelled,
    QueryLimits,
    QueryResult,
    QueryTooLarge,
)
from stonechat.engine.formats import MEDIA_TYPES

_TIMING = re.compile(rb'("elapsed": |"elapsed_ns":")[0-9.e-]+')
_PROGRESS = "JSONStringsEachRowWithProgress"  # its lines depend on the clock
_ROWS = "SELECT 'a' AS name, toFloat64(number) AS value FROM numbers({})"


def content(file: BinaryIO) -> bytes:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


def into_file(engine: ChdbEngine, query: Query) -> tuple[bytes, QueryResult]:
    with closing(engine.scratch_file()) as file:
        result = engine.query_into(query, file)
        return content(file), result


@pytest.mark.parametrize("output", sorted(MEDIA_TYPES.keys() - {_PROGRESS}))
@pytest.mark.parametrize("rows", [0, 3, 200_000])
def test_a_file_gets_the_bytes_that_query_answers(engine: ChdbEngine, output: str, rows: int) -> None:
    query = Query(_ROWS.format(rows), "default", output)
    written, cost = into_file(engine, query)
    answered = engine.query(query)
    assert _TIMING.sub(b"", written) == _TIMING.sub(b"", answered.data)
    assert (cost.data, cost.rows_read, cost.bytes_read) == (b"", answered.rows_read, answered.bytes_read)


@pytest.mark.parametrize("clause", ["GROUP BY k WITH TOTALS ORDER BY k", "GROUP BY k ORDER BY k LIMIT 1"])
def test_totals_and_rows_before_the_limit_are_there(engine: ChdbEngine, clause: str) -> None:
    query = Query(f"SELECT number % 3 AS k, count() FROM numbers(1000) {clause}", "default")
    written, _ = into_file(engine, query)
    assert _TIMING.sub(b"", written) == _TIMING.sub(b"", engine.query(query).data)


def test_parameters_are_bound(engine: ChdbEngine) -> None:
    query = Query("SELECT {x:String} -- the end", "default", "JSONCompactEachRow", {"x": "a'b\\tc"})
    assert into_file(engine, query)[0] == b'["a\'b\\tc"]\n'


def test_a_scratch_file_has_no_name(engine: ChdbEngine) -> None:
    with closing(engine.scratch_file()) as file:
        engine.query_into(Query("SELECT 1", "default", "TSV"), file)
        assert content(file) == b"1\n"
        assert os.fstat(file.fileno()).st_nlink == 0


def test_what_failed_is_in_nobody_elses_answer(engine: ChdbEngine) -> None:
    failing = Query("SELECT throwIf(number = 150000) FROM numbers(200000)", "default", "TSV")
    for _ in range(6):
        with pytest.raises(EngineFailure) as caught:
            into_file(engine, failing)
        assert caught.value.name == "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"
        assert into_file(engine, Query("SELECT 1", "default", "TSV"))[0] == b"1\n"
        assert engine.query(Query("SELECT 1", "default", "TSV")).data == b"1\n"


@pytest.mark.parametrize("statement", ["SELEC 1", "SELECT nope", "SELECT 1 +", "SELECT * FROM nowhere", "SELECT 'a"])
def test_an_error_does_not_tell_of_the_file(engine: ChdbEngine, statement: str) -> None:
    with pytest.raises(EngineFailure) as caught:
        into_file(engine, Query(statement, "default"))
    assert "OUTFILE" not in str(caught.value)
    assert "/dev/fd" not in str(caught.value)


@pytest.mark.parametrize(
    "statement",
    ["SELECT 1; SELECT 2", "DROP TABLE t", "SELECT 1 INTO OUTFILE '/tmp/stolen'", "SELECT 1 INTO OUTFILE '/tmp/s' --"],
)
def test_only_what_reads_may_run(engine: ChdbEngine, statement: str) -> None:
    with pytest.raises(NotReadOnly):
        into_file(engine, Query(statement, "default"))


def test_an_answer_over_its_limit_is_refused(engine: ChdbEngine) -> None:
    limits = QueryLimits(result_bytes=20_000)
    with pytest.raises(QueryTooLarge, match="more than the limit of 20000"):
        into_file(engine, Query("SELECT toUInt8(1) AS a_long_column_name FROM numbers(5000)", "default", limits=limits))


def test_answers_of_many_threads_stay_apart(engine: ChdbEngine) -> None:
    def work(number: int) -> bool:
        query = Query(f"SELECT {number} FROM numbers(3000)", "default", "TSV")
        return all(into_file(engine, query)[0] == f"{number}\n".encode() * 3000 for _ in range(20))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))


def test_a_query_into_a_file_can_be_cancelled_and_shows_its_bytes_before_its_end(engine: ChdbEngine) -> None:
    limits = QueryLimits(seconds=600, result_bytes=10**12)
    endless = Query(_ROWS.format(10**11), "default", "TSV", limits=limits, query_id="into a file")
    with closing(engine.scratch_file()) as file, ThreadPoolExecutor(1) as threads:
        work = threads.submit(engine.query_into, endless, file)
        end = time.monotonic() + 60
        while os.fstat(file.fileno()).st_size == 0:
            assert time.monotonic() < end
            threading.Event().wait(0.002)
        assert not work.done()
        engine.cancel("into a file")
        assert isinstance(work.exception(60), QueryCancelled)
