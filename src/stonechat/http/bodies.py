"""Request bodies: read within a limit, decompressed within the same limit."""

from __future__ import annotations

import asyncio
import zlib

import zstandard
from starlette.requests import ClientDisconnect, Request

from stonechat.errors import Kind, StonechatError
from stonechat.http.headers import header

_LARGEST_INLINE = 4096
"""Bytes that are decompressed on the event loop: larger ones would hold up everybody else."""
_ZSTD_PIECE = 1024
"""Bytes handed to the decompressor at once: so many grow to 32 MB at most, whatever a bomb does."""


class BodyTooLarge(StonechatError):
    """The body, as sent or after decompression, is over the limit."""

    code = "SC920"
    kind = Kind.TOO_LARGE


class InvalidEncoding(StonechatError):
    """The body is not what its Content-Encoding says, or the encoding is unknown."""

    code = "SC921"
    kind = Kind.INVALID


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, without its Content-Encoding (gzip, deflate, zstd or none); at most `limit` bytes."""
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
        chunks.append(chunk)
    encoding = (header(request.scope, b"content-encoding") or "identity").strip().lower()
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if encoding == "identity" or size <= _LARGEST_INLINE:
        return decompressed(body, encoding, limit)
    return await asyncio.to_thread(decompressed, body, encoding, limit)


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """`body` without its encoding. Never holds more than `limit` bytes of output, whatever the input claims."""
    match encoding:
        case "identity" | "":
            return body
        case "gzip" | "x-gzip" | "deflate":
            return _inflated(body, limit)
        case "zstd":
            return _unzstd(body, limit)
        case _:
            raise InvalidEncoding(f"Unsupported Content-Encoding '{encoding}'", hint="Use gzip, zstd or none.")


def _inflated(body: bytes, limit: int) -> bytes:
    output = bytearray()
    rest = body
    try:
        while rest:
            # 32 + 15: zlib looks for a gzip or zlib header itself; gzip files may hold several members in a row.
            inflater = zlib.decompressobj(32 + 15)
            output += inflater.decompress(rest, limit - len(output) + 1)
            if len(output) > limit:
                raise _too_large(limit)
            if not inflater.eof:
                raise InvalidEncoding("The compressed body ends too early")
            rest = inflater.unused_data
    except zlib.error as error:
        raise InvalidEncoding(f"The body is not valid gzip: {error}") from error
    return bytes(output)


def _unzstd(body: bytes, limit: int) -> bytes:
    output = bytearray()
    rest = body
    try:
        while rest:
            decoder = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
            for start in range(0, len(rest), _ZSTD_PIECE):
                output += decoder.decompress(rest[start : start + _ZSTD_PIECE])
                if len(output) > limit:
                    raise _too_large(limit)
                if decoder.eof:
                    break
            if not decoder.eof:
                raise InvalidEncoding("The compressed body ends too early")
            rest = decoder.unused_data + rest[start + _ZSTD_PIECE :]
    except zstandard.ZstdError as error:
        raise InvalidEncoding(f"The body is not valid zstd: {error}") from error
    return bytes(output)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The request body is larger than {limit} bytes", hint="Send it in several requests, or raise max_body_bytes."
    )
