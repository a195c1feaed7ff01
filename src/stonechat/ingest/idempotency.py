"""Idempotency keys: a request that is sent again under its key counts once.

A key stands in the log with the rows that came with it, so what is acknowledged is remembered with its key or not at
all. Before a segment goes, the keys are written to a file of their own, whole and in one step; a start reads that file,
then the segments. The window is a number of keys, not a time: no clock is asked.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from stonechat.errors import Kind, StonechatError
from stonechat.ingest.manifest import replace_file
from stonechat.ingest.records import RequestKey
from stonechat.ingest.segments import LogCorrupt

KEYS_FILE: Final = "idempotency.keys"
LONGEST_KEY: Final = 255
_HEADER: Final = struct.Struct("<8sII")  # magic, crc32 of the entries, their number
_KEPT: Final = struct.Struct("<8sII")  # fingerprint of the body, good rows, quarantined rows
_DIGEST_SIZE: Final = 16
_ENTRY_SIZE: Final = _DIGEST_SIZE + _KEPT.size
_MAGIC: Final = b"STONEKEY"


class KeyReused(StonechatError):
    """The idempotency key came with another body before. Nothing of this one was kept."""

    code = "SC632"
    kind = Kind.CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "The idempotency key was used for another body",
            hint="Give each request a key of its own, and send the very same bytes again with it.",
        )


class Kept(NamedTuple):
    """What became of the request that a key stands for."""

    fingerprint: bytes
    good_rows: int
    quarantined_rows: int


class Claim(Enum):
    """What a request with a key that was not kept before has to do."""

    GO_ON = "go on"
    WAIT = "wait"


@dataclass(slots=True)
class _UnderWay:
    fingerprint: bytes
    ended: list[Callable[[], None]] = field(default_factory=list)


def request_key(data_source: str, text: str, body: bytes) -> RequestKey:
    """The key of a request: keys of one data source mean nothing to another. `text` is what the sender chose."""
    key = blake2b(f"{data_source} {text}".encode(), digest_size=16).digest()
    return RequestKey(key, blake2b(body, digest_size=8).digest())


class IdempotencyKeys:
    """The last keys, up to `limit`, with what became of their requests, and those under way. Any thread may call."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: dict[bytes, bytes] = {}  # packed: half the memory
        self._order: deque[bytes] = deque()
        self._under_way: dict[bytes, _UnderWay] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def claim(self, key: RequestKey, ended: Callable[[], None]) -> Kept | Claim:
        """Begin a request: what became of it earlier, or whether it is this caller's to carry out.

        Who is to wait hears `ended` once and claims again. Who goes on calls `keep` or `release`. Raises `KeyReused`.
        """
        with self._lock:
            packed = self._kept.get(key.digest)
            kept = Kept(*_KEPT.unpack(packed)) if packed else None
            under_way = self._under_way.get(key.digest)
            known = kept or under_way
            if known is not None and known.fingerprint != key.fingerprint:
                raise KeyReused
            if kept is not None:
                return kept
            if under_way is not None:
                under_way.ended.append(ended)
                return Claim.WAIT
            self._under_way[key.digest] = _UnderWay(key.fingerprint)
            return Claim.GO_ON

    def keep(self, key: RequestKey, good_rows: int, quarantined_rows: int) -> None:
        """The request's rows are in the log. What was claimed for it ends."""
        with self._lock:
            if key.digest not in self._kept:
                self._order.append(key.digest)
            self._kept[key.digest] = _KEPT.pack(key.fingerprint, good_rows, quarantined_rows)
            while len(self._kept) > self._limit:
                del self._kept[self._order.popleft()]
        self.release(key)

    def release(self, key: RequestKey) -> None:
        """The request has ended; what it was to keep is kept, or nothing is. A second call is harmless."""
        with self._lock:
            under_way = self._under_way.pop(key.digest, None)
        for ended in under_way.ended if under_way else ():
            ended()

    def save(self, folder: Path) -> None:
        """Write the keys that are kept, replacing the file as a whole. Raises OSError and leaves the old one."""
        with self._lock:
            entries = b"".join(digest + self._kept[digest] for digest in self._order)
        head = _HEADER.pack(_MAGIC, zlib.crc32(entries), len(entries) // _ENTRY_SIZE)
        replace_file(folder / KEYS_FILE, [head, entries])

    def load(self, folder: Path, from_segments: Iterable[tuple[RequestKey, int, int]]) -> None:
        """Take what an earlier process kept: its file, then the keys in the log, in order. Raises `LogCorrupt`."""
        for digest, kept in _read(folder / KEYS_FILE).items():
            self.keep(RequestKey(digest, kept.fingerprint), kept.good_rows, kept.quarantined_rows)
        for key, good_rows, quarantined_rows in from_segments:
            self.keep(key, good_rows, quarantined_rows)


def _read(path: Path) -> Mapping[bytes, Kept]:
    if not path.exists():
        return {}
    data = path.read_bytes()
    head, entries = data[: _HEADER.size], data[_HEADER.size :]
    if len(head) == _HEADER.size:
        magic, crc, count = _HEADER.unpack(head)
        if magic == _MAGIC and crc == zlib.crc32(entries) and len(entries) == count * _ENTRY_SIZE:
            starts = range(0, len(entries), _ENTRY_SIZE)
            return {entries[start : start + _DIGEST_SIZE]: _kept(entries, start) for start in starts}
    raise LogCorrupt(path, 0, "the idempotency keys are damaged")


def _kept(entries: bytes, start: int) -> Kept:
    return Kept(*_KEPT.unpack_from(entries, start + _DIGEST_SIZE))
