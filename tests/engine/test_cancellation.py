from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import EngineBusy, EngineFailure, Query, QueryCancelled, QueryLimits
from stonechat.engine.running import EARLY_CANCELLATIONS, RunningStatements

ENDLESS = "SELECT count() FROM numbers(1000000000000)"


def endless(query_id: str) -> Query:
    return Query(ENDLESS, "default", query_id=query_id, limits=QueryLimits(seconds=600))


def eventually(claim: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if claim():
            return True
        time.sleep(0.005)
    return False


def runs(engine: ChdbEngine) -> int:
    statement = f"SELECT count() AS n FROM system.processes WHERE startsWith(query, '{ENDLESS}')"
    number = engine.fetch(statement)[0]["n"]
    assert isinstance(number, int)
    return number


def ends_cancelled(answer: Future[object]) -> bool:
    return isinstance(answer.exception(60), QueryCancelled)


def test_a_running_query_ends_when_it_is_cancelled(engine: ChdbEngine) -> None:
    with ThreadPoolExecutor(2) as threads:
        first: Future[object] = threads.submit(engine.query, endless("running"))
        other: Future[object] = threads.submit(engine.query, endless("other"))
        assert eventually(lambda: runs(engine) == 2)
        engine.cancel("running")
        assert ends_cancelled(first)
        assert not other.done()
        engine.cancel("other")
        assert ends_cancelled(other)


def test_a_cancellation_at_any_moment_of_the_start_is_kept(engine: ChdbEngine) -> None:
    with ThreadPoolExecutor(1) as threads:
        for step in range(40):
            answer: Future[object] = threads.submit(engine.query, endless(f"start {step}"))
            time.sleep(step * 0.0001)
            engine.cancel(f"start {step}")
            assert ends_cancelled(answer)
    assert eventually(lambda: runs(engine) == 0)


def test_a_cancellation_may_come_before_its_query(engine: ChdbEngine) -> None:
    engine.cancel("early")
    with pytest.raises(QueryCancelled):
        engine.query(endless("early"))
    assert engine.query(Query("SELECT 1", "default", "TSV", query_id="early")).data == b"1\n"


def test_a_query_that_waits_for_a_connection_can_be_cancelled(engine: ChdbEngine) -> None:
    names = [f"holder {index}" for index in range(4)]
    with ThreadPoolExecutor(5) as threads:
        holders: list[Future[object]] = [threads.submit(engine.query, endless(name)) for name in names]
        assert eventually(lambda: runs(engine) == 4)
        waiting: Future[object] = threads.submit(engine.query, endless("waiting"))
        time.sleep(0.05)
        engine.cancel("waiting")
        assert ends_cancelled(waiting)
        assert not any(holder.done() for holder in holders)
        for name in names:
            engine.cancel(name)
        assert all(ends_cancelled(holder) for holder in holders)


def test_a_callers_text_cannot_name_another_query(engine: ChdbEngine) -> None:
    with ThreadPoolExecutor(1) as threads:
        answer: Future[object] = threads.submit(engine.query, endless("victim"))
        assert eventually(lambda: runs(engine) == 1)
        engine.cancel("' OR 1 OR '")
        engine.cancel("%")
        with pytest.raises(EngineFailure):
            engine.query(Query("KILL QUERY WHERE 1 /* victim */; SELECT", "default"))
        assert not answer.done()
        engine.cancel("victim")
        assert ends_cancelled(answer)


def test_cancellations_of_unknown_queries_are_bounded() -> None:
    running = RunningStatements(kill=lambda _: False, wake=lambda: None)
    for number in range(EARLY_CANCELLATIONS + 10):
        running.cancel(str(number))
    with running.run("0") as forgotten, running.run(str(EARLY_CANCELLATIONS)) as remembered:
        assert not forgotten.cancelled
        assert remembered.cancelled


def test_closing_cancels_what_runs_waits_for_it_and_refuses_more() -> None:
    killed: list[str] = []
    began, ended = threading.Event(), threading.Event()

    def kill(tag: str) -> bool:
        killed.append(tag)
        return True

    running = RunningStatements(kill=kill, wake=lambda: None)

    def work() -> str:
        with running.run() as run:
            began.set()
            assert eventually(lambda: run.cancelled)
            time.sleep(0.05)
            ended.set()
            return run.tag

    with ThreadPoolExecutor(1) as threads:
        worker = threads.submit(work)
        assert began.wait(60)
        running.close()
        assert ended.is_set()
        assert killed == [worker.result()]
    with pytest.raises(EngineBusy, match="shutting down"), running.run():
        pass
