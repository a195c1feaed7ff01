"""How many requests a token may make in a second."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from stonechat.errors import Kind, StonechatError

_MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a token has left: requests per second, how many of them at once, whole seconds until that is all of them."""

    limit: float
    remaining: int
    reset: int


class RateLimited(StonechatError):
    """A token makes requests faster than it may. `retry_after` is in whole seconds."""

    code = "SC430"
    kind = Kind.RATE_LIMITED

    def __init__(self, limit: float, wait: float) -> None:
        super().__init__(
            f"The token makes more than {limit:g} requests per second", hint="Wait as long as Retry-After says."
        )
        self.retry_after = math.ceil(wait)
        self.allowance = Allowance(limit, 0, self.retry_after)


class RateLimit:
    """A bucket for each token: it holds the requests of one second and fills up steadily. 0 means no limit.

    `per_second` holds for every token; one may have a lower limit of its own.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second = per_second
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, token_id: str, own_limit: float = 0) -> Allowance | None:
        """Count a request of a token. None without a limit. Raises `RateLimited`."""
        if not (self.per_second or own_limit):
            return None
        rate = min(filter(None, (self.per_second, own_limit)))
        capacity = max(rate, 1.0)
        now = self._clock()
        left, since = self._buckets.pop(token_id, (capacity, now))
        left = min(capacity, left + (now - since) * rate)
        limited = left < 1
        left = left if limited else left - 1
        # The one used last stands last, so the first is the one that has filled up for longest.
        self._buckets[token_id] = (left, now)
        if len(self._buckets) > _MOST_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        if limited:
            raise RateLimited(rate, (1 - left) / rate)
        return Allowance(rate, int(left), math.ceil((capacity - left) / rate))

    def put_back(self, token_id: str) -> None:
        """Forget that a request of a token was counted."""
        if (bucket := self._buckets.get(token_id)) is not None:
            left, since = bucket
            self._buckets[token_id] = (left + 1, since)
