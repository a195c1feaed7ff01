"""Fields of events that no column is fed from. They are tolerated and counted, so that somebody notices them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from stonechat.ingest.codecs import UNREADABLE
from stonechat.ingest.feeding import FedColumn

MOST_NAMES: Final = 100
"""Names counted for one data source: a sender that makes them up must not fill the memory."""
_LONGEST_NAME: Final = 200
NONE: Final[Mapping[str, int]] = MappingProxyType({})


def known_fields(columns: Sequence[FedColumn]) -> frozenset[str] | None:
    """The fields at the top of an event that columns are fed from; None where a column takes the whole event."""
    if any(column.path.is_whole_event for column in columns):
        return None
    return frozenset(column.path.groups[0][0] for column in columns)


def unknown_fields(known: frozenset[str] | None, events: Iterable[bytes]) -> Mapping[str, int]:
    """How many of the events have each field that is not known. What is no object has none."""
    if known is None:
        return NONE
    counts: Counter[str] = Counter()
    for event in events:
        try:
            counts.update(key[:_LONGEST_NAME] for key in _OBJECT.decode(event).keys() - known)
        except UNREADABLE:
            continue
    return dict(counts.most_common(MOST_NAMES)) if counts else NONE


def named_counts(counts: Mapping[bytes, int]) -> Mapping[str, int]:
    """Counts of events by the keys of fields as they are written, as `unknown_fields` tells them."""
    if not counts:
        return NONE
    named: Counter[str] = Counter()
    for key, count in counts.items():
        named[key.decode()[:_LONGEST_NAME]] += count
    return dict(named.most_common(MOST_NAMES))


class UnknownFields:
    """The counts of all data sources, by their ids, since the start. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[str, int]] = {}

    def add(self, data_source: str, counts: Mapping[str, int]) -> None:
        """Count fields of a data source's events. Names beyond `MOST_NAMES` are not counted."""
        if not counts:
            return
        with self._lock:
            known = self._counts.setdefault(data_source, {})
            for name, count in counts.items():
                if name in known or len(known) < MOST_NAMES:
                    known[name] = known.get(name, 0) + count

    def of(self, data_source: str) -> Mapping[str, int]:
        """The events of a data source with each field."""
        with self._lock:
            return dict(self._counts.get(data_source, NONE))


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
