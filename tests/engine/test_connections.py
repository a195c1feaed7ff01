"""Attacks on the rule that no answer holds another caller's data, and on the bounds of the pool."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import EngineBusy, EngineFailure, Query, QueryLimits
from stonechat.engine.pools import Profile, ReaderPool

#: Fails after output began: its first rows are in the connection's buffer when the exception comes.
LATE_FAILURE = "SELECT number, throwIf(number = 900000, 'late') FROM numbers(1000000)"


class FakeConnection:
    """Counts connections; the pool asks no more of one."""

    def __init__(self, opened: list[FakeConnection]) -> None:
        self.open = True
        opened.append(self)

    def close(self) -> None:
        self.open = False


@pytest.fixture
def opened() -> list[FakeConnection]:
    return []


@pytest.fixture
def pool(opened: list[FakeConnection]) -> Iterator[ReaderPool]:
    pool = ReaderPool(lambda _: FakeConnection(opened), size=2, waiting_limit=1, wait_seconds=0.2)
    yield pool
    pool.close()


def profile(threads: int = 1) -> Profile:
    return Profile(QueryLimits(threads=threads))


def test_a_connection_that_failed_late_would_have_stained_the_next_answer(engine: ChdbEngine) -> None:
    """The hazard itself, on a connection outside the pool: when this fails, the rule may be relaxed."""
    connection = engine._connect({"max_threads": "1"})
    with pytest.raises(RuntimeError, match="late"):
        connection.query(LATE_FAILURE, "TSV")
    assert connection.query("SELECT 1", "TSV").bytes() != b"1\n"
    connection.close()


def test_no_answer_holds_bytes_of_a_failed_query(engine: ChdbEngine) -> None:
    def ask(number: int) -> bool:
        if number % 9 == 0:
            with pytest.raises(EngineFailure, match="late"):
                engine.query(Query(LATE_FAILURE, "default", "TSV"))
            return True
        query = Query("SELECT {n:UInt32}, {s:String}", "default", "TSV", {"n": str(number), "s": f"s{number}"})
        return engine.query(query).data == f"{number}\ts{number}\n".encode()

    numbers = list(range(900))
    random.Random(1).shuffle(numbers)
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, numbers))


def test_databases_and_settings_are_never_mixed_up(engine: ChdbEngine, database: str) -> None:
    databases = [f"{database}_{index}" for index in range(3)]
    for name in databases:
        engine.command(f"CREATE DATABASE {name}")
        engine.command(f"CREATE TABLE t (d String) ORDER BY d AS SELECT '{name}'", database=name)

    def ask(number: int) -> bool:
        name, quoted = databases[number % 3], str(number % 2)
        settings = {"output_format_json_quote_64bit_integers": quoted}
        query = Query("SELECT d, toUInt64(1) AS n FROM t", name, "JSONEachRow", settings=settings)
        one = '"1"' if quoted == "1" else "1"
        return engine.query(query).data == f'{{"d":"{name}","n":{one}}}\n'.encode()

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(ask, range(300)))
    for name in databases:
        engine.command(f"DROP DATABASE {name} SYNC")


def test_the_latest_connection_of_a_profile_serves_next(pool: ReaderPool, opened: list[FakeConnection]) -> None:
    with pool.borrow(profile(), "a"), pool.borrow(profile(), "a"):
        pass
    with pool.borrow(profile(), "a") as reader:
        assert reader.connection is opened[0]  # given back last
    assert len(opened) == 2


def test_a_connection_that_is_in_the_database_already_is_preferred(pool: ReaderPool) -> None:
    with pool.borrow(profile(), "a") as first, pool.borrow(profile(), "b") as second:
        first.database, second.database = "a", "b"
    with pool.borrow(profile(), "b") as reader:
        assert reader is second


def test_idle_connections_make_room_for_other_profiles(pool: ReaderPool, opened: list[FakeConnection]) -> None:
    for threads in range(1, 20):
        with pool.borrow(profile(threads), "a"):
            pass
        assert sum(connection.open for connection in opened) <= 2
    assert pool.idle == 2


def test_a_connection_is_closed_after_any_exception(pool: ReaderPool, opened: list[FakeConnection]) -> None:
    with pytest.raises(KeyboardInterrupt), pool.borrow(profile(), "a"):
        raise KeyboardInterrupt
    assert not opened[0].open
    with pool.borrow(profile(), "a"):
        pass
    assert len(opened) == 2


def test_a_connection_that_cannot_open_leaves_its_place_free(opened: list[FakeConnection]) -> None:
    def connect(asked: Profile) -> FakeConnection:
        if asked.limits.threads == 99:
            raise OSError("no more")
        return FakeConnection(opened)

    pool = ReaderPool(connect, size=1, waiting_limit=1, wait_seconds=0.1)
    for _ in range(3):
        with pytest.raises(OSError, match="no more"), pool.borrow(profile(99), "a"):
            pass
    with pool.borrow(profile(), "a"):
        pass


def test_who_waits_too_long_is_told_so(pool: ReaderPool) -> None:
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(pool.borrow(profile(), "a"))
        with pytest.raises(EngineBusy, match="no time"), pool.borrow(profile(), "a"):
            pass
    with pool.borrow(profile(), "a"):
        pass


def test_the_queue_is_bounded(opened: list[FakeConnection]) -> None:
    pool = ReaderPool(lambda _: FakeConnection(opened), size=2, waiting_limit=1, wait_seconds=60)
    waits = threading.Event()

    def wait() -> None:
        with pool.borrow(profile(), "a", check=waits.set):
            pass

    with ThreadPoolExecutor(1) as threads, pool.borrow(profile(), "a"), pool.borrow(profile(), "a"):
        waiting = threads.submit(wait)
        assert waits.wait(60)
        with pytest.raises(EngineBusy, match="Too many"), pool.borrow(profile(), "a"):
            pass
        assert not waiting.done()
    waiting.result(60)


def test_a_freed_connection_goes_to_who_waits() -> None:
    opened: list[FakeConnection] = []
    pool = ReaderPool(lambda _: FakeConnection(opened), size=1, waiting_limit=50, wait_seconds=60)

    def use(_: int) -> int:
        with pool.borrow(profile(), "a"):
            return sum(connection.open for connection in opened)

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(use, range(500))) == {1}


def test_a_closed_pool_serves_nobody(pool: ReaderPool, opened: list[FakeConnection]) -> None:
    with pool.borrow(profile(), "a"):
        pool.close()
    assert not opened[0].open
    with pytest.raises(EngineBusy, match="shutting down"), pool.borrow(profile(), "a"):
        pass
