"""Answers to requests that are like earlier ones, past all that a request is read with.

Between the arrival of a request and its query lie the parsing of HTTP, a task, the routes, the token, the values and
the statement, and half as much again between the query and the answer. After a query of some milliseconds each
function on that way takes two microseconds to be called once, because its code has left the caches of the processor.
Most of it is known beforehand for requests that are like earlier ones, so they go this short way: recognized, answered
from memory or with the outcome of their query, and recorded. Whatever is not as usual goes the usual way, which says
what it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from stonechat.auth.limits import RateLimited
from stonechat.engine.contract import QueryResult
from stonechat.engine.formats import JSON
from stonechat.errors import StonechatError
from stonechat.http.afterwards import Afterwards
from stonechat.http.answers import answer_headers, body_headers, header_list
from stonechat.http.authentication import CALLER, Authenticator
from stonechat.http.encodings import encoded
from stonechat.http.errands import Errand, Line, shown, whole_head
from stonechat.http.familiar import Familiar, FamiliarRequests
from stonechat.http.observing import note_call, record
from stonechat.http.origins import Body, Received
from stonechat.http.problems import refusal
from stonechat.http.whole_answers import on_every_answer
from stonechat.query.answers import Answer, Outcome
from stonechat.query.cache import CacheStatus
from stonechat.query.execute import QueryService
from stonechat.query.outcomes import Result, Versions
from stonechat.query.timing import written
from stonechat.telemetry.recorder import Telemetry

_log = structlog.get_logger(__name__)
_WITH_BODY, _WITHOUT_BODY, _CALLER_WENT_AWAY = 200, 304, 499
_MEANWHILE = 0.001
"""Seconds after which a query is well under way: the head of its answer is put together then."""


class DirectAnswers:
    """Answers requests that are recognized. One event loop's own."""

    def __init__(
        self,
        familiar: FamiliarRequests,
        authenticator: Authenticator,
        queries: QueryService,
        telemetry: Telemetry,
        paths: Mapping[object, str],
    ) -> None:
        self._familiar = familiar
        self._authenticator = authenticator
        self._queries = queries
        self._outcomes = queries.outcomes
        self._telemetry = telemetry
        self._paths = paths
        #: To be settled before a request is read.
        self.afterwards = Afterwards()

    def take(self, received: Received, line: Line) -> bool:
        """Answer a request now or when its query ends, if it is recognized; whether it is."""
        began = time.perf_counter()
        familiar = self._familiar.recognize(received)
        if familiar is None:
            return False
        versions, kept = self._outcomes.look(familiar.prepared, familiar.origin.known_etag)
        errand = Errand(familiar, line, began, time.perf_counter())
        return self._run(errand, versions) if kept is None else self._repeat(errand, kept)

    def _repeat(self, errand: Errand, kept: Outcome) -> bool:
        """Send an answer that is kept."""
        familiar, result, body = errand.familiar, kept.result, None
        if isinstance(result, QueryResult):
            body = familiar.body
            if body is None or body.result is not result:
                body = errand.body_soon(result)
            if body is None:
                return False
        if not self._counted(familiar):
            return False
        answer = self._answer(errand, kept, written("repeat", errand.recognized - errand.began))
        head = self._head(errand, answer, _WITHOUT_BODY if body is None else _WITH_BODY)
        if head is None:
            self._authenticator.uncount(familiar.origin.caller)
            return False
        self._write(errand, head, answer.timing, body, partial(self._answered, errand, answer, body))
        return True

    def _run(self, errand: Errand, versions: Versions) -> bool:
        """Send an answer once its query has ended."""
        familiar = errand.familiar
        if self._authenticator.limits(familiar.origin.caller) and not self._counted(familiar):
            return False
        try:
            landed, answered = partial(self._landed, errand), partial(self._answer_early, errand)
            started = self._outcomes.start(familiar.prepared, versions, landed, answered)
        except StonechatError:
            started = None  # the usual way says why
        if started is None:
            self._authenticator.uncount(familiar.origin.caller)
            return False
        errand.started = started
        errand.line.wait(started.work)
        started.work.add_done_callback(partial(self._ended, errand))
        if familiar.origin.media_type == JSON.media_type:
            asyncio.get_running_loop().call_later(_MEANWHILE, self._prepare_head, errand)
        return True

    def _answer_early(self, errand: Errand, result: QueryResult) -> None:
        """Send the answer from the thread of its query, if its head is there by then."""
        outlet, head = errand.outlet, errand.head
        if outlet is None or head is None:
            return
        try:
            timing = errand.timing()
            body = errand.body_soon(result)
            if body is None:
                return

            def first() -> None:
                # Before the client has the answer, and may ask again, here or by another connection.
                errand.seconds = time.perf_counter() - errand.began
                self.afterwards.add(partial(self._settle_query, errand, result, timing, body))

            outlet.send(whole_head(head, timing, body), body.data, first)
        except Exception as error:
            _log.error("unexpected error", exc_info=error)

    def _end_early(self, errand: Errand) -> bool:
        """Whether the answer was sent by the thread of its query: then the request is ended here. If not, never."""
        outlet, errand.outlet = errand.outlet, None
        rest = None if outlet is None else outlet.close()
        if rest is None:
            return False
        try:
            errand.line.end(rest)
        finally:
            self.afterwards.soon()
        return True

    def _landed(self, errand: Errand, result: Result) -> None:
        try:
            if self._end_early(errand):
                return
            if not isinstance(result, QueryResult):
                self._give_back(errand)
                return
            timing = errand.timing()
            body = errand.body_soon(result)
            if body is not None:
                self._send(errand, result, timing, body)
                return
            later = asyncio.ensure_future(self._send_later(errand, result, timing))
            errand.line.wait(later)
            later.add_done_callback(partial(self._ended, errand))
        except Exception as error:
            self._give_up(errand, error)

    async def _send_later(self, errand: Errand, result: QueryResult, timing: str) -> None:
        """Send an answer that takes long to be compressed."""
        try:
            origin = errand.familiar.origin
            data, encoding = await encoded(shown(origin, result), origin.encoding)
            self._send(errand, result, timing, Body(result, data, encoding))
        except Exception as error:
            self._give_up(errand, error)

    def _send(self, errand: Errand, result: QueryResult, timing: str, body: Body) -> None:
        """Send the answer of a query, and then record and remember it."""
        head = errand.head
        if head is None:
            head = self._head(errand, self._answer(errand, self._missed(errand, None), timing), _WITH_BODY)
        if head is None:
            self._keep(errand, result)
            self._give_back(errand)
            return
        self._write(errand, head, timing, body, partial(self._settle_query, errand, result, timing, body))

    def _settle_query(self, errand: Errand, result: QueryResult, timing: str, body: Body) -> None:
        self._keep(errand, result)
        self._answered(errand, self._answer(errand, self._missed(errand, result), timing), body)

    def _keep(self, errand: Errand, result: QueryResult) -> None:
        if errand.started is not None:
            errand.started.keep(result)

    def _give_up(self, errand: Errand, error: Exception) -> None:
        """After what nobody foresaw: nobody else would answer the client, who may have been answered by then."""
        _log.error("unexpected error", exc_info=error)
        if errand.seconds is None:
            self._give_back(errand)

    def _ended(self, errand: Errand, work: asyncio.Future[Any]) -> None:
        """Tell a client of a failure; an answer has been sent before."""
        if self._end_early(errand):
            return
        error = None if work.cancelled() else work.exception()
        if work.cancelled():
            self._record(errand, _CALLER_WENT_AWAY)
        elif isinstance(error, StonechatError):
            self._refuse(errand, error)
        elif error is not None:
            self._give_back(errand)

    def _refuse(self, errand: Errand, error: StonechatError) -> None:
        familiar, line = errand.familiar, errand.line
        scope, caller = familiar.scope, familiar.origin.acting
        scope[CALLER] = caller
        response = refusal(scope, self._queries.told(error, caller, familiar.prepared))
        head = line.head(response.status_code, [*response.raw_headers, *on_every_answer(scope)])
        if head is None:
            self._give_back(errand)
        else:
            line.answer(head + b"\r\n", bytes(response.body))
            self._record(errand, response.status_code)

    def _missed(self, errand: Errand, result: QueryResult | None) -> Outcome:
        return Outcome(result, CacheStatus.MISS, errand.started.etag() if errand.started else None)

    def _answer(self, errand: Errand, outcome: Outcome, timing: str) -> Answer:
        familiar = errand.familiar
        media_type, prepared = familiar.origin.media_type, familiar.prepared
        return Answer(outcome.result, media_type, outcome.cache, outcome.etag, timing, prepared)

    def _prepare_head(self, errand: Errand) -> None:
        if errand.started is None or errand.started.work.done():
            return
        errand.head = self._head(errand, self._answer(errand, self._missed(errand, None), ""), _WITH_BODY)
        if errand.started.own:
            # Last: an answer leaves by it as soon as it is there.
            errand.outlet = errand.line.outlet()

    def _head(self, errand: Errand, answer: Answer, status: int) -> bytes | None:
        """All of the head of an answer but for how long it took, and what is about its body."""
        familiar = errand.familiar
        known = answer_headers(answer, narrowed=familiar.origin.narrowed)
        del known["server-timing"]
        about = body_headers(known, answer.media_type) if status == _WITH_BODY else header_list(known)
        return errand.line.head(status, [*about, *on_every_answer(familiar.scope)])

    def _write(
        self, errand: Errand, head: bytes, timing: str, body: Body | None, afterwards: Callable[[], None]
    ) -> None:
        """Send an answer, and have done what comes after it."""
        errand.seconds = time.perf_counter() - errand.began
        # First: with the answer, the next request of its connection may begin, and settles all that was before.
        self.afterwards.add(afterwards)
        try:
            errand.line.answer(whole_head(head, timing, body), b"" if body is None else body.data)
        finally:
            self.afterwards.soon()

    def _answered(self, errand: Errand, answer: Answer, body: Body | None) -> None:
        """Record and remember an answer that was sent."""
        familiar = errand.familiar
        familiar.call.answer = answer
        self._record(errand, _WITHOUT_BODY if body is None else _WITH_BODY)
        if body is not None and body is not familiar.body:
            self._familiar.keep(familiar, body)

    def _counted(self, familiar: Familiar) -> bool:
        """Whether the caller may make another request, which is counted then."""
        try:
            self._authenticator.count(familiar.scope, familiar.origin.caller)
        except RateLimited:
            return False
        return True

    def _give_back(self, errand: Errand) -> None:
        """Have a request answered the usual way, which counts it, too."""
        self._authenticator.uncount(errand.familiar.origin.caller)
        errand.line.give_back()

    def _record(self, errand: Errand, status: int) -> None:
        scope = errand.familiar.scope
        note_call(scope, errand.familiar.call)
        route = self._paths.get(errand.familiar.origin.endpoint, "unknown")
        seconds = time.perf_counter() - errand.began if errand.seconds is None else errand.seconds
        record(self._telemetry, scope, route, status, seconds)
