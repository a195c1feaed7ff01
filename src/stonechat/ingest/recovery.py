"""Reading a log that another process left behind: which rows are not in the engine, and what was planned for them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from stonechat.ingest.manifest import Manifest
from stonechat.ingest.records import Block, Done, Note, Plan, Refused, RequestKey, Rows, Taken, decoded_note
from stonechat.ingest.segments import SUFFIX, LogCorrupt, Record, RecordType, Segment, SegmentFile, sync_path

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class PlannedBlock:
    """A block that was about to be committed, with what the log knows of its progress.

    `refusals` is by the path of the part; `taken` has the paths of the parts that are in the engine.
    """

    block: Block
    refusals: dict[str, Refused] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    done: bool = False


@dataclass(slots=True)
class Recovery:
    """What a scan of the log found: segments from old to new, the next sequence number, the plans by data source."""

    segments: list[Segment] = field(default_factory=list)
    next_sequence: int = 1
    plans: dict[str, list[PlannedBlock]] = field(default_factory=dict)

    def undone(self) -> Iterator[tuple[Rows, PlannedBlock | None]]:
        """The rows that are not known to be in the engine, in order, each with the block that it was planned for.

        The log may meanwhile remove segments whose rows were handed out and committed, and begin new ones.
        """
        return self._undone_of([segment for segment in self.segments if segment.undone])

    def count_undone(self) -> None:
        """Tell each segment how many of its rows are not known to be in the engine."""
        for rows, _ in self._undone_of(self.segments):
            assert rows.segment is not None
            rows.segment.undone += 1

    def _undone_of(self, segments: Sequence[Segment]) -> Iterator[tuple[Rows, PlannedBlock | None]]:
        plans = {data_source: deque(blocks) for data_source, blocks in self.plans.items()}
        for segment in segments:
            with SegmentFile(segment.path) as file:
                for record in file.records():
                    if record.end > segment.size or record.type is RecordType.NOTE:
                        continue
                    rows = _rows(record)
                    rows.sequence, rows.segment = record.sequence, segment
                    planned = _planned(plans.get(rows.data_source), rows.sequence)
                    if planned is None or not planned.done:
                        yield rows, planned

    def keys(self) -> Iterator[tuple[RequestKey, int, int]]:
        """The idempotency keys in the segments, in order, with the good and the quarantined rows of their requests."""
        for segment in self.segments:
            if segment.keyed:
                with SegmentFile(segment.path) as file:
                    for record in file.records():
                        if record.end <= segment.size and _is_keyed(record):
                            rows = _rows(record)
                            assert rows.key is not None
                            yield rows.key, rows.good_rows, rows.quarantined_rows

    def note(self, note: Note) -> None:
        """Take a note of the log into account."""
        blocks = self.plans.setdefault(note.block.data_source, [])
        if isinstance(note, Plan):
            blocks.append(PlannedBlock(note.block))
            return
        planned = next((each for each in reversed(blocks) if each.block == note.block), None)
        if planned is None:
            return  # its plan went with a segment whose rows are all in the engine
        if isinstance(note, Done):
            planned.done = True
        elif isinstance(note, Taken):
            planned.taken.add(note.path)
        else:
            planned.refusals[note.path] = note


def recover(folder: Path) -> Recovery:
    """Scan the log in a folder, cut off a torn tail and sync the rest. Raises `LogCorrupt` for any other damage.

    Nothing is touched before all of it was found to be whole.
    """
    recovery = Recovery()
    unused: list[Path] = []
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    for path in paths:
        with SegmentFile(path) as file:
            segment = _scan(file, recovery, last=path == paths[-1])
        # A segment without a record: the next one will have its name.
        if segment is None or (segment.first == recovery.next_sequence and recovery.segments):
            unused.append(path)
        else:
            recovery.segments.append(segment)
    Manifest(folder).check(recovery.segments)
    for path in unused:
        _log.warning("removed a segment of the log that was never begun", file=str(path))
        path.unlink()
    for segment in recovery.segments:
        _cut_off(segment)
    recovery.count_undone()
    return recovery


def _cut_off(segment: Segment) -> None:
    """Have a segment end with its last whole record, on the disk."""
    if segment.size < segment.path.stat().st_size:
        _log.warning("cut off the torn end of the log", file=str(segment.path), offset=segment.size)
        os.truncate(segment.path, segment.size)
    sync_path(segment.path)  # what was read may be in the page cache alone, and counts as kept from here on


def _scan(file: SegmentFile, recovery: Recovery, *, last: bool) -> Segment | None:
    segment = file.header()
    if segment is None:
        if last and not file.synced_after(0, 0):
            return None
        raise LogCorrupt(file.path, 0, "the header is damaged")
    _check_order(segment, file.path, recovery)
    sequence = segment.first
    for record in file.records():
        if record.sequence != sequence:
            raise LogCorrupt(file.path, segment.size, f"record {sequence} is missing")
        _take(record, recovery)
        segment.size = record.end
        segment.keyed = segment.keyed or _is_keyed(record)
        sequence += 1
    if segment.size < file.size and (not last or file.synced_after(segment.size, sequence)):
        raise LogCorrupt(file.path, segment.size, f"record {sequence} is damaged")
    if sequence == segment.first and not last:
        raise LogCorrupt(file.path, segment.size, f"record {sequence} is missing")
    recovery.next_sequence = sequence
    return segment


def _check_order(segment: Segment, path: Path, recovery: Recovery) -> None:
    if path.name != f"{segment.first:016x}{SUFFIX}":
        raise LogCorrupt(path, 0, f"the segment begins with record {segment.first}, which is not its name")
    if not recovery.segments:
        return
    if segment.log_id != recovery.segments[0].log_id:
        raise LogCorrupt(path, 0, "the segment belongs to another log")
    if segment.first != recovery.next_sequence:
        raise LogCorrupt(path, 0, f"the segment of record {recovery.next_sequence} is missing before it")


def _is_keyed(record: Record) -> bool:
    versioned = record.type is RecordType.VERSIONED_ROWS and record.payload[:1] == b"\1"
    return versioned or record.type is RecordType.KEYED_ROWS


def _rows(record: Record) -> Rows:
    match record.type:
        case RecordType.KEYED_ROWS:
            return Rows.keyed(record.payload)
        case RecordType.VERSIONED_ROWS:
            return Rows.versioned(record.payload)
        case _:
            return Rows.decoded(record.payload)


def _take(record: Record, recovery: Recovery) -> None:
    if record.type is RecordType.NOTE:
        recovery.note(decoded_note(record.payload))


def _planned(blocks: deque[PlannedBlock] | None, sequence: int) -> PlannedBlock | None:
    while blocks and blocks[0].block.last < sequence:
        blocks.popleft()
    return blocks[0] if blocks and blocks[0].block.first <= sequence else None
