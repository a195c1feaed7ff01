"""Equal work under way is shared, and goes on as long as anybody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from stonechat.query.coalescing import Coalescing


class _Work:
    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.gate = asyncio.Event()

    def start(self, _land: object) -> asyncio.Future[int]:
        return asyncio.ensure_future(self._run())

    async def _run(self) -> int:
        self.begun += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.begun


def test_equal_keys_share_one_run_and_others_do_not() -> None:
    async def scenario() -> None:
        flights, work, other = Coalescing[int](), _Work(), _Work()
        callers = [flights.join("key", work.start) for _ in range(10)]
        callers.append(flights.join("other", other.start))
        await asyncio.sleep(0)
        work.gate.set()
        other.gate.set()
        assert list(await asyncio.gather(*callers)) == [1] * 11
        assert (work.begun, other.begun) == (1, 1)
        assert await flights.join("key", work.start) == 2

    asyncio.run(scenario())


def test_work_ends_with_its_last_caller_and_not_before() -> None:
    async def scenario() -> None:
        flights, work = Coalescing[int](), _Work()
        first, second = (flights.join("key", work.start) for _ in range(2))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0.01)
        assert work.cancelled == 0
        second.cancel()
        await asyncio.sleep(0.01)
        assert work.cancelled == 1

    asyncio.run(scenario())


def test_who_comes_after_the_end_of_abandoned_work_begins_anew() -> None:
    async def scenario() -> None:
        flights, work = Coalescing[int](), _Work()
        first = flights.join("key", work.start)
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0)
        second = flights.join("key", work.start)
        third = flights.join("key", work.start)
        await asyncio.sleep(0.01)
        work.gate.set()
        assert list(await asyncio.gather(second, third)) == [2, 2]
        assert work.begun == 2

    asyncio.run(scenario())


def test_a_failure_reaches_every_caller() -> None:
    async def scenario() -> None:
        flights = Coalescing[int]()

        async def fail() -> int:
            await asyncio.sleep(0.01)
            raise ValueError("no")

        callers = [flights.join("key", lambda _land: asyncio.ensure_future(fail())) for _ in range(3)]
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["no"] * 3
        with pytest.raises(ValueError, match="no"):
            await flights.join("key", lambda _land: asyncio.ensure_future(fail()))

    asyncio.run(scenario())


def test_work_tells_of_its_end_before_its_future_does() -> None:
    async def scenario() -> None:
        flights, heard = Coalescing[int](), list[int]()
        works: list[asyncio.Future[int]] = []

        def work(land: Callable[[asyncio.Future[int]], None]) -> asyncio.Future[int]:
            works.append(asyncio.get_running_loop().create_future())
            lands.append(land)
            return works[0]

        lands: list[Callable[[asyncio.Future[int]], None]] = []
        callers = [flights.join("key", work, heard.append) for _ in range(3)]
        await asyncio.sleep(0)
        callers[0].cancel()
        await asyncio.sleep(0)
        works[0].set_result(7)
        lands[0](works[0])
        assert heard == [7, 7]
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        assert (outcomes[1:], heard) == ([7, 7], [7, 7])

    asyncio.run(scenario())


def test_nobody_is_told_of_a_failure_before_it_is_raised() -> None:
    async def scenario() -> None:
        flights, heard = Coalescing[int](), list[int]()

        async def fail() -> int:
            await asyncio.sleep(0)
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await flights.join("key", lambda _land: asyncio.ensure_future(fail()), heard.append)
        assert heard == []

    asyncio.run(scenario())


def test_work_that_can_not_begin_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        flights, good = Coalescing[int](), _Work()

        def refuse(_land: object) -> asyncio.Future[int]:
            raise ValueError("too many")

        with pytest.raises(ValueError, match="too many"):
            await flights.join("key", refuse)
        good.gate.set()
        assert await flights.join("key", good.start) == 1

    asyncio.run(scenario())


def test_who_waits_gets_the_outcome_whatever_becomes_of_those_who_are_told() -> None:
    async def scenario() -> None:
        flights, work = Coalescing[int](), _Work()
        told = [flights.join("key", work.start, _refuse) for _ in range(2)]
        others = [flights.join("key", work.start) for _ in range(2)]
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        await asyncio.sleep(0)
        work.gate.set()
        assert await asyncio.gather(*told, *others) == [1] * 4

    asyncio.run(scenario())


def test_who_asks_again_while_told_begins_anew() -> None:
    async def scenario() -> None:
        flights, work = Coalescing[int](), _Work()
        again: list[asyncio.Future[int]] = []
        first = flights.join("key", work.start, lambda _: again.append(flights.join("key", work.start)))
        await asyncio.sleep(0)
        work.gate.set()
        assert await asyncio.wait_for(first, 5) == 1
        assert await asyncio.wait_for(again[0], 5) == 2

    asyncio.run(scenario())


def _refuse(_outcome: int) -> None:
    raise ValueError("no")
