"""The thread that ran last runs first, and otherwise it is a pool like any other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future

import pytest

from stonechat.query.threads import WarmThreads


@pytest.fixture
def threads() -> Iterator[WarmThreads]:
    threads = WarmThreads(3, "test")
    yield threads
    threads.shutdown()


class _Busy:
    """Work that begins, and ends when it may."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.may_end.wait(30)
        return threading.current_thread().name


def _all_busy(threads: WarmThreads) -> list[tuple[_Busy, Future[str]]]:
    busy = [_Busy() for _ in range(3)]
    started = [(each, threads.submit(each)) for each in busy]
    assert all(each.begun.wait(30) for each in busy)
    return started


def _name() -> str:
    return threading.current_thread().name


def test_the_thread_that_ran_last_runs_first(threads: WarmThreads) -> None:
    started = _all_busy(threads)
    ended = []
    for busy, future in (started[2], started[0], started[1]):
        busy.may_end.set()
        ended.append(future.result(30))
    assert len(set(ended)) == 3
    assert {threads.submit(_name).result(30) for _ in range(50)} == {ended[-1]}


def test_one_thread_is_enough_for_one_after_the_other(threads: WarmThreads) -> None:
    assert {threads.submit(_name).result(30) for _ in range(50)} == {"test_0"}


def test_what_finds_no_thread_waits_its_turn(threads: WarmThreads) -> None:
    started = _all_busy(threads)
    order: list[int] = []
    waiting = [threads.submit(order.append, number) for number in range(5)]
    assert not any(future.done() for future in waiting)
    started[0][0].may_end.set()
    assert [future.result(30) for future in waiting] == [None] * 5
    assert order == [0, 1, 2, 3, 4]
    for busy, _ in started:
        busy.may_end.set()


def test_an_error_is_the_outcome_and_the_thread_goes_on(threads: WarmThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 1, 0).result(30)
    assert threads.submit(divmod, 7, 3).result(30) == (2, 1)


def test_what_is_cancelled_while_it_waits_never_runs(threads: WarmThreads) -> None:
    started = _all_busy(threads)
    ran: list[str] = []
    gone, kept = threads.submit(ran.append, "gone"), threads.submit(ran.append, "kept")
    assert gone.cancel()
    for busy, _ in started:
        busy.may_end.set()
    kept.result(30)
    assert ran == ["kept"]


def test_a_shutdown_waits_for_what_was_taken_and_takes_no_more() -> None:
    threads = WarmThreads(1, "test")
    done: list[int] = []
    for number in range(20):
        threads.submit(done.append, number)
    threads.shutdown()
    assert done == list(range(20))
    with pytest.raises(RuntimeError):
        threads.submit(done.append, 20)


def test_a_shutdown_may_cancel_what_waits() -> None:
    threads = WarmThreads(1, "test")
    busy = _Busy()
    running, waiting = threads.submit(busy), threads.submit(_name)
    assert busy.begun.wait(30)
    threads.shutdown(wait=False, cancel_futures=True)
    busy.may_end.set()
    assert running.result(30) == "test_0"
    with pytest.raises(CancelledError):
        waiting.result(30)
