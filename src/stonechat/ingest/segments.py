"""The files of the write-ahead log: their format, how they are scanned, and what damage means.

A segment is a header and records. Sequence numbers run on over records and segments without a gap, so a missing
segment shows. A record also carries its group, the first sequence number that was not known to be on the disk when it
was written: a sound record of a later group proves that what stands before that number was on the disk once.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final, Self

from stonechat.errors import Kind, StonechatError

SUFFIX: Final = ".wal"
VERSION: Final = 1
_MAGIC: Final = b"STONECHT"
_HEADER: Final = struct.Struct("<8sI16sQI")  # magic, version, log id, first sequence number, crc32 of what precedes
_MARK: Final = b"\xc5\xffR\xfe"  # never part of UTF-8 text, so never inside rows
_RECORD: Final = struct.Struct("<4sIIBQQ")  # mark, crc32 of what follows, payload length, type, sequence number, group
_COVERED: Final = struct.Struct("<IBQQ")  # the part of a record's head that its crc32 covers
HEADER_SIZE: Final = _HEADER.size


class LogCorrupt(StonechatError):
    """The log is damaged where rows were acknowledged. It is not repaired, because repair would lose them silently."""

    code = "SC610"
    kind = Kind.INTERNAL

    def __init__(self, path: Path, offset: int, reason: str) -> None:
        super().__init__(
            f"The write-ahead log is corrupt: {path}, offset {offset}: {reason}",
            hint="Restore the file from a backup. To go on without the rows from there on, move the file away.",
        )
        self.path = path
        self.offset = offset


class RecordType(IntEnum):
    """How a payload reads."""

    ROWS = 1
    NOTE = 2
    KEYED_ROWS = 3
    VERSIONED_ROWS = 4


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it stands in a file."""

    type: RecordType
    sequence: int
    group: int
    payload: bytes
    end: int


@dataclass(slots=True, eq=False)
class Segment:
    """One file: its size without a torn tail, and how many of its rows are not in the engine yet.

    `keyed`: some of its rows came with an idempotency key.
    """

    path: Path
    log_id: bytes
    first: int
    size: int = HEADER_SIZE
    undone: int = 0
    keyed: bool = False


def segment_path(folder: Path, first: int) -> Path:
    """The file of the segment that begins with a sequence number."""
    return folder / f"{first:016x}{SUFFIX}"


def sync_path(path: Path) -> None:
    """Bring what is in a file, or the names of the files in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def encoded_header(log_id: bytes, first: int) -> bytes:
    """The first bytes of a segment."""
    body = _HEADER.pack(_MAGIC, VERSION, log_id, first, 0)[:-4]
    return body + struct.pack("<I", zlib.crc32(body))


def encoded_record(kind: RecordType, sequence: int, group: int, payload: Sequence[bytes]) -> Sequence[bytes]:
    """One record: its head, and the pieces of its payload as they are."""
    length = sum(map(len, payload))
    crc = zlib.crc32(_COVERED.pack(length, kind, sequence, group))
    for piece in payload:
        crc = zlib.crc32(piece, crc)
    return _RECORD.pack(_MARK, crc, length, kind, sequence, group), *payload


class SegmentFile:
    """A segment opened for reading. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self._size = path.stat().st_size
            self._data: mmap.mmap | bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self._size else b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if isinstance(self._data, mmap.mmap):
            self._data.close()

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._size

    def header(self) -> Segment | None:
        """The segment that the header describes; None where it is damaged. Raises `LogCorrupt` for another version."""
        head = bytes(self._data[:HEADER_SIZE])
        if len(head) < HEADER_SIZE:
            return None
        magic, version, log_id, first, crc = _HEADER.unpack(head)
        if magic != _MAGIC or crc != zlib.crc32(head[:-4]):
            return None
        if version != VERSION:
            raise LogCorrupt(self.path, 0, f"its format is version {version}, this program reads version {VERSION}")
        return Segment(self.path, log_id, first)

    def records(self, start: int = HEADER_SIZE) -> Iterator[Record]:
        """The sound records from an offset on, up to the first that is not."""
        while (record := self._record(start)) is not None:
            yield record
            start = record.end

    def synced_after(self, start: int, sequence: int) -> bool:
        """Whether behind `start` stands a record that was written after record `sequence` had been synced."""
        while (start := self._data.find(_MARK, start)) >= 0:
            record = self._record(start)
            if record is not None and record.group > sequence:
                return True
            start += 1
        return False

    def _record(self, start: int) -> Record | None:
        begin = start + _RECORD.size
        if begin > self._size:
            return None
        mark, crc, length, kind, sequence, group = _RECORD.unpack_from(self._data, start)
        if mark != _MARK or begin + length > self._size or kind not in _TYPES:
            return None
        payload = bytes(self._data[begin : begin + length])
        if crc != zlib.crc32(payload, zlib.crc32(_COVERED.pack(length, kind, sequence, group))):
            return None
        return Record(RecordType(kind), sequence, group, payload, begin + length)


_TYPES: Final = frozenset(RecordType)
