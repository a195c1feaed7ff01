"""How many requests a token may make in a second."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from stonechat.errors import Kind, StonechatError


class RateLimited(StonechatError):
    """A token makes requests faster than it may. `retry_after` is in whole seconds."""

    code = "SC430"
    kind = Kind.RATE_LIMITED

    def __init__(self, limit: float, wait: float) -> None:
        super().__init__(
            f"The token makes more than {limit:g} requests per second", hint="Wait as long as Retry-After says."
        )
        self.retry_after = math.ceil(wait)


class RateLimit:
    """A bucket for each token: it holds the requests of one second and fills up steadily. 0 means no limit."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._capacity = max(per_second, 1.0)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, token_id: str) -> None:
        """Count a request of a token. Raises `RateLimited`."""
        if not self._per_second:
            return
        now = self._clock()
        left, since = self._buckets.get(token_id, (self._capacity, now))
        left = min(self._capacity, left + (now - since) * self._per_second)
        if left < 1:
            raise RateLimited(self._per_second, (1 - left) / self._per_second)
        self._buckets[token_id] = (left - 1, now)
