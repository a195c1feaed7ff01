"""From a caller's request to rows: the read path, without HTTP.

`QueryService.endpoint` and `QueryService.statement` read as the lists of their stages; each stage is timed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from stonechat.auth.access import Caller, ScopeType
from stonechat.datafile.resources import Pipe
from stonechat.engine.contract import Engine, EngineFailure, Query, QueryLimits
from stonechat.engine.formats import Format, with_csv_header
from stonechat.errors import StonechatError
from stonechat.project.authored import AuthoredStatements
from stonechat.project.composition import Composed, Values, are_many, compose_pipe
from stonechat.project.snapshot import Snapshot
from stonechat.project.versions import DataVersions
from stonechat.query.answers import Answer, Outcome
from stonechat.query.clauses import without_clauses, without_format
from stonechat.query.explain import PLAN, Explanation, explaining, node_of, without_secrets
from stonechat.query.finalizing import FINALIZE, finalized
from stonechat.query.gate import StatementGate, media_type_of
from stonechat.query.narrowing import EMPTY_DATABASE, Narrowing, as_told, unread_as_told, without_databases
from stonechat.query.outcomes import Outcomes
from stonechat.query.prepared import Prepared, PreparedCalls
from stonechat.query.prepared_statements import PreparedStatement
from stonechat.query.requests import EndpointRequest, StatementRequest
from stonechat.query.runs import QueryRuns
from stonechat.query.statement import compose_own, render_statement
from stonechat.query.timing import Stages
from stonechat.sql.quoting import parameter_text
from stonechat.sql.references import Ask, References, UnreadableStatement
from stonechat.template.render import Rendered

_T = TypeVar("_T")
_MOST_THREADS = os.cpu_count() or 1
_LONGEST_AT_ONCE = 20_000
"""Characters of a statement that is looked through on the event loop."""


@dataclass(frozen=True, slots=True)
class QueryBounds:
    """At most `connections` queries run at a time, each within `limits`, and `queue` more wait.

    Answers that are kept take `cache_bytes` of memory, and large ones on their way out about `spool_bytes` of disk.
    """

    limits: QueryLimits
    connections: int
    queue: int
    cache_bytes: int
    spool_bytes: int


class QueryService:
    """Runs read requests on an engine, and keeps answers while they are true.

    `catch_up` is called, in a thread, before a query over the service data sources of a workspace's database.
    """

    def __init__(
        self,
        engine: Engine,
        versions: DataVersions,
        bounds: QueryBounds,
        *,
        catch_up: Callable[[str], None] = lambda _database: None,
    ) -> None:
        self._engine = engine
        self._limits = replace(bounds.limits, threads=_possible(bounds.limits.threads))
        self._runs = QueryRuns(engine, bounds.connections, bounds.queue, bounds.spool_bytes)
        self._gate = StatementGate(engine.explain)
        self._authored = AuthoredStatements(engine.explain)
        self._narrowing = Narrowing(engine)
        self._prepared = PreparedCalls()
        #: Of calls that were prepared, for whoever was allowed to make them.
        self.outcomes = Outcomes(versions, self._runs, bounds.cache_bytes, catch_up)

    async def endpoint(self, snapshot: Snapshot, caller: Caller, request: EndpointRequest) -> Answer:
        """Call an endpoint: find it, authorise, compose its statement, run it."""
        stages = Stages()
        learn = None
        with stages.stage("find"):
            pipe = snapshot.endpoint(request.pipe, partial(caller.may, ScopeType.READ_PIPE))
        with stages.stage("authorise"):
            caller.require(ScopeType.READ_PIPE, pipe.name)
        with stages.stage("compose"):
            if request.wrap is None:
                prepared, learn = await self._prepare(snapshot, caller, pipe, request)
            else:
                composed = await self._runs.in_thread(self._wrapped, snapshot, caller, pipe, request)
                prepared = await self._ready(snapshot, caller, composed, request.format, request.settings)
        with stages.stage("query"):
            outcome = await self._outcome(caller, prepared, request.known_etag, learn)
        return outcome.answer(request.format.media_type, stages, prepared)

    def planned(self, snapshot: Snapshot, pipe: Pipe, output: Format, values: Values) -> Prepared | None:
        """What a call is made into, where calls like it have shown all that is to be decided before its query."""
        found = snapshot.plans.find(pipe, values)
        if found is None:
            return None
        known: PreparedStatement | None = found.plan.known.get(output.name)
        if known is None:
            marked = replace(found.plan.composed, sql=found.plan.marked)
            if not self._authored.knows(marked):
                return None
            prepared = Prepared.of(snapshot, marked, self._query(snapshot, marked, output, {}))
            known = found.plan.known[output.name] = PreparedStatement.of(snapshot, prepared)
        return known.prepared(found)

    def told(self, error: StonechatError, caller: Caller, prepared: Prepared) -> StonechatError:
        """Why a query failed, as far as its caller may know."""
        if not isinstance(error, EngineFailure):
            return error
        return as_told(error, caller, prepared.query, prepared.sources.names)

    async def statement(self, snapshot: Snapshot, caller: Caller, request: StatementRequest) -> Answer:
        """Run a caller's statement: render it, authorise what it reads, compose it with the pipes it names, run it."""
        stages = Stages()
        with stages.stage("find"):
            may_read = partial(caller.may, ScopeType.READ_PIPE)
            pipe = snapshot.pipe(request.pipe, may_read) if request.pipe else None
        with stages.stage("authorise"):
            if pipe is not None:
                caller.require(ScopeType.READ_PIPE, pipe.name)
            if self._gate.knows(request.statement):
                own, named = self._admitted(snapshot, caller, request, pipe)
            else:
                own, named = await self._runs.in_thread(self._admitted, snapshot, caller, request, pipe)
        with stages.stage("compose"):
            output = request.format
            if named.format is not None:
                output = replace(output, name=named.format, media_type=media_type_of(named.format))
                own = replace(own, sql=without_format(own.sql))
            output = with_csv_header(output, request.csv_header)
            compose = partial(compose_own, snapshot.project, own, named, request.values, pipe, caller=caller)
            composed = await self._runs.in_thread(compose) if are_many(request.values) else compose()
            prepared = await self._ready(snapshot, caller, composed, output, request.settings)
        with stages.stage("query"):
            outcome = await self._outcome(caller, prepared, request.known_etag)
        return outcome.answer(output.media_type, stages, prepared)

    async def explain(
        self, snapshot: Snapshot, caller: Caller, request: EndpointRequest, *, node: str | None = None
    ) -> Explanation:
        """What a call of any pipe, or of one of its nodes, would run. For those who may read the pipe's SQL."""
        pipe = snapshot.pipe(request.pipe, partial(caller.may, ScopeType.READ_PIPE))
        caller.require(ScopeType.READ_ALL)
        if request.wrap is None:
            wanted = node_of(pipe, node) if node is not None else None
            compose = partial(compose_pipe, snapshot.project, pipe, request.values, node=wanted)
            composed = await self._runs.in_thread(compose) if are_many(request.values) else compose()
        else:
            composed = await self._runs.in_thread(self._wrapped, snapshot, caller, pipe, request)
        await self._runs.in_thread(self._authored.require, composed)
        query = self._query(snapshot, without_secrets(composed), PLAN, request.settings)
        return Explanation(composed.sql, await self._runs.in_thread(self._plan, query))

    async def asked(self, about: Callable[[str, Ask], _T], statement: str) -> _T:
        """What the engine's parser tells about a statement; it takes the place of a query."""
        return await self._runs.in_thread(about, statement, self._engine.explain)

    def check_filter(self, snapshot: Snapshot, name: str, condition: str) -> None:
        """Raise `InvalidRowFilter` unless a condition can filter the rows of a data source. Blocks."""
        self._narrowing.check(snapshot, name, condition)

    @property
    def pending(self) -> int:
        """Queries that run or wait."""
        return self._runs.pending

    @property
    def cached_bytes(self) -> int:
        """Size of the answers that are kept."""
        return self.outcomes.cached_bytes

    def close(self) -> None:
        """Take no more requests, and wait for those that run."""
        self._runs.close()

    async def _prepare(
        self, snapshot: Snapshot, caller: Caller, pipe: Pipe, request: EndpointRequest
    ) -> tuple[Prepared, Callable[[], None] | None]:
        """A call made ready, and what is to be done for further calls while its query runs: nothing for long ones."""
        compose = partial(compose_pipe, snapshot.project, pipe, request.values, fixed=caller.fixed)
        if are_many(request.values):
            composed = await self._runs.in_thread(compose)
            return await self._ready(snapshot, caller, composed, request.format, request.settings), None
        call = request.call(pipe, caller)
        prepared = self._prepared.get(snapshot, call)
        if prepared is not None:
            return prepared, None
        # What the token sets is not among the values that plans know.
        planned = None if caller.fixed else snapshot.plans.compose(pipe, request.values)
        composed = planned or compose()
        prepared = await self._ready(snapshot, caller, composed, request.format, request.settings)

        def learn() -> None:
            self._prepared.put(snapshot, call, composed, prepared)
            if planned is None and not caller.fixed:
                snapshot.plans.learn(pipe, request.values)

        return prepared, learn

    async def _ready(
        self, snapshot: Snapshot, caller: Caller, composed: Composed, output: Format, settings: Mapping[str, str]
    ) -> Prepared:
        """The query of a composed statement; for a caller with filters over just the rows that these let it see."""
        plain = not caller.filters and FINALIZE not in settings
        if plain and len(composed.sql) <= _LONGEST_AT_ONCE and self._authored.knows(composed):
            return Prepared.of(snapshot, composed, self._query(snapshot, composed, output, settings))
        return await self._runs.in_thread(self._made_ready, snapshot, caller, composed, output, settings)

    def _made_ready(
        self, snapshot: Snapshot, caller: Caller, composed: Composed, output: Format, settings: Mapping[str, str]
    ) -> Prepared:
        """See `_ready`. Asks the engine where more is to be found out than is known."""
        query = self._query(snapshot, composed, output, settings)
        try:
            self._authored.require(composed)
        except UnreadableStatement as error:
            raise unread_as_told(error, caller) from error
        if caller.filters:
            statement = self._narrowing.statement(snapshot, caller, composed, query.settings)
            query = replace(query, statement=statement, database=EMPTY_DATABASE)
            composed = replace(composed, sql=statement)
        if FINALIZE in settings:
            try:
                query = finalized(query, self._engine)
            except EngineFailure as error:
                raise as_told(error, caller, query, composed.reads) from error
        return Prepared.of(snapshot, composed, query)

    def _wrapped(self, snapshot: Snapshot, caller: Caller, pipe: Pipe, request: EndpointRequest) -> Composed:
        """The caller's statement over `_`, admitted and composed. Asks the engine."""
        own = render_statement(request.wrap or "", request.values, None, self._engine.explain)
        named = self._gate.wrap(own, pipe, caller)
        return compose_own(snapshot.project, own, named, request.values, pipe, caller=caller)

    def _admitted(
        self, snapshot: Snapshot, caller: Caller, request: StatementRequest, pipe: Pipe | None
    ) -> tuple[Rendered, References]:
        """A caller's statement, rendered, and what it names, all of which the caller may read. Asks the engine."""
        secrets = snapshot.project.secrets if caller.is_admin else None
        own = render_statement(request.statement, request.values, secrets, self._engine.explain)
        return own, self._gate.statement(own, snapshot.project, caller, pipe)

    async def _outcome(
        self,
        caller: Caller,
        prepared: Prepared,
        known_etag: str | None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Outcome:
        try:
            return await self.outcomes.find(prepared, known_etag, meanwhile)
        except EngineFailure as error:
            raise self.told(error, caller, prepared) from error

    def _query(self, snapshot: Snapshot, composed: Composed, output: Format, settings: Mapping[str, str]) -> Query:
        chosen = {**composed.settings, **settings}
        chosen.pop(FINALIZE, None)
        # How many threads is a limit, and connections are made for their limits.
        threads = chosen.pop("max_threads", None)
        limits = self._limits if threads is None else replace(self._limits, threads=_possible(int(threads)))
        return Query(
            snapshot.placed(composed.sql),
            database=snapshot.workspace.database,
            format=output.name,
            parameters={name: parameter_text(value) for name, value in composed.bound.items()},
            settings=chosen,
            limits=limits,
        )

    def _plan(self, query: Query) -> str:
        plan = self._engine.query(explaining(without_clauses(query, self._engine.explain))).data.decode()
        return without_databases(plan)


def _possible(threads: int) -> int:
    return max(min(threads, _MOST_THREADS), 1)
