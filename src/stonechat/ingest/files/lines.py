"""A file of lines, cut into pieces that end where lines end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from stonechat.ingest.files.batches import BATCH_BYTES

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def pieces(file: BinaryIO, longest_line: int, size: int = BATCH_BYTES) -> Iterator[bytes]:
    """Pieces of about `size` bytes. Of a line longer than `longest_line` bytes only its beginning comes, which is a
    piece of its own and one byte longer than allowed.
    """
    rest = file.read(size).removeprefix(_BYTE_ORDER_MARK)
    while rest:
        cut = rest.rfind(b"\n") + 1
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > longest_line:
            yield rest[: longest_line + 1]
            rest = _behind_line(file)
        chunk = file.read(size)
        if not chunk:
            break
        rest += chunk
    if rest:
        yield rest if len(rest) <= longest_line else rest[: longest_line + 1]


def _behind_line(file: BinaryIO) -> bytes:
    """What follows the end of a line that is passed over."""
    while chunk := file.read(1 << 20):
        _, newline, rest = chunk.partition(b"\n")
        if newline:
            return rest
    return b""
