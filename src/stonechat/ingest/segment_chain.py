"""The files of a log: written at the end of the newest, removed from the oldest on. One thread's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from stonechat.ingest.manifest import Manifest
from stonechat.ingest.records import Rows
from stonechat.ingest.segment_writing import GroupWriter, write_pieces
from stonechat.ingest.segments import HEADER_SIZE, Segment, encoded_header, segment_path, sync_path

_log = structlog.get_logger(__name__)

_sync_data = getattr(os, "fdatasync", os.fsync)


@dataclass(slots=True)
class _Active:
    segment: Segment
    descriptor: int


class SegmentChain:
    """Segments of up to `segment_bytes` in a folder; `segments` are those of an earlier process.

    `broken` once something is written that can be neither trusted nor taken back: nothing may be written behind it.
    """

    def __init__(self, folder: Path, segments: list[Segment], log_id: bytes, segment_bytes: int) -> None:
        self._folder = folder
        self._segments = segments
        self._log_id = log_id
        self._segment_bytes = segment_bytes
        self._manifest = Manifest(folder)
        self._writer = GroupWriter()
        self._active: _Active | None = None
        self._finished: list[Rows] = []
        self.size = sum(segment.size for segment in segments)
        self.broken = False

    def write(self, pieces: Sequence[bytes], first: int, *, sync: bool) -> Segment:
        """Write a group of records, the first of that sequence number, into one segment.

        Raises OSError or MemoryError: `abandon` what was written.
        """
        size = sum(map(len, pieces))
        active = self._active_for(size, first)
        self._writer.write(active.descriptor, pieces, active.segment.size, synced=sync)
        if sync:
            _sync_data(active.descriptor)
            self._manifest.add(active.segment.first, oldest=self._segments[0].first)
        active.segment.size += size
        self.size += size
        return active.segment

    def sync(self) -> None:
        """Bring what is written to the disk. Raises OSError."""
        if self._active is not None:
            _sync_data(self._active.descriptor)

    def abandon(self) -> bool:
        """Take back what a failed group has written; False where it may be found all the same. The next goes to a new
        file: this one may have lost what it was given.
        """
        if self._active is None:
            return True
        segment, descriptor = self._active.segment, self._active.descriptor
        self._active = None
        written = os.fstat(descriptor).st_size > segment.size
        try:
            os.ftruncate(descriptor, segment.size)
            os.fsync(descriptor)
        except OSError:
            self.broken = True  # a later segment would turn what is left here into damage
        finally:
            os.close(descriptor)
        if segment.size == HEADER_SIZE and len(self._segments) > 1:  # the last one says which numbers are taken
            segment.path.unlink()
            self._segments.remove(segment)
            self.size -= segment.size
        return not (written and self.broken)

    def finish(self, rows: Sequence[Rows]) -> None:
        """Note that rows are all in the engine. Their segment goes once the records that say so are synced."""
        self._finished.extend(rows)

    @property
    def has_finished(self) -> bool:
        """Whether there are rows to let go of."""
        return bool(self._finished)

    def tidy(self, following: int, save_keys: Callable[[Path], None]) -> None:
        """Let go of what is done where nothing more can come that would do so, for the log is full.

        `following` is the sequence number of the next record.
        """
        active, oldest = self._active, self._segments[0] if self._segments else None
        if active is None or (not self._finished and oldest and oldest.undone):
            return
        with suppress(OSError):
            if active.segment.size > HEADER_SIZE:
                self._active = self._new_segment(following)
                os.close(active.descriptor)
            self.release(save_keys)

    def release(self, save_keys: Callable[[Path], None]) -> None:
        """Remove the oldest segments whose rows are all in the engine. The records that say so are synced by now.

        `save_keys` is called before one goes that has idempotency keys; an OSError from it keeps the segment.
        """
        for rows in self._finished:
            assert rows.segment is not None
            rows.segment.undone -= 1
        self._finished.clear()
        active = self._active.segment if self._active else None
        while len(self._segments) > 1 and self._segments[0].undone == 0 and self._segments[0] is not active:
            segment = self._segments[0]
            try:
                self._manifest.release(oldest=self._segments[1].first)
                if segment.keyed:
                    save_keys(self._folder)
                    segment.keyed = False
                segment.path.unlink()
            except OSError as error:
                _log.warning("cannot remove a segment of the log", file=str(segment.path), reason=error.strerror)
                return
            self._segments.pop(0)
            self.size -= segment.size

    def close(self, save_keys: Callable[[Path], None]) -> None:
        """Let go of what is done, and write no more."""
        if self._active is None:
            return
        if self._finished:
            with suppress(OSError):
                self.sync()
                self.release(save_keys)
        os.close(self._active.descriptor)
        self._active = None

    def _active_for(self, size: int, first: int) -> _Active:
        active = self._active
        if active is not None and (
            active.segment.size + size <= self._segment_bytes or active.segment.size == HEADER_SIZE
        ):
            return active
        if active is not None:
            _sync_data(active.descriptor)
            os.close(active.descriptor)
            self._active = None
        last = self._segments[-1] if self._segments else None
        if last is not None and last.first == first:  # nothing was written into it
            self._active = _Active(last, os.open(last.path, os.O_WRONLY))
        else:
            self._active = self._new_segment(first)
        return self._active

    def _new_segment(self, first: int) -> _Active:
        path = segment_path(self._folder, first)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_pieces(descriptor, [encoded_header(self._log_id, first)], 0)
            os.fsync(descriptor)
            sync_path(self._folder)
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
        segment = Segment(path, self._log_id, first)
        self._segments.append(segment)
        self.size += segment.size
        return _Active(segment, descriptor)
