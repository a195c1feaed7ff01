"""Damage to the log is refused, or is a torn tail: a restart never finds other rows than those that were written."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.running import fuzz

from stonechat.ingest.records import Block, Plan, Rows, encoded_note
from stonechat.ingest.recovery import recover
from stonechat.ingest.segments import LogCorrupt, RecordType, encoded_header, encoded_record, segment_path

_MEMORY = Path("/dev/shm")


class _Log:
    """A log of a few segments, each record a group of its own, and what became of its files by name."""

    def __init__(self, chance: random.Random) -> None:
        self.records: dict[int, bytes] = {}
        self.rows: list[tuple[int, bytes, bytes]] = []
        self.files: dict[str, bytes] = {}
        for _ in range(chance.randrange(1, 4)):
            first = len(self.records) + 1
            records = [self._record(first + number, chance) for number in range(chance.randrange(1, 5))]
            self.files[segment_path(Path(), first).name] = encoded_header(b"0123456789abcdef", first) + b"".join(
                records
            )
        self.damaged = dict(self.files)
        for _ in range(chance.choice((1, 1, 2, 3))):
            _damage(self.damaged, chance)

    def _record(self, sequence: int, chance: random.Random) -> bytes:
        if chance.random() < 0.2 and sequence > 1:
            plan = encoded_note(Plan(Block("t", sequence - 1, sequence - 1)))
            pieces = encoded_record(RecordType.NOTE, sequence, sequence, [plan])
        else:
            good, bad = (chance.randbytes(chance.randrange(30)) for _ in range(2))
            self.rows.append((sequence, good, bad))
            pieces = encoded_record(RecordType.ROWS, sequence, sequence, Rows("t", good, 1, bad, 2).payload())
        self.records[sequence] = b"".join(pieces)
        return self.records[sequence]

    def __repr__(self) -> str:
        return f"{self.files} damaged to {self.damaged}"


def test_no_damage_is_read_as_rows(tmp_path: Path) -> None:
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else tmp_path) as folder:
        fuzz(_Log, lambda log: _check(log, Path(folder)))


def _damage(files: dict[str, bytes], chance: random.Random) -> None:
    """One fault of a disk, or of a hand. The oldest segments may go at any time, so the first file stays."""
    name = chance.choice(list(files))
    data = files[name]
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + chance.choice((1, 1, 2, 8, 40, 200)))
    match chance.randrange(8):
        case 0:
            files[name] = data[:start]
        case 1:
            files[name] = data[:start] + bytes(end - start) + data[end:]
        case 2:
            files[name] = data[:start] + data[end:]
        case 3:
            files[name] = data[:end] + data[start:]
        case 4:
            files[name] = data + chance.choice(list(files.values()))[start:end]
        case 5 if name != min(files):
            del files[name]
        case 6:
            other = chance.choice(list(files))
            files[name], files[other] = files[other], data
        case _:
            flipped = bytes(byte ^ chance.randrange(256) for byte in data[start:end])
            files[name] = data[:start] + flipped + data[end:]


def _check(log: _Log, folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    for name, data in log.damaged.items():
        (folder / name).write_bytes(data)
    try:
        found = _found(folder)
    except LogCorrupt as refusal:
        damaged = refusal.path.name
    else:
        assert found == log.rows[: len(found)]
        assert len(found) == len(log.rows) or _is_torn_from(log, log.rows[len(found)][0])
        assert _found(folder) == found
        return
    assert log.damaged != log.files
    assert damaged in log.damaged


def _found(folder: Path) -> list[tuple[int, bytes, bytes]]:
    return [(rows.sequence, rows.good, rows.quarantined) for rows, _ in recover(folder).undone()]


def _is_torn_from(log: _Log, lost: int) -> bool:
    """Whether nothing is left of what was synced after the first lost record."""
    left = [data for sequence, data in log.records.items() if sequence > lost]
    return not any(record in data for record in left for data in log.damaged.values())
