"""Ownership of a data folder: one process at a time.

The engine holds a lock of its own, but says "Error initializing EmbeddedServer" when it meets another's. This one is
taken first, so that the error names the process that is in the way.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from stonechat.engine.contract import DataFolderLocked

LOCK_FILE = "stonechat.lock"


class FolderLock:
    """An exclusive lock on a folder, held until `release` or the end of the process, even by SIGKILL.

    The file stays behind on purpose: removing it would let two processes lock two files of one name.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            raise DataFolderLocked(
                f"The data folder {folder} is in use by the process {owner}.",
                hint="One process owns a data folder: stop the other one, or choose another folder.",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let another process have the folder. Harmless when it was released already."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
