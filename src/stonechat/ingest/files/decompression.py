"""Compressed files as plain ones, read piece by piece and within limits."""

from __future__ import annotations

import io
import zlib
from typing import Any, BinaryIO

import zstandard

from stonechat.ingest.files.batches import FileTooLarge, UnreadableFile

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_NOT_TAKEN = {b"PK\x03\x04": "a ZIP archive", b"\xfd7zX": "compressed with xz"}
_PIECE = 1024
"""Bytes handed to a decompressor at once: of zstd, so many grow to 32 MB at most."""
_LARGEST_RATIO = 400
_ALWAYS_ALLOWED = 64_000_000
_FAILURES = (zlib.error, zstandard.ZstdError)


def plain(file: BinaryIO, limit: int) -> BinaryIO:
    """The file without its compression, which its first bytes tell: gzip, zstd or none.

    Raises `UnreadableFile` for other compressions. Reading raises `FileTooLarge` beyond `limit` bytes, or where
    a file grows far beyond its size as only bombs do; and `UnreadableFile` where the compression is damaged or ends too
    early.
    """
    begin = file.read(len(_ZSTD))
    file.seek(0)
    if begin in _NOT_TAKEN:
        raise UnreadableFile(f"The file is {_NOT_TAKEN[begin]}", hint="Send what is in it, or compress it with gzip.")
    if begin.startswith(_GZIP):
        return io.BufferedReader(_Plain(file, limit, _gzip))
    if begin.startswith(_ZSTD):
        return io.BufferedReader(_Plain(file, limit, _zstd))
    return io.BufferedReader(_Plain(file, limit, None))


def is_compressed(file: BinaryIO) -> bool:
    """Whether a file begins as compressed ones do. Its position stays at the beginning."""
    begin = file.read(len(_ZSTD))
    file.seek(0)
    return begin.startswith((_GZIP, _ZSTD))


class _Plain(io.RawIOBase):
    """The output of a decompressor that is made anew for each member of the file."""

    def __init__(self, file: BinaryIO, limit: int, decompressor: Any) -> None:
        self._file = file
        self._limit = limit
        self._new = decompressor
        self._decompressor: Any = None
        self._rest = b""
        self._output = memoryview(b"")
        self._taken = 0
        self._given = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes; 0 at the end."""
        if self._new is None:
            size = self._file.readinto(buffer)  # type: ignore[attr-defined]  # every binary file has it
            self._count(size)
            return int(size)
        while not self._output:
            if not self._fill():
                return 0
        size = min(len(buffer), len(self._output))
        buffer[:size] = self._output[:size]
        self._output = self._output[size:]
        return size

    def _fill(self) -> bool:
        """Decompress the next piece; False at the end of the file."""
        piece = self._rest or self._file.read(_PIECE)
        self._rest = b""
        if not piece:
            if self._decompressor is not None:
                raise UnreadableFile("The compressed file ends too early")
            return False
        if self._decompressor is None:
            self._decompressor = self._new()
        try:
            output = self._decompressor.decompress(piece)
        except _FAILURES as error:
            raise UnreadableFile(f"The compressed file is damaged: {error}") from error
        self._taken += len(piece)
        if self._decompressor.eof:
            self._rest = self._decompressor.unused_data
            self._taken -= len(self._rest)
            self._decompressor = None
        self._count(len(output))
        self._output = memoryview(output)
        return True

    def _count(self, size: int) -> None:
        self._given += size
        if self._given > self._limit:
            raise FileTooLarge(f"The file has more than {self._limit} bytes", hint="Split it, or raise max_file_bytes.")
        if self._new is not None and self._given > max(_ALWAYS_ALLOWED, self._taken * _LARGEST_RATIO):
            raise FileTooLarge(f"The file decompresses to more than {_LARGEST_RATIO} times its size")


def _gzip() -> Any:
    return zlib.decompressobj(16 + 15)


def _zstd() -> Any:
    return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
