"""Queries on their way through the engine: so many at a time, so many that wait, and answers that may be large."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, BinaryIO, ParamSpec, TypeVar

from stonechat.engine.contract import Engine, EngineBusy, Query, QueryLimits, QueryResult, QueryTooLarge
from stonechat.engine.totals import in_order
from stonechat.query.clauses import without_clauses
from stonechat.query.coalescing import pass_on
from stonechat.query.spool import STREAMED_FROM, Spool, SpooledAnswer
from stonechat.query.threads import WarmThreads
from stonechat.sql.skeletons import skeleton

_SHARING_SECONDS = 0.1
_RESULT_TOO_LARGE = 396
_REMEMBERED = 1000
_P = ParamSpec("_P")
_T = TypeVar("_T")
_Answering = asyncio.Future[QueryResult | SpooledAnswer]
Answered = Callable[[QueryResult], None]


class QueryRuns:
    """At most `connections` pieces of work at a time on an engine, and `queue` more that wait. One event loop's own."""

    def __init__(self, engine: Engine, connections: int, queue: int, spool_bytes: int) -> None:
        self._engine = engine
        self._spool = Spool(spool_bytes)
        self._threads = WarmThreads(connections, "query")
        self._most_pending = connections + queue
        self._pending = 0
        #: Skeletons of statements with large answers, and of those without clauses that the request decides.
        self._large: dict[str, None] = {}
        self._bare: dict[str, None] = {}

    async def run(self, query: Query) -> QueryResult | SpooledAnswer:
        """The engine's answer, in memory if it is small; the caller holds a large one."""
        query_id = os.urandom(16).hex()
        try:
            small = await self._submit(self._small, query, query_id)
        except asyncio.CancelledError:
            self._cancel(query_id)
            raise
        return small or await self._spooled(replace(query, query_id=query_id), shared=False)

    def start(self, query: Query, ended: Callable[[_Answering], None], answered: Answered | None = None) -> _Answering:
        """The same for callers who share it: under way at once, and ended when the future is cancelled.

        `ended` is called with the future as soon as a small answer is in it, and `answered` with that before, in the
        thread that has it.

        A large answer is held by nobody for long: those who share it hold it themselves. A task for each query would
        take the event loop three turns more.
        """
        self._admit()
        query_id = os.urandom(16).hex()
        answer: _Answering = asyncio.get_running_loop().create_future()

        def abandon(_: object) -> None:
            if answer.cancelled():
                self._pending -= 1
                self._cancel(query_id)

        def decide(_: object, small: QueryResult | None, failure: BaseException | None) -> None:
            self._pending -= 1
            if failure is not None:
                answer.set_exception(failure)
            elif small is not None:
                answer.set_result(small)
                ended(answer)
            else:
                answer.remove_done_callback(abandon)
                large = asyncio.ensure_future(self._spooled(replace(query, query_id=query_id), shared=True))
                large.add_done_callback(partial(pass_on, answer))
                answer.add_done_callback(lambda _: large.cancel())

        answer.add_done_callback(abandon)
        # Last: the thread needs the interpreter, which it gets when this one has come to its end.
        self._threads.settle(answer, partial(self._small, query, query_id, answered), decide)
        return answer

    async def _spooled(self, query: Query, *, shared: bool) -> QueryResult | SpooledAnswer:
        file = self._spool.file(self._engine.scratch_file)
        try:
            work = self._submit(self._read, query, file)
        except BaseException:
            file.close()
            raise
        answer = SpooledAnswer(file, work, partial(self._cancel, query.query_id), query.limits)
        try:
            result = await answer.whole()
        except BaseException:
            # The caller may be gone; the thread's own end comes by the cancelled query.
            answer.release()
            raise
        if result is not None:
            answer.release()
            return _in_order(result, query)
        if shared:
            asyncio.get_running_loop().call_later(_SHARING_SECONDS, answer.release)
        return answer

    async def in_thread(self, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        """The outcome of work that asks the engine; it takes the place of a query."""
        return await self._submit(work, *arguments, **named)

    def takes_at_once(self, query: Query) -> bool:
        """Whether a query would begin at once, and its answer is not known to be large."""
        return self._threads.has_room and not (self._large and skeleton(query.statement) in self._large)

    @property
    def pending(self) -> int:
        """Pieces of work that run or wait."""
        return self._pending

    def close(self) -> None:
        """Take no more work, and wait for what runs."""
        self._threads.close()

    def _cancel(self, query_id: str) -> None:
        """End a query, in a thread: the engine may not know it yet, and is asked again for half a second."""
        asyncio.get_running_loop().run_in_executor(None, self._engine.cancel, query_id)

    def _small(self, query: Query, query_id: str, answered: Answered | None = None) -> QueryResult | None:
        """The answer of a query, or None if it is large, as others of its skeleton are from then on.

        It takes no file, which would cost up to a tenth of what an endpoint's query does.
        """
        shape = skeleton(query.statement)
        if shape in self._large:
            return None
        bare = query
        if shape not in self._bare:
            # Readers may not set anything themselves.
            bare = without_clauses(query, self._engine.explain)
            if bare is query:
                self._bare = _noted(self._bare, shape)
        limits = _held(query.limits)
        small = Query(bare.statement, bare.database, bare.format, bare.parameters, bare.settings, limits, query_id)
        try:
            result = self._engine.query(small, answered and (lambda result: answered(_in_order(result, query))))
        except QueryTooLarge as error:
            if error.number != _RESULT_TOO_LARGE:
                raise
        else:
            return _in_order(result, query)
        self._large = _noted(self._large, shape)
        return None

    def _read(self, query: Query, file: BinaryIO) -> QueryResult:
        """Run a query into a file, which comes before a FORMAT."""
        return self._engine.query_into(without_clauses(query, self._engine.explain), file)

    def _submit(self, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> asyncio.Future[_T]:
        self._admit()
        future = self._threads.run(partial(work, *arguments, **named))
        future.add_done_callback(self._settled)
        return future

    def _admit(self) -> None:
        if self._pending >= self._most_pending:
            raise EngineBusy("Too many queries are waiting", hint="Try again in a moment.")
        self._pending += 1

    def _settled(self, _work: asyncio.Future[Any]) -> None:
        self._pending -= 1


def _noted(noted: dict[str, None], shape: str) -> dict[str, None]:
    if len(noted) >= _REMEMBERED:
        noted = {}
    noted[shape] = None
    return noted


def _in_order(result: QueryResult, query: Query) -> QueryResult:
    return result if result.rows else replace(result, data=in_order(result.data, query.format))


@lru_cache(100)
def _held(limits: QueryLimits) -> QueryLimits:
    """The limits of a query whose answer is to be held in memory."""
    return replace(limits, result_bytes=min(limits.result_bytes, STREAMED_FROM))
