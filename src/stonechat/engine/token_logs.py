"""Has the operating system write the engine's tokens to the disk before the rows that they stand for are in place.

ClickHouse syncs the parts of a table, where settings say so, never its deduplication log. After a power loss a part
may be there whose token is not, and the replay of its block would double it. So these logs get the attribute that
`chattr +S` sets, with which each write is synced: a token is written before its part is moved into place.
"""

from __future__ import annotations

import array
import fcntl
import os
import threading
import time
from pathlib import Path
from typing import Final

import structlog

_log = structlog.get_logger(__name__)

_GET_FLAGS: Final = 0x80086601
_SET_FLAGS: Final = 0x40086602
_SYNC: Final = 0x8
_SETTLED_NANOSECONDS: Final = 1_000_000_000
"""Folders that changed later may change again without another time of change."""


class TokenLogs:
    """The deduplication logs of all tables of a data folder."""

    def __init__(self, folder: Path) -> None:
        self._store = folder / "store"
        self._known: dict[str, int] = {}
        self._lock = threading.Lock()
        self._warned = False

    def sync_new(self) -> None:
        """Have the logs of tables that are new since the last call synced, with all that is in them by now."""
        with self._lock:
            if not self._store.is_dir():
                return
            for entry in os.scandir(self._store):
                changed = entry.stat().st_mtime_ns
                if self._known.get(entry.name) != changed:
                    for logs in Path(entry.path).glob("*/deduplication_logs"):
                        self._sync(logs)
                    if changed < time.time_ns() - _SETTLED_NANOSECONDS:
                        self._known[entry.name] = changed

    def _sync(self, logs: Path) -> None:
        try:
            if not is_synced(logs):
                for path in (*logs.glob("deduplication_log_*.txt"), logs):
                    _set_synced(path)
        except FileNotFoundError:
            pass  # the table was dropped meanwhile
        except OSError as error:
            if not self._warned:
                _log.warning("a power loss may double rows: tokens are not synced here", reason=str(error))
            self._warned = True


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
