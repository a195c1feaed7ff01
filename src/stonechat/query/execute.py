"""From a caller's request to rows: the read path, without HTTP.

`QueryService.endpoint` and `QueryService.statement` read as the lists of their stages; each stage is timed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeVar

from stonechat.auth.access import Caller, ScopeType
from stonechat.engine.contract import Engine, EngineBusy, Query, QueryLimits, QueryResult
from stonechat.engine.formats import JSON, MEDIA_TYPES, Format
from stonechat.project.composition import Composed, Values, compose_pipe, compose_statement
from stonechat.project.live import Snapshot
from stonechat.query.gate import UNDERSCORE, allowed_statement, allowed_wrap
from stonechat.query.timing import Stages
from stonechat.sql.quoting import parameter_text

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """A call of an endpoint: its parameters, a statement `wrap` over `_` if any, and settings of the output."""

    pipe: str
    format: Format = JSON
    values: Values = field(default_factory=dict)
    wrap: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatementRequest:
    """A statement of the caller's own. `format` holds where it names none; `pipe` is what `_` and bare nodes mean."""

    statement: str
    format: Format = JSON
    values: Values = field(default_factory=dict)
    pipe: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of an answer, their media type, what the query cost, and the `Server-Timing` of the way here."""

    result: QueryResult
    media_type: str
    timing: str


class QueryService:
    """Runs read requests on an engine: at most `connections` at a time, with at most `queue` more waiting."""

    def __init__(self, engine: Engine, limits: QueryLimits, connections: int, queue: int) -> None:
        self._engine = engine
        self._limits = limits
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="query")
        self._most_pending = connections + queue
        self._pending = 0

    async def endpoint(self, snapshot: Snapshot, caller: Caller, request: EndpointRequest) -> Answer:
        """Call an endpoint: find it, authorise, compose its statement, run it."""
        stages = Stages()
        with stages.stage("find"):
            pipe = snapshot.endpoint(request.pipe)
        with stages.stage("authorise"):
            caller.require(ScopeType.READ_PIPE, pipe.name)
            if request.wrap is not None:
                await self._in_thread(allowed_wrap, request.wrap, self._engine.explain)
        with stages.stage("compose"):
            if request.wrap is None:
                composed = compose_pipe(snapshot.project, pipe, request.values)
            else:
                composed = compose_statement(snapshot.project, request.wrap, request.values, underscore=pipe)
        with stages.stage("query"):
            result = await self._run(snapshot, composed, request.format, request.settings)
        return Answer(result, request.format.media_type, stages.header)

    async def statement(self, snapshot: Snapshot, caller: Caller, request: StatementRequest) -> Answer:
        """Run a caller's statement: authorise what it reads, compose it with the pipes it names, run it."""
        stages = Stages()
        with stages.stage("find"):
            pipe = snapshot.endpoint(request.pipe) if request.pipe else None
        with stages.stage("authorise"):
            named = await self._in_thread(
                allowed_statement, request.statement, self._engine.explain, snapshot.project, caller, pipe
            )
        with stages.stage("compose"):
            underscore = pipe if (None, UNDERSCORE) in named.tables else None
            composed = compose_statement(
                snapshot.project, request.statement, request.values, pipe=pipe, underscore=underscore
            )
        with stages.stage("query"):
            result = await self._run(snapshot, composed, request.format, request.settings)
        media_type = MEDIA_TYPES.get(named.format or "", request.format.media_type)
        return Answer(result, media_type, stages.header)

    def close(self) -> None:
        """Take no more requests, and wait for those that run."""
        self._threads.shutdown()

    async def _run(
        self, snapshot: Snapshot, composed: Composed, output: Format, settings: Mapping[str, str]
    ) -> QueryResult:
        query_id = uuid.uuid4().hex
        query = Query(
            composed.sql,
            database=snapshot.workspace.database,
            format=output.name,
            parameters={name: parameter_text(value) for name, value in composed.bound.items()},
            settings={**composed.settings, **settings},
            limits=self._limits,
            query_id=query_id,
        )
        try:
            return await self._in_thread(self._engine.query, query)
        except asyncio.CancelledError:
            # The caller is gone; the thread's own end comes by the cancelled query.
            self._engine.cancel(query_id)
            raise

    async def _in_thread(self, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        if self._pending >= self._most_pending:
            raise EngineBusy("Too many queries are waiting", hint="Try again in a moment.")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *arguments, **named))
        finally:
            self._pending -= 1
