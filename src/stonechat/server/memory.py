"""How a process handles its memory once it serves: what the start has made stays, and what requests free is kept."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

#: Parameters of mallopt(3), in glibc's numbers.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 128 * 1024 * 1024
_LARGEST_REUSED: Final = 32 * 1024 * 1024


def prepare_memory_for_serving() -> None:
    """Collect garbage rarely, and keep what is freed. Call it once everything is there that stays."""
    _collect_garbage_rarely()
    _keep_freed_memory()


def _collect_garbage_rarely() -> None:
    """What the start has made stays for good, and requests leave no cycles: most collections would find nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def _keep_freed_memory() -> None:
    """Let bodies take the memory of earlier ones, up to 128 MB of it; done for glibc alone.

    Else each page is given back to the system and asked for again, which costs more than all else about receiving it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_REUSED)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
