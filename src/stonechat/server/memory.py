"""How a process handles its memory once it serves: what the start has made stays, and what requests free is kept."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

#: Parameters of mallopt(3), in glibc's numbers.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 128 * 1024 * 1024
_LARGEST_REUSED: Final = 32 * 1024 * 1024
#: Of madvise(2), since Linux 6.1.
_MADV_COLLAPSE: Final = 25
_PAGE: Final = 4096
_LARGE_PAGE: Final = 2 * 1024 * 1024
_MOSTLY: Final = 0.75


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


def use_large_pages() -> None:
    """Put what is in memory now into pages of 2 MB, wherever most of one is in use; done where Linux can.

    After each query the processor has to find every page that a request needs anew, of which there are fewer then.
    It takes a tenth of a second, and any thread may do it.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    madvise, mincore = libc.madvise, libc.mincore
    there = (ctypes.c_ubyte * (_LARGE_PAGE // _PAGE))()
    for first, end in _own_memory():
        for address in range(-(-first // _LARGE_PAGE) * _LARGE_PAGE, end - _LARGE_PAGE + 1, _LARGE_PAGE):
            place, size = ctypes.c_void_p(address), ctypes.c_size_t(_LARGE_PAGE)
            if mincore(place, size, there) == 0 and sum(there) >= _MOSTLY * len(there):
                madvise(place, size, _MADV_COLLAPSE)


def _own_memory() -> Iterator[tuple[int, int]]:
    """The ranges of addresses, first and end, that are of no file and may be written."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        addresses, rights, _offset, _device, inode, *_ = line.split()
        if rights.startswith("rw") and inode == "0":
            first, _, end = addresses.partition("-")
            yield int(first, 16), int(end, 16)
