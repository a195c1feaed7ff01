"""Answers compressed as the caller asks."""

from __future__ import annotations

import asyncio
import re
import zlib

import zstandard

_SMALLEST = 1024
_INLINE = 64 * 1024
_WEIGHT = re.compile(r"q\s*=\s*([01](?:\.\d{0,3})?)")
_GZIP = 31  # zlib's window of 2^15 with a gzip header


def chosen_encoding(accepted: str) -> str | None:
    """That of zstd and gzip which an `Accept-Encoding` value prefers, zstd of equals; None if it takes neither."""
    weights: dict[str, float] = {}
    for item in accepted.lower().split(","):
        name, _, parameters = item.strip().partition(";")
        weights[name.strip()] = _weight(parameters) if parameters else 1.0
    zstd, gzip = weights.get("zstd", 0.0), weights.get("gzip", 0.0)
    if not zstd and not gzip:
        return None
    return "zstd" if zstd >= gzip else "gzip"


def _weight(parameters: str) -> float:
    found = _WEIGHT.fullmatch(parameters.strip())
    return float(found[1]) if found else 1.0


async def encoded(data: bytes, chosen: str | None) -> tuple[bytes, str | None]:
    """`data` in an encoding that the caller accepts, with the encoding's name; small answers stay as they are."""
    soon, encoding = encoded_soon(data, chosen)
    if soon is None and encoding is not None:
        return await asyncio.to_thread(_compressed, data, encoding), encoding
    return soon or b"", encoding


def encoded_soon(data: bytes, encoding: str | None) -> tuple[bytes | None, str | None]:
    """The same, but None instead of data that take long."""
    if encoding is None or len(data) < _SMALLEST:
        return data, None
    return _compressed(data, encoding) if len(data) <= _INLINE else None, encoding


def _compressed(data: bytes, encoding: str) -> bytes:
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=1).compress(data)
    compressor = zlib.compressobj(level=1, wbits=_GZIP)
    return compressor.compress(data) + compressor.flush()
