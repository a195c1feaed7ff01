"""Which segments the log must have. Without it, a first or last segment that somebody removed would not be missed."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from stonechat.ingest.segments import LogCorrupt, Segment, segment_path, sync_path

MANIFEST_FILE: Final = "segments.manifest"
_CONTENT: Final = struct.Struct("<8sQQ")  # magic, oldest, newest; then the crc32 of that
_MAGIC: Final = b"STONESEG"


class _Listed(NamedTuple):
    oldest: int
    newest: int


class Manifest:
    """The first sequence numbers of the oldest segment and of the newest that has synced records, in a file.

    Opening raises `LogCorrupt`. Where there is no file yet, no segment is missed.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / MANIFEST_FILE
        self._listed = _read(self._path)

    def check(self, segments: Sequence[Segment]) -> None:
        """Raise `LogCorrupt` if the first or the last segment is missing."""
        oldest, newest = self._listed
        if oldest and (not segments or segments[0].first > oldest):
            raise self._missing(oldest)
        if newest and segments[-1].first < newest:
            raise self._missing(newest)

    def add(self, newest: int, *, oldest: int) -> None:
        """List a segment that has synced records. What cannot be written is tried again with the next group."""
        if newest != self._listed.newest:
            with suppress(OSError):
                self._write(_Listed(oldest, newest))

    def release(self, *, oldest: int) -> None:
        """Miss no segment before this one from now on. Raises OSError."""
        if oldest != self._listed.oldest:
            self._write(_Listed(oldest, self._listed.newest))

    def _write(self, listed: _Listed) -> None:
        content = _CONTENT.pack(_MAGIC, *listed)
        replace_file(self._path, [content, struct.pack("<I", zlib.crc32(content))])
        self._listed = listed

    def _missing(self, first: int) -> LogCorrupt:
        path = segment_path(self._path.parent, first)
        return LogCorrupt(path, 0, f"the file is missing; to go on without it, move {MANIFEST_FILE} away")


def _read(path: Path) -> _Listed:
    if not path.exists():
        return _Listed(0, 0)
    data = path.read_bytes()
    content, crc = data[: _CONTENT.size], data[_CONTENT.size :]
    if len(content) < _CONTENT.size or crc != struct.pack("<I", zlib.crc32(content)):
        raise LogCorrupt(path, 0, "the list of segments is damaged")
    _, oldest, newest = _CONTENT.unpack(content)
    return _Listed(oldest, newest)


def replace_file(path: Path, pieces: Sequence[bytes]) -> None:
    """Write a file anew in one step: whoever reads it, after a kill too, finds the old one or the new one."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    sync_path(path.parent)
