"""Request bodies: read within a limit, decompressed within the same limit."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import Protocol

import zstandard
from starlette.requests import ClientDisconnect, Request
from starlette.types import Scope

from stonechat.errors import Kind, StonechatError
from stonechat.http.headers import header

BODY_ROOM = "stonechat.body_room"
"""The key in a request's scope of its server's `BodyRoom`."""
_TAKEN = "stonechat.body_room_taken"
_UNCOUNTED = 1_000_000
_LARGEST_INLINE = 4096
"""Bytes that are decompressed on the event loop: larger ones would hold up everybody else."""
_ZLIB_PIECE = 16 * 1024
_ZSTD_PIECE = 1024
"""Bytes handed to a decompressor at once: so many grow to 16 and 32 MB at most, whatever a bomb does."""
_MOST_MEMBERS = 100_000


class BodyTooLarge(StonechatError):
    """The body, as sent or after decompression, is over the limit."""

    code = "SC920"
    kind = Kind.TOO_LARGE


class InvalidEncoding(StonechatError):
    """The body is not what its Content-Encoding says, or the encoding is unknown."""

    code = "SC921"
    kind = Kind.INVALID


class TooManyBodies(StonechatError):
    """The large bodies that are under way take all the memory that they may."""

    code = "SC922"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(
            "Too many large request bodies are under way",
            hint="Try again in a moment, send smaller ones, or raise max_bodies_bytes.",
        )


class BodyRoom:
    """The memory of bodies of more than a megabyte, each until its request is answered. One event loop's own."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._taken = 0

    def take(self, scope: Scope, size: int) -> None:
        """Have a request hold so many bytes in all. Raises `TooManyBodies`."""
        more = size - scope.get(_TAKEN, 0)
        if size <= _UNCOUNTED or more <= 0:
            return
        if self._taken + more > self._most_bytes:
            raise TooManyBodies
        self._taken += more
        scope[_TAKEN] = size

    def give_back(self, scope: Scope) -> None:
        """Take it that a request holds nothing more."""
        self._taken -= scope.pop(_TAKEN, 0)


_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def text_of(body: bytes) -> bytes:
    """The body, if it can be text, without a mark of its byte order. Raises `InvalidEncoding` for compressed ones."""
    if body.startswith(_COMPRESSED):
        raise InvalidEncoding(
            "The body is compressed, and no Content-Encoding says so", hint="Send Content-Encoding: gzip, or zstd."
        )
    return body.removeprefix(_BYTE_ORDER_MARK)


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, without its Content-Encoding (gzip, deflate, zstd or none); at most `limit` bytes.

    Raises `BodyTooLarge`, `TooManyBodies` or `InvalidEncoding`.
    """
    room: BodyRoom = request.scope[BODY_ROOM]
    length = header(request.scope, b"content-length") or ""
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        room.take(request.scope, size)
        chunks.append(chunk)
    encoding = (header(request.scope, b"content-encoding") or "identity").strip().lower()
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if encoding == "identity" or size <= _LARGEST_INLINE:
        return decompressed(body, encoding, limit)
    content = await asyncio.to_thread(decompressed, body, encoding, limit)
    room.take(request.scope, len(content))
    return content


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """`body` without its encoding. Never holds more than `limit` bytes of output, whatever the input claims."""
    match encoding:
        case "identity" | "":
            return body
        case "gzip" | "x-gzip" | "deflate":
            # 32 + 15: zlib looks for a gzip or zlib header itself.
            return _joined(body, limit, "gzip", lambda: zlib.decompressobj(32 + 15), _ZLIB_PIECE)
        case "zstd":
            decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
            return _joined(body, limit, "zstd", decompressor.decompressobj, _ZSTD_PIECE)
        case _:
            raise InvalidEncoding(f"Unsupported Content-Encoding '{encoding}'", hint="Use gzip, zstd or none.")


class _Decoder(Protocol):
    """Takes one of the members apart that follow each other in a body. It is fed until `eof`."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def _joined(body: bytes, limit: int, name: str, new: Callable[[], _Decoder], size: int) -> bytes:
    """The content of all members, read in pieces of `size`: behind one may be a hundred thousand others."""
    output = bytearray()
    place = members = 0
    try:
        while place < len(body):
            members += 1
            if members > _MOST_MEMBERS:
                raise InvalidEncoding(f"The compressed body has more than {_MOST_MEMBERS} parts")
            decoder = new()
            while not decoder.eof:
                piece = body[place : place + size]
                if not piece:
                    raise InvalidEncoding("The compressed body ends too early")
                output += decoder.decompress(piece)
                place += len(piece)
                if len(output) > limit:
                    raise _too_large(limit)
            place -= len(decoder.unused_data)
    except (zlib.error, zstandard.ZstdError) as error:
        raise InvalidEncoding(f"The body is not valid {name}: {error}") from error
    return bytes(output)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The request body is larger than {limit} bytes", hint="Send it in several requests, or raise max_body_bytes."
    )
