"""Has the operating system write the engine's tokens to the disk before the rows that they stand for are in place.

ClickHouse syncs the parts of a table, where settings say so, never its deduplication log. After a power loss a part
may be there whose token is not, and the replay of its block would double it. So these logs get the attribute that
`chattr +S` sets, with which each write is synced: a token is written before its part is moved into place.
"""

from __future__ import annotations

import array
import fcntl
import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_GET_FLAGS: Final = 0x80086601
_SET_FLAGS: Final = 0x40086602
_SYNC: Final = 0x8
_SETTLED_NANOSECONDS: Final = 1_000_000_000
"""Folders that changed later may change again without another time of change."""


class TokenLogs:
    """The deduplication logs of all tables of a data folder. Any thread may call."""

    def __init__(self, folder: Path) -> None:
        self._store = folder / "store"
        self._known: dict[str, int] = {}
        self._synced: set[str] = set()
        self._lock = threading.Lock()
        self._expected = True

    def expect_new(self) -> None:
        """There is a new table. Looking for its log takes as long as making it, and many never get a row."""
        with self._lock:
            self._expected = True

    def sync_new(self) -> None:
        """Before rows are written: have the logs of tables that are new synced, with all that is in them by now."""
        with self._lock:
            if not (self._expected and self._store.is_dir()):
                return
            for entry in os.scandir(self._store):
                with suppress(FileNotFoundError):  # its last table may have been dropped meanwhile
                    changed = entry.stat().st_mtime_ns
                    if self._known.get(entry.name) != changed:
                        for table in os.scandir(entry.path):
                            self._sync(table.path)
                        if changed < time.time_ns() - _SETTLED_NANOSECONDS:
                            self._known[entry.name] = changed
            self._expected = False

    def _sync(self, table: str) -> None:
        if table in self._synced:  # names of these folders are never used again
            return
        logs = Path(table, "deduplication_logs")
        # The table may have been dropped meanwhile; where files have no such attribute, `sync_refusal` says so.
        with suppress(OSError):
            if not is_synced(logs):
                for path in (*logs.glob("deduplication_log_*.txt"), logs):
                    _set_synced(path)
            self._synced.add(table)


def sync_refusal(folder: Path) -> str | None:
    """Why files in a folder cannot have each write synced; None where they can."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            _set_synced(Path(file.name))
    except OSError as error:
        return str(error)
    return None


def is_synced(path: Path) -> bool:
    """Whether each write to a file is synced. Raises `OSError` where files have no such attribute."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return bool(_flags(descriptor)[0] & _SYNC)
    finally:
        os.close(descriptor)


def _set_synced(path: Path) -> None:
    """Set the attribute, and sync what was written without it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        flags = _flags(descriptor)
        flags[0] |= _SYNC
        fcntl.ioctl(descriptor, _SET_FLAGS, flags)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flags(descriptor: int) -> array.array[int]:
    """The attributes of a file. Raises `OSError` where its file system, or this operating system, has none."""
    flags = array.array("l", [0])
    fcntl.ioctl(descriptor, _GET_FLAGS, flags)
    return flags
