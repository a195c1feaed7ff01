"""The caller's `Accept-Encoding` decides."""

from __future__ import annotations

import asyncio
import gzip

import pytest
import zstandard

from stonechat.http.encodings import chosen_encoding, encoded


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("gzip;q=0.5, zstd;q=0.5", "zstd"),
        ("gzip; q=0.2, zstd; q=0.25", "zstd"),
        ("zstd;q=0.000, gzip;q=0.001", "gzip"),
        ("gzip;q=nonsense", "gzip"),
        ("GZIP", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("gzip;q=0.0", None),
    ],
)
def test_the_best_accepted_encoding_is_chosen(accepted: str, encoding: str | None) -> None:
    assert chosen_encoding(accepted) == encoding


@pytest.mark.parametrize("size", [2_000, 500_000])
def test_answers_come_back_whole(size: int) -> None:
    data = b"ab" * (size // 2)
    packed, name = asyncio.run(encoded(data, "zstd"))
    assert (zstandard.ZstdDecompressor().decompress(packed), name) == (data, "zstd")
    packed, name = asyncio.run(encoded(data, "gzip"))
    assert (gzip.decompress(packed), name) == (data, "gzip")


def test_small_answers_stay_as_they_are() -> None:
    assert asyncio.run(encoded(b"small", "gzip")) == (b"small", None)
