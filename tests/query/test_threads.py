"""The thread that ran last runs first, and otherwise it is a pool like any other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from stonechat.query.threads import WarmThreads


class _Busy:
    """Work that begins, and ends when it may."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.may_end.wait(60)
        return threading.current_thread().name


def _within(number: int, scenario: Callable[[WarmThreads], Awaitable[None]]) -> None:
    """Run a scenario with so many threads."""
    threads = WarmThreads(number, "test")

    async def run() -> None:
        async with asyncio.timeout(30):
            await scenario(threads)

    asyncio.run(run())
    threads.close()


async def _all_busy(threads: WarmThreads, number: int) -> list[tuple[_Busy, asyncio.Future[str]]]:
    busy = [_Busy() for _ in range(number)]
    started = [(each, threads.run(each)) for each in busy]
    for each in busy:
        await asyncio.to_thread(each.begun.wait)
    return started


def _name() -> str:
    return threading.current_thread().name


def test_the_thread_that_ran_last_runs_first() -> None:
    async def scenario(threads: WarmThreads) -> None:
        started = await _all_busy(threads, 3)
        ended = []
        for busy, future in (started[2], started[0], started[1]):
            busy.may_end.set()
            ended.append(await future)
        assert len(set(ended)) == 3
        assert {await threads.run(_name) for _ in range(50)} == {ended[-1]}

    _within(3, scenario)


def test_one_thread_is_enough_for_one_after_the_other() -> None:
    async def scenario(threads: WarmThreads) -> None:
        assert {await threads.run(_name) for _ in range(50)} == {"test_0"}

    _within(3, scenario)


def test_what_finds_no_thread_waits_its_turn() -> None:
    async def scenario(threads: WarmThreads) -> None:
        started = await _all_busy(threads, 3)
        order: list[int] = []
        waiting = [threads.run(partial(order.append, number)) for number in range(5)]
        await asyncio.sleep(0.01)
        assert not any(future.done() for future in waiting)
        started[0][0].may_end.set()
        assert await asyncio.gather(*waiting) == [None] * 5
        assert order == [0, 1, 2, 3, 4]
        for busy, _ in started:
            busy.may_end.set()

    _within(3, scenario)


def test_an_error_is_the_outcome_and_the_thread_goes_on() -> None:
    async def scenario(threads: WarmThreads) -> None:
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: divmod(1, 0))
        assert await threads.run(lambda: divmod(7, 3)) == (2, 1)

    _within(1, scenario)


def test_what_is_cancelled_while_it_waits_never_runs() -> None:
    async def scenario(threads: WarmThreads) -> None:
        started = await _all_busy(threads, 3)
        ran: list[str] = []
        gone, kept = threads.run(lambda: ran.append("gone")), threads.run(lambda: ran.append("kept"))
        assert gone.cancel()
        for busy, _ in started:
            busy.may_end.set()
        await kept
        assert ran == ["kept"]

    _within(3, scenario)


def test_what_is_cancelled_while_it_runs_ends_untold_and_the_thread_goes_on() -> None:
    async def scenario(threads: WarmThreads) -> None:
        [(busy, future)] = await _all_busy(threads, 1)
        assert future.cancel()
        busy.may_end.set()
        assert await threads.run(_name) == "test_0"
        assert future.cancelled()

    _within(1, scenario)


def test_a_close_waits_for_what_was_taken_and_takes_no_more() -> None:
    done: list[int] = []

    async def scenario(threads: WarmThreads) -> None:
        for number in range(20):
            threads.run(partial(done.append, number))
        threads.close()
        assert done == list(range(20))
        with pytest.raises(RuntimeError, match="no work"):
            threads.run(_name)

    _within(1, scenario)


def test_work_that_outlives_its_event_loop_ends_all_the_same() -> None:
    threads = WarmThreads(1, "test")
    busy = _Busy()

    async def leave() -> None:
        threads.run(busy)
        await asyncio.to_thread(busy.begun.wait)

    asyncio.run(leave())
    busy.may_end.set()

    async def come() -> str:
        return await threads.run(_name)

    assert asyncio.run(come()) == "test_0"
    threads.close()
