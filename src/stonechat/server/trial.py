"""An engine without a server, to try a project out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import Engine
from stonechat.settings import Settings


@contextmanager
def throwaway_engine() -> Iterator[Engine]:
    """An engine over an empty folder, both gone at the end."""
    with tempfile.TemporaryDirectory(prefix="stonechat-") as folder:
        memory = Settings().engine_memory_bytes
        engine = ChdbEngine(Path(folder) / "engine", server_memory_bytes=memory, reader_connections=1)
        with closing(engine):
            yield engine
