"""From a caller's request to rows: the read path, without HTTP.

`QueryService.endpoint` and `QueryService.statement` read as the lists of their stages; each stage is timed.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, BinaryIO, ParamSpec, TypeVar

from stonechat.auth.access import Caller, ScopeType
from stonechat.datafile.resources import Pipe
from stonechat.engine.contract import Engine, EngineBusy, Query, QueryLimits, QueryResult
from stonechat.engine.formats import JSON, Format
from stonechat.project.composition import Composed, Values, compose_pipe
from stonechat.project.live import Snapshot, UnknownPipe
from stonechat.project.versions import DataVersions
from stonechat.query.cache import AnswerCache, CacheKey, CacheStatus, may_be_kept
from stonechat.query.coalescing import Coalescing
from stonechat.query.explain import PLAN, Explanation, explaining, node_of, without_secrets
from stonechat.query.gate import StatementGate, media_type_of
from stonechat.query.spool import SpooledAnswer
from stonechat.query.statement import compose_own, render_statement
from stonechat.query.timing import Stages
from stonechat.sql.quoting import parameter_text
from stonechat.sql.references import Ask, References, classify, without_settings
from stonechat.sql.statements import meaningful_tokens
from stonechat.template.render import Rendered

# Not the function of that name; whether it is a clause is asked of the engine's parser.
_FORMAT_WORD = re.compile(r"\bFORMAT\b(?!\s*\()", re.IGNORECASE)
_MOST_THREADS = os.cpu_count() or 1
_SHARING_SECONDS = 0.1
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

    A large answer is a `SpooledAnswer`, which whoever gets it releases. `etag` names an answer that stays the same
    while its data does; `result` is None when the caller has that one.
    """

    result: QueryResult | SpooledAnswer | None
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
    result: QueryResult | SpooledAnswer | None
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
        self._flights = Coalescing[QueryResult | SpooledAnswer]()

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

    def kept(self, snapshot: Snapshot, caller: Caller, request: EndpointRequest) -> Answer | None:
        """The answer to a call of an endpoint, if it is kept: at once, without a turn of the event loop."""
        if request.wrap is not None:
            return None
        stages = Stages()
        with stages.stage("find"):
            pipe = snapshot.endpoint(request.pipe)
        with stages.stage("authorise"):
            caller.require(ScopeType.READ_PIPE, pipe.name)
        with stages.stage("compose"):
            composed = compose_pipe(snapshot.project, pipe, request.values)
        with stages.stage("lookup"):
            query = self._query(snapshot, composed, request.format, request.settings)
            outcome = self._known(snapshot, composed, query, request.known_etag)
        if outcome is None:
            return None
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
            output = request.format
            if named.format is not None:
                output = replace(output, name=named.format, media_type=media_type_of(named.format))
            query = self._query(snapshot, composed, output, request.settings)
            outcome = await self._outcome(snapshot, composed, query, None)
        return Answer(outcome.result, output.media_type, outcome.cache, outcome.etag, stages.header)

    async def explain(
        self, snapshot: Snapshot, caller: Caller, request: EndpointRequest, *, node: str | None = None
    ) -> Explanation:
        """What a call of any pipe, or of one of its nodes, would run. For those who may read the pipe's SQL."""
        pipe = _pipe(snapshot, request.pipe)
        caller.require(ScopeType.READ_ALL)
        if request.wrap is None:
            wanted = node_of(pipe, node) if node is not None else None
            composed = compose_pipe(snapshot.project, pipe, request.values, node=wanted)
        else:
            own, named = await self._in_thread(self._admitted_wrap, request)
            composed = await self._in_thread(compose_own, snapshot.project, own, named, request.values, pipe)
        query = self._query(snapshot, without_secrets(composed), PLAN, request.settings)
        return Explanation(composed.sql, await self._in_thread(self._plan, query))

    def close(self) -> None:
        """Take no more requests, and wait for those that run."""
        self._threads.shutdown()

    def _admitted_wrap(self, request: EndpointRequest) -> tuple[Rendered, References]:
        own = render_statement(request.wrap or "", request.values, None, self._engine.explain)
        return own, self._gate.wrap(own)

    async def _outcome(self, snapshot: Snapshot, composed: Composed, query: Query, known_etag: str | None) -> _Outcome:
        """The answer that is kept, or that of the query, which equal requests share."""
        known = self._known(snapshot, composed, query, known_etag)
        if known is not None:
            return known
        lifetime = composed.cache_ttl
        if lifetime is None and not may_be_kept(snapshot.project, composed):
            return _Outcome(await self._run(query), CacheStatus.BYPASS)
        key, versions, etag = self._place(snapshot, composed, query)
        result = await self._flights.run((key, versions), lambda: self._run(query, shared=True))
        if isinstance(result, QueryResult):
            self._cache.put(key, versions, result, lifetime=lifetime)
        elif not result.hold():
            result = await self._run(query)  # it ended between its beginning and this turn of the loop
        return _Outcome(result, CacheStatus.MISS, etag)

    def _known(self, snapshot: Snapshot, composed: Composed, query: Query, known_etag: str | None) -> _Outcome | None:
        """What is kept for a query: only what may be kept ever is."""
        key, versions, etag = self._place(snapshot, composed, query)
        result = self._cache.get(key, versions)
        if etag is not None and etag == known_etag and (result or may_be_kept(snapshot.project, composed)):
            return _Outcome(None, CacheStatus.HIT, etag)
        return None if result is None else _Outcome(result, CacheStatus.HIT, etag)

    def _place(
        self, snapshot: Snapshot, composed: Composed, query: Query
    ) -> tuple[CacheKey, tuple[int, ...], str | None]:
        """Where an answer is kept, for which data, and its name. Taken before the query runs: what changes meanwhile
        makes its answer one of the past.
        """
        key = CacheKey.of(query, snapshot.deployment_id)
        versions = self._versions.of(snapshot.workspace.id, sorted(composed.reads))
        return key, versions, key.etag(self._versions.epoch, versions) if composed.cache_ttl is None else None

    def _query(self, snapshot: Snapshot, composed: Composed, output: Format, settings: Mapping[str, str]) -> Query:
        chosen = {**composed.settings, **settings}
        # How many threads is a limit, and connections are made for their limits.
        threads = min(int(chosen.pop("max_threads", self._limits.threads)), _MOST_THREADS)
        return Query(
            snapshot.placed(composed.sql),
            database=snapshot.workspace.database,
            format=output.name,
            parameters={name: parameter_text(value) for name, value in composed.bound.items()},
            settings=chosen,
            limits=replace(self._limits, threads=max(threads, 1)),
            query_id=f"{random.getrandbits(128):032x}",
        )

    async def _run(self, query: Query, *, shared: bool = False) -> QueryResult | SpooledAnswer:
        """The engine's answer, in memory if it is small.

        The caller holds a large one. A shared one is held by nobody for long: those who share it hold it themselves.
        """
        file = self._engine.scratch_file()
        try:
            work = self._submit(self._read, query, file)
        except BaseException:
            file.close()
            raise
        answer = SpooledAnswer(file, work, partial(self._engine.cancel, query.query_id), query.limits)
        try:
            result = await answer.whole()
        except BaseException:
            # The caller may be gone; the thread's own end comes by the cancelled query.
            answer.release()
            raise
        if result is not None:
            answer.release()
            return result
        if shared:
            asyncio.get_running_loop().call_later(_SHARING_SECONDS, answer.release)
        return answer

    def _read(self, query: Query, file: BinaryIO) -> QueryResult:
        """Run a query into a file. Readers may not set anything themselves, and the file comes before a FORMAT."""
        return self._engine.query_into(_without_clauses(query, self._engine.explain), file)

    def _plan(self, query: Query) -> str:
        return self._engine.query(explaining(_without_clauses(query, self._engine.explain))).data.decode()

    async def _in_thread(self, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        return await self._submit(work, *arguments, **named)

    def _submit(self, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> asyncio.Future[_T]:
        if self._pending >= self._most_pending:
            raise EngineBusy("Too many queries are waiting", hint="Try again in a moment.")
        self._pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *arguments, **named))
        future.add_done_callback(self._settled)
        return future

    def _settled(self, _work: asyncio.Future[Any]) -> None:
        self._pending -= 1


def _without_clauses(query: Query, ask: Ask) -> Query:
    """The same query with its SETTINGS beside the statement, and without a FORMAT clause: the request decides."""
    statement, settings = without_settings(query.statement, ask)
    if _FORMAT_WORD.search(statement) and classify(statement, ask).format is not None:
        statement = _without_format(statement)
    return replace(query, statement=statement, settings={**settings, **query.settings})


def _without_format(statement: str) -> str:
    """A statement that has a FORMAT clause, which is its end, without it."""
    meant = meaningful_tokens(statement)
    at = max(index for index, token in enumerate(meant) if token.text.upper() == "FORMAT")
    clause, name = meant[at], meant[at + 1]
    return statement[: clause.start] + statement[name.start + len(name.text) :]


def _pipe(snapshot: Snapshot, name: str) -> Pipe:
    """A pipe by name or id, whether it is served as an endpoint or not."""
    by_id = {identity.id: identity.name for identity in snapshot.identities.values()}
    pipe = snapshot.project.pipes.get(by_id.get(name, name))
    if pipe is None:
        raise UnknownPipe(f"The pipe '{name}' does not exist")
    return pipe
