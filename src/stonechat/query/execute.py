"""From a caller's request to rows: the read path, without HTTP.

`QueryService.endpoint` and `QueryService.statement` read as the lists of their stages; each stage is timed.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ParamSpec, TypeVar

from stonechat.auth.access import Caller, ScopeType
from stonechat.datafile.resources import Pipe
from stonechat.engine.contract import Engine, EngineBusy, Query, QueryLimits, QueryResult
from stonechat.engine.formats import JSON, Format
from stonechat.project.composition import Composed, Values, compose_pipe
from stonechat.project.live import Snapshot, UnknownPipe
from stonechat.project.versions import DataVersions
from stonechat.query.cache import AnswerCache, CacheKey, CacheStatus, may_be_kept
from stonechat.query.coalescing import Coalescing
from stonechat.query.gate import StatementGate, media_type_of
from stonechat.query.statement import compose_own, render_statement
from stonechat.query.timing import Stages
from stonechat.sql.quoting import parameter_text
from stonechat.sql.references import References, without_settings
from stonechat.template.render import Rendered

_MOST_THREADS = os.cpu_count() or 1
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """A call of an endpoint: its parameters, a statement `wrap` over `_` if any, and settings of the output.

    `known_etag` is what the caller has already.
    """

    pipe: str
    format: Format = JSON
    values: Values = field(default_factory=dict)
    wrap: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    known_etag: str | None = None


@dataclass(frozen=True, slots=True)
class StatementRequest:
    """A statement of the caller's own, or a template of one.

    `format` holds where it names none; `pipe` is what `_` and bare nodes mean.
    """

    statement: str
    format: Format = JSON
    values: Values = field(default_factory=dict)
    pipe: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of an answer with what the query cost, their media type, and the `Server-Timing` of the way here.

    `etag` names an answer that stays the same while its data does; `result` is None when the caller has that one.
    """

    result: QueryResult | None
    media_type: str
    cache: CacheStatus
    etag: str | None
    timing: str


@dataclass(frozen=True, slots=True)
class QueryBounds:
    """At most `connections` queries run at a time, each within `limits`, and `queue` more wait."""

    limits: QueryLimits
    connections: int
    queue: int
    cache_bytes: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: QueryResult | None
    cache: CacheStatus
    etag: str | None = None


class QueryService:
    """Runs read requests on an engine, and keeps answers while they are true."""

    def __init__(self, engine: Engine, versions: DataVersions, bounds: QueryBounds) -> None:
        self._engine = engine
        self._versions = versions
        self._limits = bounds.limits
        self._threads = ThreadPoolExecutor(bounds.connections, thread_name_prefix="query")
        self._most_pending = bounds.connections + bounds.queue
        self._pending = 0
        self._gate = StatementGate(engine.explain)
        self._cache = AnswerCache(bounds.cache_bytes)
        self._flights = Coalescing[QueryResult]()

    async def endpoint(self, snapshot: Snapshot, caller: Caller, request: EndpointRequest) -> Answer:
        """Call an endpoint: find it, authorise, compose its statement, run it."""
        stages = Stages()
        with stages.stage("find"):
            pipe = snapshot.endpoint(request.pipe)
        with stages.stage("authorise"):
            caller.require(ScopeType.READ_PIPE, pipe.name)
            if request.wrap is not None:
                own, named = await self._in_thread(self._admitted_wrap, request)
        with stages.stage("compose"):
            if request.wrap is None:
                composed = compose_pipe(snapshot.project, pipe, request.values)
            else:
                composed = await self._in_thread(compose_own, snapshot.project, own, named, request.values, pipe)
        with stages.stage("query"):
            query = self._query(snapshot, composed, request.format, request.settings)
            outcome = await self._outcome(snapshot, composed, query, request.known_etag)
        return Answer(outcome.result, request.format.media_type, outcome.cache, outcome.etag, stages.header)

    async def statement(self, snapshot: Snapshot, caller: Caller, request: StatementRequest) -> Answer:
        """Run a caller's statement: render it, authorise what it reads, compose it with the pipes it names, run it."""
        stages = Stages()
        with stages.stage("find"):
            pipe = _pipe(snapshot, request.pipe) if request.pipe else None
        with stages.stage("render"):
            secrets = snapshot.project.secrets if caller.is_admin else None
            own = await self._in_thread(
                render_statement, request.statement, request.values, secrets, self._engine.explain
            )
        with stages.stage("authorise"):
            named = await self._in_thread(self._gate.statement, own, snapshot.project, caller, pipe)
        with stages.stage("compose"):
            composed = await self._in_thread(compose_own, snapshot.project, own, named, request.values, pipe)
        with stages.stage("query"):
            query = self._query(snapshot, composed, request.format, request.settings)
            outcome = await self._outcome(snapshot, composed, query, None)
        media_type = media_type_of(named.format) if named.format else request.format.media_type
        return Answer(outcome.result, media_type, outcome.cache, outcome.etag, stages.header)

    def close(self) -> None:
        """Take no more requests, and wait for those that run."""
        self._threads.shutdown()

    def _admitted_wrap(self, request: EndpointRequest) -> tuple[Rendered, References]:
        own = render_statement(request.wrap or "", request.values, None, self._engine.explain)
        return own, self._gate.wrap(own)

    async def _outcome(self, snapshot: Snapshot, composed: Composed, query: Query, known_etag: str | None) -> _Outcome:
        """The answer that is kept, or that of the query, which equal requests share."""
        lifetime = composed.cache_ttl
        if lifetime is None and not may_be_kept(snapshot.project, composed):
            return _Outcome(await self._run(query), CacheStatus.BYPASS)
        key = CacheKey.of(query, snapshot.deployment_id)
        # Before the query: what changes while it runs makes its answer one of the past.
        versions = self._versions.of(sorted(composed.reads))
        etag = key.etag(self._versions.epoch, versions) if lifetime is None else None
        if etag is not None and etag == known_etag:
            return _Outcome(None, CacheStatus.HIT, etag)
        known = self._cache.get(key, versions)
        if known is not None:
            return _Outcome(known, CacheStatus.HIT, etag)
        result = await self._flights.run((key, versions), lambda: self._run(query))
        self._cache.put(key, versions, result, lifetime=lifetime)
        return _Outcome(result, CacheStatus.MISS, etag)

    def _query(self, snapshot: Snapshot, composed: Composed, output: Format, settings: Mapping[str, str]) -> Query:
        chosen = {**composed.settings, **settings}
        # How many threads is a limit, and connections are made for their limits.
        threads = min(int(chosen.pop("max_threads", self._limits.threads)), _MOST_THREADS)
        return Query(
            composed.sql,
            database=snapshot.workspace.database,
            format=output.name,
            parameters={name: parameter_text(value) for name, value in composed.bound.items()},
            settings=chosen,
            limits=replace(self._limits, threads=max(threads, 1)),
            query_id=uuid.uuid4().hex,
        )

    async def _run(self, query: Query) -> QueryResult:
        try:
            return await self._in_thread(self._read, query)
        except asyncio.CancelledError:
            # The caller is gone; the thread's own end comes by the cancelled query.
            self._engine.cancel(query.query_id)
            raise

    def _read(self, query: Query) -> QueryResult:
        """The engine's answer. A SETTINGS clause goes beside the statement: readers may not set anything themselves."""
        statement, settings = without_settings(query.statement, self._engine.explain)
        if settings:
            query = replace(query, statement=statement, settings={**settings, **query.settings})
        return self._engine.query(query)

    async def _in_thread(self, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        if self._pending >= self._most_pending:
            raise EngineBusy("Too many queries are waiting", hint="Try again in a moment.")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *arguments, **named))
        finally:
            self._pending -= 1


def _pipe(snapshot: Snapshot, name: str) -> Pipe:
    """A pipe by name or id, whether it is served as an endpoint or not."""
    by_id = {identity.id: identity.name for identity in snapshot.identities.values()}
    pipe = snapshot.project.pipes.get(by_id.get(name, name))
    if pipe is None:
        raise UnknownPipe(f"The pipe '{name}' does not exist")
    return pipe
