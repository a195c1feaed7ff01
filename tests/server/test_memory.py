"""Memory of a process that serves: large pages hold what small ones held."""

from __future__ import annotations

import mmap
import random
import sys
from pathlib import Path

import pytest

from stonechat.server.memory import use_large_pages

_SIZE = 16 * 1024 * 1024
_LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage")


def _large_bytes() -> int:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("AnonHugePages:"):
            return int(line.split()[1]) * 1024
    return 0


@pytest.mark.skipif(sys.platform != "linux", reason="it is done on Linux alone")
def test_what_is_in_use_moves_into_large_pages_and_stays_as_it_is() -> None:
    data = random.Random(1).randbytes(_SIZE)
    before = _large_bytes()
    with mmap.mmap(-1, _SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.write(data)
        use_large_pages()
        assert memory[:] == data
        if _LARGE_PAGES.exists() and tuple(map(int, _kernel().split(".")[:2])) >= (6, 1):
            assert _large_bytes() >= before + _SIZE // 2


def test_memory_that_goes_meanwhile_does_no_harm() -> None:
    for _ in range(3):
        memory = mmap.mmap(-1, _SIZE)
        memory.write(b"x" * _SIZE)
        memory.close()
        use_large_pages()


def _kernel() -> str:
    return Path("/proc/sys/kernel/osrelease").read_text()
