from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from stonechat.engine import inserts
from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import EngineFailure, FailureUntold, Insert, StorageFull
from stonechat.errors import Kind

_TOKENS = itertools.count()


class BrokenSource(Sequence[bytes]):
    """Chunks whose second one cannot be read."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: object) -> bytes:  # type: ignore[override]
        raise NotImplementedError

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"k":1}\n'
        raise OSError("source lost")


@pytest.fixture
def table(engine: ChdbEngine, database: str) -> str:
    engine.command("CREATE TABLE t (k UInt32, v String DEFAULT 'd') ORDER BY k", database=database)
    return f"{database}.t"


def block(table: str, data: Sequence[bytes], *, columns: Sequence[str] = ("k",), output: str = "JSONEachRow") -> Insert:
    database, name = table.split(".")
    return Insert(database, name, columns, output, data, f"token {next(_TOKENS)}")


def count(engine: ChdbEngine, table: str) -> object:
    return engine.fetch(f"SELECT count() AS n FROM {table}")[0]["n"]


def test_chunks_may_split_rows_anywhere(engine: ChdbEngine, table: str) -> None:
    data = b"".join(b'{"k":%d}\n' % number for number in range(100))
    for size in (1, 7, 1000):
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        assert engine.insert(block(table, chunks)) == 100
    assert engine.fetch(f"SELECT sum(k) AS s, uniq(v) AS u, count() AS n FROM {table}") == [
        {"s": 3 * 4950, "u": 1, "n": 300}
    ]


def test_a_block_may_be_of_any_format(engine: ChdbEngine, table: str) -> None:
    engine.insert(block(table, [b'1,"a"\n2,"b"\n'], columns=("k", "v"), output="CSV"))
    engine.insert(block(table, [b"c\t3\n"], columns=("v", "k"), output="TSV"))
    assert engine.fetch(f"SELECT * FROM {table} ORDER BY k") == [
        {"k": 1, "v": "a"},
        {"k": 2, "v": "b"},
        {"k": 3, "v": "c"},
    ]


def test_names_and_tokens_are_quoted(engine: ChdbEngine, database: str) -> None:
    engine.command("CREATE TABLE `odd ``name` (`a b` UInt8) ORDER BY tuple()", database=database)
    engine.insert(Insert(database, "odd `name", ["a b"], "JSONEachRow", [b'{"a b":1}'], "it's; -- a \\ token"))
    assert engine.fetch("SELECT `a b` FROM `odd ``name`", database=database) == [{"a b": 1}]


@pytest.mark.parametrize("rows", [10, 1_200_000])
def test_a_block_with_one_bad_row_commits_nothing(engine: ChdbEngine, table: str, rows: int) -> None:
    good = b'{"k":1}\n' * rows
    with pytest.raises(EngineFailure, match=f"at row {rows + 1}") as caught:
        engine.insert(block(table, [good, b'{"k":"x"}\n', good]))
    assert caught.value.name == "CANNOT_PARSE_INPUT_ASSERTION_FAILED"
    assert count(engine, table) == 0


def test_a_source_that_breaks_commits_nothing(engine: ChdbEngine, table: str) -> None:
    with pytest.raises(OSError, match="source lost"):
        engine.insert(block(table, BrokenSource()))
    assert count(engine, table) == 0


@pytest.mark.parametrize(
    ("insert", "name"),
    [
        (Insert("default", "no_such_table", ["k"], "JSONEachRow", [b'{"k":1}'], "a"), "UNKNOWN_TABLE"),
        (Insert("no_such_database", "t", ["k"], "JSONEachRow", [b'{"k":1}'], "a"), "UNKNOWN_DATABASE"),
        (Insert("default", "t", ["k"], "NoSuchFormat", [b'{"k":1}'], "a"), "UNKNOWN"),
    ],
)
def test_a_failed_insert_says_why_and_the_next_one_works(
    engine: ChdbEngine, table: str, insert: Insert, name: str
) -> None:
    with pytest.raises(EngineFailure) as caught:
        engine.insert(insert)
    assert name in {caught.value.name, "UNKNOWN"}
    assert engine.insert(block(table, [b'{"k":1}\n'])) == 1
    assert count(engine, table) == 1


@pytest.mark.parametrize(
    ("definition", "name"),
    [
        ("(k UInt32, CONSTRAINT small CHECK k < 50) ENGINE = MergeTree ORDER BY k", "VIOLATED_CONSTRAINT"),
        (
            "(k UInt32, b UInt8 DEFAULT throwIf(k = 77)) ENGINE = MergeTree ORDER BY k",
            "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO",
        ),
    ],
)
def test_a_failure_behind_the_parser_is_no_success(
    engine: ChdbEngine, database: str, definition: str, name: str
) -> None:
    engine.command(f"CREATE TABLE t {definition}", database=database)
    for _ in range(3):
        with pytest.raises(EngineFailure) as caught:
            engine.insert(block(f"{database}.t", [b"".join(b'{"k":%d}\n' % number for number in range(200))]))
        assert caught.value.name == name
        assert count(engine, f"{database}.t") == 0
    assert engine.insert(block(f"{database}.t", [b'{"k":1}'])) == 1


def test_a_binary_block_that_fails_behind_the_parser_commits_nothing_of_it(engine: ChdbEngine, database: str) -> None:
    engine.command("CREATE TABLE t (k UInt8, CONSTRAINT small CHECK k < 20) ORDER BY k", database=database)
    insert = block(f"{database}.t", [bytes(range(30))], output="RowBinary")
    with pytest.raises(FailureUntold):
        engine.insert(insert)
    assert count(engine, f"{database}.t") == 0


def test_a_disk_that_is_nearly_full_takes_no_block(
    engine: ChdbEngine, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(inserts.OPTIONS, "min_free_disk_bytes_to_perform_insert", str(2**60))
    writer = inserts.Writer(engine._connect, engine._windows)
    with pytest.raises(StorageFull) as caught:
        writer.insert(block(table, [b'{"k":1}']))
    writer.close()
    assert caught.value.kind is Kind.UNAVAILABLE
    assert count(engine, table) == 0


def test_a_stream_reports_success_for_a_failure_behind_the_parser(engine: ChdbEngine, database: str) -> None:
    """The hazard itself: when this fails, the count of failed inserts need not be read any more."""
    engine.command("CREATE TABLE t (k UInt8, CONSTRAINT c CHECK k < 5) ORDER BY k", database=database)
    connection = engine._connect({})
    stream = connection.send_insert(f"INSERT INTO {database}.t (k)", "JSONEachRow")
    stream.append(b'{"k":9}')
    assert stream.finish().rows_written == 1
    assert count(engine, f"{database}.t") == 0
    connection.close()


def test_another_failed_insert_does_not_disturb_a_good_one(engine: ChdbEngine, database: str) -> None:
    window = "SETTINGS non_replicated_deduplication_window = 100"
    engine.command(f"CREATE TABLE t (k UInt32) ORDER BY k {window}", database=database)
    for number in range(3):
        with pytest.raises(EngineFailure):
            engine.command("INSERT INTO t SELECT throwIf(1)", database=database)
        assert engine.insert(block(f"{database}.t", [b'{"k":%d}' % number])) == 1
    assert count(engine, f"{database}.t") == 3


def test_many_threads_may_insert(engine: ChdbEngine, table: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        rows = threads.map(lambda number: engine.insert(block(table, [b'{"k":%d}\n' % number])), range(60))
        assert sum(rows) == 60
    assert engine.fetch(f"SELECT sum(k) AS s FROM {table}") == [{"s": 1770}]


def test_an_empty_block_is_no_row(engine: ChdbEngine, table: str) -> None:
    assert engine.insert(block(table, [])) == 0
    assert engine.insert(block(table, [b""])) == 0
    assert count(engine, table) == 0
