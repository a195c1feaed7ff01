"""What the write-ahead log records: rows, and what became of them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from stonechat.errors import StonechatError
from stonechat.ingest.segments import RecordType, Segment, encoded_record

Settled = Callable[[StonechatError | None], None]
"""Told once what became of something: None for success. Called on the thread that found out; must return at once."""

_ROWS: Final = struct.Struct("<BIII")
# Whether there is a key, fingerprints of two schemas, and of what the second one made: row counts and sizes.
_VERSIONS: Final = struct.Struct("<?8s8sIIII")
SCHEMA_SIZE: Final = 8
_DIGEST_SIZE: Final = 16
_KEY_SIZE: Final = _DIGEST_SIZE + 8


class RequestKey(NamedTuple):
    """The idempotency key of a request: 16 bytes that stand for the sender's text, 8 that stand for the body."""

    digest: bytes
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Staged:
    """The same rows as another schema judges them: that of a deployment that is not live yet."""

    schema: bytes
    good: bytes
    good_rows: int
    quarantined: bytes
    quarantined_rows: int


@dataclass(slots=True, eq=False)
class Rows:
    """The rows of one request, or of several: two blocks of NDJSON and their row counts.

    The log sets `sequence` and `segment`.
    `committed` is told what became of them by the writer; None where nobody waits. `schema` is the fingerprint of the
    columns that they were checked against, empty where it is not known. `binary` is `good` in the form in which the
    engine reads it fastest, as `Verdicts` has it; the log does not keep it.
    """

    data_source: str
    good: bytes
    good_rows: int
    quarantined: bytes
    quarantined_rows: int
    committed: Settled | None = field(default=None, repr=False)
    sequence: int = 0
    segment: Segment | None = field(default=None, repr=False)
    key: RequestKey | None = None
    schema: bytes = b""
    staged: Staged | None = None
    binary: bytes = field(default=b"", repr=False)

    @property
    def size(self) -> int:
        """Bytes of all blocks that the log keeps."""
        staged = len(self.staged.good) + len(self.staged.quarantined) if self.staged else 0
        return len(self.good) + len(self.quarantined) + staged

    @property
    def held(self) -> int:
        """Bytes that are in memory until the rows are committed."""
        return self.size + len(self.binary)

    def payload(self) -> tuple[bytes, ...]:
        """The record's payload in the pieces that it is written from."""
        name = self.data_source.encode()
        head = _ROWS.pack(len(name), self.good_rows, self.quarantined_rows, len(self.good))
        rows = *(self.key or ()), head, name, self.good, self.quarantined
        return (*self._versions(), *rows) if self.schema else rows

    def _versions(self) -> tuple[bytes, ...]:
        other = self.staged or Staged(b"", b"", 0, b"", 0)
        sizes = len(other.good), len(other.quarantined)
        keyed = self.key is not None
        counts = other.good_rows, other.quarantined_rows
        return _VERSIONS.pack(keyed, self.schema, other.schema, *counts, *sizes), other.good, other.quarantined

    @classmethod
    def versioned(cls, payload: bytes) -> Rows:
        """The rows of a payload that says which columns they were checked against."""
        keyed, schema, other, good_rows, quarantined_rows, good_size, size = _VERSIONS.unpack_from(payload)
        middle = _VERSIONS.size + good_size
        end = middle + size
        rows = cls.keyed(payload[end:]) if keyed else cls.decoded(payload[end:])
        rows.schema = schema
        if other.strip(b"\0"):
            good, quarantined = payload[_VERSIONS.size : middle], payload[middle:end]
            rows.staged = Staged(other, good, good_rows, quarantined, quarantined_rows)
        return rows

    @classmethod
    def keyed(cls, payload: bytes) -> Rows:
        """The rows of a payload that has a key."""
        rows = cls.decoded(payload[_KEY_SIZE:])
        rows.key = RequestKey(payload[:_DIGEST_SIZE], payload[_DIGEST_SIZE:_KEY_SIZE])
        return rows

    @classmethod
    def decoded(cls, payload: bytes) -> Rows:
        """The rows of a payload that has none."""
        length, good_rows, quarantined_rows, good_size = _ROWS.unpack_from(payload)
        start = _ROWS.size + length
        name = payload[_ROWS.size : start].decode()
        return cls(name, payload[start : start + good_size], good_rows, payload[start + good_size :], quarantined_rows)


class Block(msgspec.Struct, frozen=True, array_like=True):
    """All rows of one data source whose sequence numbers lie between `first` and `last`: what is committed as one.

    `epoch` is the process that planned it. A log that has lost its end gives the same numbers to other rows: their
    tokens must differ.
    """

    data_source: str
    first: int
    last: int
    epoch: str = ""


class Plan(msgspec.Struct, frozen=True, tag=True):
    """The block is about to be committed. From here on its composition and its tokens never change."""

    block: Block


class Fate(Enum):
    """What is done with the part of a block that the engine refused."""

    SPLIT = "split"
    QUARANTINE = "quarantine"


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The engine refused a part of the block for its content.

    `path` names the part: "" is the whole block, each "0" or "1" the first or second half of what stands before it. In
    front of it is the version of the table, where it is not the first.
    """

    block: Block
    path: str
    fate: Fate
    reason: str


class Taken(msgspec.Struct, frozen=True, tag=True):
    """A part of a block that was split is in the engine. `path` as in `Refused`; its quarantine has a "q" behind it."""

    block: Block
    path: str


class Done(msgspec.Struct, frozen=True, tag=True):
    """Every row of the block is in the engine."""

    block: Block


Note = Plan | Refused | Taken | Done
_NOTE: Final = msgspec.json.Decoder(Note)


def encoded(content: Rows | Note, sequence: int, group: int) -> Sequence[bytes]:
    """A record as it is written, in pieces."""
    if isinstance(content, Rows):
        plain = RecordType.ROWS if content.key is None else RecordType.KEYED_ROWS
        kind = RecordType.VERSIONED_ROWS if content.schema else plain
        return encoded_record(kind, sequence, group, content.payload())
    return encoded_record(RecordType.NOTE, sequence, group, (encoded_note(content),))


def encoded_note(note: Note) -> bytes:
    """The payload of a note."""
    return msgspec.json.encode(note)


def decoded_note(payload: bytes) -> Note:
    """The note of a payload."""
    note: Note = _NOTE.decode(payload)
    return note
