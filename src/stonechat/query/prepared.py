"""Calls of endpoints made ready once: composed, with the place where their answers are kept.

A rendering is decided by the parameters that it reads, absent ones among them. So a call that has the values of an
earlier one for just the parameters that the earlier one read is composed to the same statement, whatever else it has.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stonechat.engine.contract import Query
from stonechat.engine.formats import Format
from stonechat.project.composition import Composed, Values
from stonechat.project.service_data_sources import NAMESPACE
from stonechat.project.snapshot import Snapshot
from stonechat.query.cache import CacheKey, cache_key, etag_of, may_be_kept

_CAPACITY_BYTES = 16_000_000
_MOST_SHAPES = 16
_LARGEST_SHARE = 100
CLOCK = "job_timestamp"
"""The parameter that has the present when a call does not give it."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The data sources that a statement reads, by `names`, and as their changes are `counted`.

    `about_itself` says whether service data sources are among them, of the workspace that has the `database`.
    """

    database: str
    names: tuple[str, ...]
    counted: tuple[tuple[str, str], ...]
    about_itself: bool

    @classmethod
    def of(cls, snapshot: Snapshot, reads: Iterable[str]) -> Sources:
        """Those of these names."""
        names = tuple(sorted(reads))
        about_itself = any(name.startswith(f"{NAMESPACE}.") for name in names)
        return cls(snapshot.workspace.database, names, snapshot.counted(names), about_itself)


@dataclass(slots=True)
class Prepared:
    """A query without an id, and all about keeping its answer.

    `lifetime` is in seconds; `repeatable` says whether unchanged data means an unchanged answer; `lasting` whether an
    equal call of the same snapshot is made into the same; `keeps` whether an answer may be kept at all.
    """

    query: Query
    key: CacheKey
    sources: Sources
    lifetime: float | None
    repeatable: bool
    lasting: bool
    keeps: bool
    _named: tuple[str, tuple[int, ...], str] = field(default=("", (), ""), repr=False)

    @classmethod
    def of(cls, snapshot: Snapshot, composed: Composed, query: Query) -> Prepared:
        """A composed statement and the query that it makes, ready to be run or looked up."""
        sources = Sources.of(snapshot, composed.reads)
        repeatable = may_be_kept(snapshot.project, composed)
        return cls(
            query,
            cache_key(query, snapshot.deployments_of(sources.names), composed.cache_ttl),
            sources,
            composed.cache_ttl,
            repeatable,
            not composed.bound and CLOCK not in composed.used,
            repeatable or composed.cache_ttl is not None,
        )

    def etag(self, epoch: str, versions: tuple[int, ...]) -> str | None:
        """A name for the answer that changes with its data; none where the answer may be older than its data."""
        if self.lifetime is not None or not self.repeatable:
            return None
        if self._named[:2] != (epoch, versions):
            self._named = (epoch, versions, etag_of(self.key, epoch, versions))
        return self._named[2]


@dataclass(frozen=True, slots=True)
class Call:
    """All that shapes the answer to a call of an endpoint but the data; `narrowing` is what the token adds to that."""

    pipe: str
    format: Format
    settings: Mapping[str, str]
    values: Values
    narrowing: Hashable = None


@dataclass(frozen=True, slots=True)
class _Entry:
    snapshot: weakref.ref[Snapshot]
    prepared: Prepared
    size: int


class PreparedCalls:
    """Prepared calls within a bound, those not made for the longest time going first. One event loop's own.

    What is not lasting is not remembered: what secrets or the clock have a part in, which both change by themselves.
    """

    def __init__(self, capacity_bytes: int = _CAPACITY_BYTES) -> None:
        self._capacity = capacity_bytes
        self._size = 0
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        #: For each pipe the sets of parameters that its renderings have read, the latest last.
        self._shapes: dict[str, list[tuple[str, ...]]] = {}

    def get(self, snapshot: Snapshot, call: Call) -> Prepared | None:
        """What an equal call of the same snapshot was made into."""
        for shape in reversed(self._shapes.get(call.pipe, ())):
            key = _key(snapshot, call, shape)
            entry = self._entries.get(key)
            if entry is not None and entry.snapshot() is snapshot:
                self._entries.move_to_end(key)
                return entry.prepared
        return None

    def put(self, snapshot: Snapshot, call: Call, composed: Composed, prepared: Prepared) -> None:
        """Remember a call, unless another like it could be made into something else."""
        shape = tuple(sorted(composed.used))
        key = _key(snapshot, call, shape)
        size = _size(key, prepared)
        if not prepared.lasting or size * _LARGEST_SHARE > self._capacity:
            return
        self._note(call.pipe, shape)
        self._remove(key)
        self._entries[key] = _Entry(weakref.ref(snapshot), prepared, size)
        self._size += size
        while self._size > self._capacity:
            self._remove(next(iter(self._entries)))

    @property
    def size(self) -> int:
        """Bytes of memory that the calls take, at most."""
        return self._size

    def _note(self, pipe: str, shape: tuple[str, ...]) -> None:
        shapes = self._shapes.setdefault(pipe, [])
        if shape not in shapes:
            shapes.append(shape)
            del shapes[:-_MOST_SHAPES]

    def _remove(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= entry.size


def _key(snapshot: Snapshot, call: Call, shape: tuple[str, ...]) -> Hashable:
    given = tuple([_value(call.values.get(name)) for name in shape])
    place = (snapshot.workspace.id, snapshot.deployment_id, call.pipe)
    return place, call.format.name, tuple(sorted(call.settings.items())), call.narrowing, shape, given


def _value(value: str | Sequence[str] | None) -> str | tuple[str, ...] | None:
    return value if value is None or isinstance(value, str) else tuple(value)


def _size(key: Hashable, prepared: Prepared) -> int:
    # A character takes up to four bytes; the rest covers the objects around the text.
    return 4 * (len(prepared.query.statement) + len(repr(key))) + 4_000
