"""Answers that are kept for the next caller who asks the same, exactly as long as they are true.

A key holds all that shapes an answer: the statement with its values, the format, the settings, the limits, the database
and the deployments: its own, and those of workspaces that share data sources with it. Parameters that the statement
does not use are not in it, so varying them fills nothing. It is one text: that has its hash made once, and is compared
at once.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NewType

from stonechat.engine.contract import Query, QueryResult
from stonechat.project.composition import Composed
from stonechat.project.model import Project
from stonechat.sql.unrepeatable import is_repeatable

_LARGEST_SHARE = 8


class CacheStatus(Enum):
    """What the cache had to do with an answer."""

    HIT = "hit"
    MISS = "miss"
    BYPASS = "bypass"


CacheKey = NewType("CacheKey", str)
"""All that shapes an answer but the data."""


def cache_key(query: Query, deployment_ids: tuple[int, ...], lifetime: float | None = None) -> CacheKey:
    """The key of a query under deployments, whose answer is kept for `lifetime` seconds: with another, another one."""
    return CacheKey(circumstances(query, deployment_ids, lifetime) + query.statement)


def circumstances(query: Query, deployment_ids: tuple[int, ...], lifetime: float | None) -> str:
    """What stands in a key before the statement. It ends at the first NUL: a text with one is written without it."""
    bound, settings = sorted(query.parameters.items()), sorted(query.settings.items())
    around = query.database, deployment_ids, bound, query.format, settings, query.limits, lifetime
    return f"{around!r}\0"


def etag_of(key: CacheKey, epoch: str, versions: tuple[int, ...]) -> str:
    """A name for an answer that changes with its data. It is weak: the bytes hold how long the query took."""
    text = f"{epoch} {versions} {key}".encode("utf-8", "surrogatepass")
    return f'W/"{hashlib.blake2b(text, digest_size=12).hexdigest()}"'


@dataclass(frozen=True, slots=True)
class _Entry:
    result: QueryResult
    versions: tuple[int, ...]
    expires: float | None


class AnswerCache:
    """At most `capacity_bytes` of answers, those not used for the longest time going first. One event loop's own."""

    def __init__(self, capacity_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity_bytes
        self._clock = clock
        self._entries: OrderedDict[CacheKey, _Entry] = OrderedDict()
        self._size = 0

    def get(self, key: CacheKey, versions: tuple[int, ...]) -> QueryResult | None:
        """The answer, unless a data source has changed since; with a lifetime, it is kept to its end."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        fresh = entry.versions == versions if entry.expires is None else self._clock() < entry.expires
        if not fresh:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry.result

    def put(self, key: CacheKey, versions: tuple[int, ...], result: QueryResult, *, lifetime: float | None) -> None:
        """Keep an answer. `versions` are those from before its query began; `lifetime` is in seconds."""
        size = _size(key, result)
        if size * _LARGEST_SHARE > self._capacity:
            return
        self._remove(key)
        self._entries[key] = _Entry(result, versions, None if lifetime is None else self._clock() + lifetime)
        self._size += size
        while self._size > self._capacity:
            self._remove(next(iter(self._entries)))

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._size

    def _remove(self, key: CacheKey) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= _size(key, entry.result)


def may_be_kept(project: Project, composed: Composed) -> bool:
    """Whether the same statement over unchanged data gives the same answer, now and later.

    Not so for the clock, for chance, for the engine's own tables, and for data that expires by itself.
    """
    return all_stays(project, composed.reads) and is_repeatable(composed.sql)


def all_stays(project: Project, reads: Iterable[str]) -> bool:
    """Whether nothing in these data sources changes by itself."""
    return not any(_expires(project, name) for name in reads)


def _expires(project: Project, name: str) -> bool:
    shared = project.shared.get(name)
    source = shared.source if shared else project.data_sources.get(name)
    # Quarantines expire, and service data sources change without anybody's write.
    return source is None or bool(source.engine.ttl)


def _size(key: CacheKey, result: QueryResult) -> int:
    # The text of the key may be as large as the answer; 1 KB covers the objects around both.
    return len(result.data) + 4 * len(key) + 1024
