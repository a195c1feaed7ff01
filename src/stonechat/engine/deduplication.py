"""Makes the engine forget the tokens of parts that a kill kept from being committed.

ClickHouse notes a token before it moves the new part into place. A process that is killed in between leaves a token
whose rows are nowhere, and the replay of the block would be taken for a repetition and dropped. A part that is in place
has a folder, its own or that of a part it was merged into; before the engine starts after such a kill nothing can have
been merged across the gap. So tokens without a folder are struck from the log, before the engine reads it.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)

_PART = re.compile(r"(?!tmp_|delete_tmp_)(?P<partition>.+?)_(?P<first>\d+)_(?P<last>\d+)_\d+(?:_\d+)?")
_RECORD = re.compile(r"(?P<operation>\d)\t(?P<name>[^\t\n]+)\t[^\t\n]+\n")
_ADD = "1"


def forget_lost_parts(folder: Path) -> int:
    """Strike the tokens of parts that are not there from the logs of all tables of a data folder; returns how many.

    The caller owns the folder, and the engine has not opened it yet.
    """
    forgotten = 0
    for logs in folder.glob("store/*/*/deduplication_logs"):
        present = _ranges(entry.name for entry in os.scandir(logs.parent))
        for log in logs.glob("deduplication_log_*.txt"):
            forgotten += _strike(log, present)
    return forgotten


def _ranges(names: Iterable[str]) -> dict[str, list[tuple[int, int]]]:
    """The block numbers that parts in place cover, by partition."""
    ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for name in names:
        part = _PART.fullmatch(name)
        if part is not None:
            ranges[part["partition"]].append((int(part["first"]), int(part["last"])))
    return ranges


def _strike(log: Path, present: dict[str, list[tuple[int, int]]]) -> int:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = list(_kept(lines, present))
    if kept != lines:
        _log.warning("forgot tokens of parts that were never committed", file=str(log), tokens=len(lines) - len(kept))
        replacement = log.with_suffix(".new")
        with replacement.open("w", encoding="utf-8") as file:
            file.writelines(kept)
            file.flush()
            os.fsync(file.fileno())
        replacement.replace(log)
    return len(lines) - len(kept)


def _kept(lines: Sequence[str], present: dict[str, list[tuple[int, int]]]) -> Iterator[str]:
    for written in lines:
        line = written.lstrip("\0")  # room for what a power loss took, where the file system does not sync single files
        record = _RECORD.fullmatch(line)
        if record is None:
            continue
        part = _PART.fullmatch(record["name"])
        if record["operation"] == _ADD and part is not None:
            number = int(part["first"])
            if not any(first <= number <= last for first, last in present.get(part["partition"], ())):
                continue
        yield line
