"""Memory of a process that serves: large pages hold what small ones held."""

from __future__ import annotations

import ctypes
import mmap
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stonechat.server import memory
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
    with mmap.mmap(-1, _SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.write(data)
        use_large_pages()
        assert held[:] == data
        if _LARGE_PAGES.exists() and tuple(map(int, _kernel().split(".")[:2])) >= (6, 1):
            assert _large_bytes() >= before + _SIZE // 2


@pytest.mark.skipif(sys.platform != "linux", reason="it is done on Linux alone")
def test_memory_that_has_gone_since_it_was_listed_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, gone = mmap.mmap(-1, _SIZE), mmap.mmap(-1, _SIZE)
    data = random.Random(2).randbytes(_SIZE)
    kept.write(data)
    places = [ctypes.addressof(ctypes.c_char.from_buffer(each)) for each in (gone, kept)]
    gone.close()
    looked_at: list[int] = []

    def listed() -> Iterator[tuple[int, int]]:
        for place in places:
            looked_at.append(place)
            yield place, place + _SIZE

    monkeypatch.setattr(memory, "_own_memory", listed)
    use_large_pages()
    assert looked_at == places, "it went on behind what had gone"
    assert kept[:] == data
    kept.close()


def _kernel() -> str:
    return Path("/proc/sys/kernel/osrelease").read_text()
