"""One engine for all tests of a process: chDB opens one data folder per process."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from stonechat.engine.chdb import ChdbEngine


@functools.cache
def shared_engine() -> ChdbEngine:
    """An engine over a throw-away folder, closed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="stonechat-engine-"))
    engine = ChdbEngine(folder, server_memory_bytes=2_000_000_000, reader_connections=4, wait_seconds=30.0)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(engine.close)
    return engine
