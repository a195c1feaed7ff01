"""What becomes of a query that is ready to run: its answer is kept, or one that is under way is shared, or it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from stonechat.engine.contract import QueryResult
from stonechat.project.versions import DataVersions
from stonechat.query.answers import Outcome
from stonechat.query.cache import AnswerCache, CacheStatus
from stonechat.query.coalescing import Coalescing
from stonechat.query.prepared import Prepared
from stonechat.query.requests import ANY_ETAG
from stonechat.query.runs import Answered, QueryRuns
from stonechat.query.spool import SpooledAnswer

_MEANWHILE = 0.002
"""Seconds after which a query is well under way: what its answer does not wait for is done then."""
Result = QueryResult | SpooledAnswer
Versions = tuple[int, ...]


class Started(NamedTuple):
    """A query under way, what tells the name of its answer, and what keeps that.

    `own` says whether it was begun for this call, and not for an equal one before.
    """

    work: asyncio.Future[Result]
    own: bool
    etag: Callable[[], str | None]
    keep: Callable[[QueryResult], None]


class Outcomes:
    """Finds answers: those that are kept exactly while they are true, and those of queries. One event loop's own.

    `catch_up` is called, in a thread, before a query over the service data sources of a workspace's database.
    """

    def __init__(
        self, versions: DataVersions, runs: QueryRuns, cache_bytes: int, catch_up: Callable[[str], None]
    ) -> None:
        self._versions = versions
        self._runs = runs
        self._cache = AnswerCache(cache_bytes)
        self._flights = Coalescing[Result]()
        self._catch_up = catch_up

    @property
    def cached_bytes(self) -> int:
        """Size of the answers that are kept."""
        return self._cache.size

    def look(self, prepared: Prepared, known_etag: str | None) -> tuple[Versions, Outcome | None]:
        """The answer to a query that is kept, without its rows for those who have it already; and of which data."""
        # Taken before a query runs: what changes meanwhile makes its answer one of the past.
        versions = self._versions.of(prepared.sources.counted)
        # Only what may be kept ever is.
        result = self._cache.get(prepared.key, versions)
        if result is None and known_etag in {None, "", ANY_ETAG}:
            return versions, None
        etag = prepared.etag(self._versions.epoch, versions)
        # Of several tags, and from proxies that make strong ones of weak ones, any that is this one will do.
        if etag is not None and known_etag and (etag.removeprefix("W/") in known_etag or known_etag == ANY_ETAG):
            return versions, Outcome(None, CacheStatus.HIT, etag)
        return versions, None if result is None else Outcome(result, CacheStatus.HIT, etag)

    def start(
        self, prepared: Prepared, versions: Versions, landed: Callable[[Result], None], answered: Answered
    ) -> Started | None:
        """Have a query answered that is not kept, if a thread is free for it and its answer is one to be held.

        `landed` is called with its result in the turn of the event loop that hears of the query's end. The work has
        it, or the failure, a turn later; cancel it to wait no longer. The caller has the answer kept once it is sent.
        A small answer to a query of this call's own is told to `answered` before, in the thread that has it.
        """
        if not prepared.keeps or prepared.sources.about_itself or not self._runs.takes_at_once(prepared.query):
            return None

        key = prepared.key, versions
        own = key not in self._flights
        work = self._flights.join(key, partial(self._runs.start, prepared.query, answered=answered), landed)
        etag = partial(prepared.etag, self._versions.epoch, versions)
        return Started(work, own, etag, partial(self._keep, prepared, versions))

    async def find(
        self, prepared: Prepared, known_etag: str | None = None, meanwhile: Callable[[], None] | None = None
    ) -> Outcome:
        """The answer that is kept, or that of the query, which equal requests share.

        `meanwhile` is called once the engine works, or the answer is on its way.
        """
        versions, known = self.look(prepared, known_etag)
        if meanwhile is not None:
            asyncio.get_running_loop().call_later(_MEANWHILE, meanwhile)
        return known or await self._run(prepared, versions)

    async def _run(self, prepared: Prepared, versions: Versions) -> Outcome:
        if prepared.sources.about_itself:
            await self._runs.in_thread(self._catch_up, prepared.sources.database)
        if not prepared.keeps:
            return Outcome(await self._runs.run(prepared.query), CacheStatus.BYPASS)
        # Kept where it lands: whoever asks from then on finds no query under way any more.
        landed = partial(self._keep, prepared, versions)
        result = await self._flights.join((prepared.key, versions), partial(self._runs.start, prepared.query), landed)
        if not isinstance(result, QueryResult) and not result.hold():
            result = await self._runs.run(prepared.query)  # it ended between its beginning and this turn of the loop
        return Outcome(result, CacheStatus.MISS, prepared.etag(self._versions.epoch, versions))

    def _keep(self, prepared: Prepared, versions: Versions, result: Result) -> None:
        if isinstance(result, QueryResult):
            self._cache.put(prepared.key, versions, result, lifetime=prepared.lifetime)
