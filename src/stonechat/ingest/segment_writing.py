"""How the bytes of a group get into a segment: through the page cache, or past it where a group is large.

A page of the cache is taken from the kernel, in a virtual machine perhaps from its host, filled, written and never
read: that can cost as much CPU as checking the rows in it. Direct writes (O_DIRECT) hand the disk the program's own
memory instead. They take whole pages only, of memory and of the file, so the first and the last part of a group, which
share their pages with other groups, go through the cache. No page gets both within a group, and the kernel drops what
the cache holds of pages that are written directly. The file is the same byte for byte.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections.abc import Iterator, Sequence
from typing import Final

DIRECT_BYTES: Final = 256 * 1024
"""Groups of this size on are written directly: smaller ones take longer so than through the cache."""
_WINDOW_BYTES: Final = 2 * 1024 * 1024
_PAGE: Final = mmap.PAGESIZE
_DIRECT: Final[int] = getattr(os, "O_DIRECT", 0)  # Linux alone has it
_REFUSALS: Final = (errno.EINVAL, errno.EOPNOTSUPP)
_LARGE_PIECE: Final = 64 * 1024
_LARGE_COPY: Final = 4 * 1024


def write_pieces(descriptor: int, pieces: Sequence[bytes], offset: int) -> None:
    """Write the pieces one after the other through the page cache: small ones joined, large ones without a copy."""
    for piece in _joined(pieces, _LARGE_PIECE):
        offset = _write_all(descriptor, memoryview(piece), offset)


class GroupWriter:
    """Writes groups of records into the segments of a folder. One thread's own.

    `direct`: whether large groups are written past the page cache; no more once the file system has refused that.
    """

    def __init__(self) -> None:
        self.direct = bool(_DIRECT)
        # Its pages are taken when they are first written to, so a log without large groups has none.
        self._window = memoryview(mmap.mmap(-1, _WINDOW_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))

    def write(self, descriptor: int, pieces: Sequence[bytes], offset: int, *, synced: bool) -> None:
        """Write a group at an offset of a file that ends there. `synced`: it is about to be synced.

        What is not synced stays in the cache, where the sender need not wait for the disk. Raises OSError.
        """
        if synced and self.direct and sum(map(len, pieces)) >= DIRECT_BYTES:
            self._write_large(descriptor, pieces, offset)
        else:
            write_pieces(descriptor, pieces, offset)

    def _write_large(self, descriptor: int, pieces: Sequence[bytes], offset: int) -> None:
        """Copy the pieces into the window, and write it whenever it is full: memory and file begin on a page there."""
        start = end = offset % _PAGE
        window_offset = offset - start
        for piece in _joined(pieces, _LARGE_COPY):
            rest = memoryview(piece)
            while rest:
                copied = min(len(rest), _WINDOW_BYTES - end)
                self._window[end : end + copied] = rest[:copied]
                rest, end = rest[copied:], end + copied
                if end == _WINDOW_BYTES:
                    self._write_window(descriptor, self._window[start:end], window_offset + start)
                    window_offset += end
                    start = end = 0
        self._write_window(descriptor, self._window[start:end], window_offset + start)

    def _write_window(self, descriptor: int, data: memoryview, offset: int) -> None:
        """Write in the order of the file, so that a process that is killed leaves a group without its end."""
        head = min(-offset % _PAGE, len(data))
        tail = head + (len(data) - head) // _PAGE * _PAGE
        offset = _write_all(descriptor, data[:head], offset)
        offset = self._write_pages(descriptor, data[head:tail], offset)
        _write_all(descriptor, data[tail:], offset)

    def _write_pages(self, descriptor: int, data: memoryview, offset: int) -> int:
        """Write whole pages directly, and through the cache what that has left: all of it if it is refused."""
        written = 0
        if data and self.direct:
            try:
                written = _write_directly(descriptor, data, offset)
            except OSError as error:
                if error.errno not in _REFUSALS:
                    raise
                self.direct = False
        return _write_all(descriptor, data[written:], offset + written)


def _joined(pieces: Sequence[bytes], large: int) -> Iterator[bytes]:
    """The pieces, those in a row that are smaller than `large` as one."""
    small: list[bytes] = []
    for piece in pieces:
        if len(piece) < large:
            small.append(piece)
            continue
        yield b"".join(small)
        yield piece
        small.clear()
    yield b"".join(small)


def _write_directly(descriptor: int, data: memoryview, offset: int) -> int:
    # One descriptor for both ways, so that it is one file in any case, and its errors are told by one sync.
    fcntl.fcntl(descriptor, fcntl.F_SETFL, _DIRECT)
    try:
        return os.pwrite(descriptor, data, offset)
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, 0)


def _write_all(descriptor: int, data: memoryview, offset: int) -> int:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written
    return offset
