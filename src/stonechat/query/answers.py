"""What the read path answers."""

from __future__ import annotations

from dataclasses import dataclass

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
