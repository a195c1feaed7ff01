"""What the read path answers, and where an answer may leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from stonechat.engine.contract import QueryResult
from stonechat.query.cache import CacheStatus
from stonechat.query.prepared import Prepared
from stonechat.query.spool import SpooledAnswer
from stonechat.query.timing import Stages


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of an answer with what the query cost, their media type, and the `Server-Timing` of the way here.

    A large answer is a `SpooledAnswer`, which whoever gets it releases. `etag` names an answer that stays the same
    while its data does; `result` is None when the caller has that one. `prepared` is what an equal call of the same
    caller would be made into, too, as long as the project stays; None where it would not.
    """

    result: QueryResult | SpooledAnswer | None
    media_type: str
    cache: CacheStatus
    etag: str | None
    timing: str
    prepared: Prepared | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a query, or of the look into the cache."""

    result: QueryResult | SpooledAnswer | None
    cache: CacheStatus
    etag: str | None = None

    def answer(self, media_type: str, stages: Stages, prepared: Prepared) -> Answer:
        """The answer that this makes."""
        lasting = prepared if prepared.lasting else None
        return Answer(self.result, media_type, self.cache, self.etag, stages.header, lasting)


class Outlet(Protocol):
    """Takes an answer as soon as its query has ended, some turns of the event loop before those who asked are back."""

    def expect(self, answer: Answer) -> None:
        """Make ready: the query is under way, and its answer will be this one but for the result and the timing."""
        ...

    def deliver(self, result: QueryResult, timing: str) -> bool:
        """Send the answer that was expected, with its result and timing, if it can be sent here; whether it was."""
        ...


@dataclass(slots=True)
class Errand:
    """One call on its way: what its answer will need, and what is done while its query runs."""

    media_type: str
    stages: Stages
    outlet: Outlet | None
    meanwhile: Callable[[], None] | None = None
    delivered: bool = False

    def expect(self, prepared: Prepared, etag: str | None) -> None:
        """Have the outlet ready for the answer of a query that is under way."""
        if self.outlet is not None:
            self.outlet.expect(Outcome(None, CacheStatus.MISS, etag).answer(self.media_type, self.stages, prepared))

    def deliver(self, result: QueryResult) -> bool:
        """Have the outlet send the answer of a query that has just ended; whether it did."""
        if self.outlet is not None:
            self.delivered = self.outlet.deliver(result, self.stages.header)
        return self.delivered
