"""Bodies are decompressed within the limit that holds for plain ones, whatever the sender claims."""

from __future__ import annotations

import gzip
import select
import socket
import zlib

import pytest
import zstandard
from tests.conftest import NO_TELEMETRY, RunningServer, StartServer
from tests.waiting import until

from stonechat.http.bodies import BodyTooLarge, InvalidEncoding, decompressed

_TEXT = b'{"a": 1}\n' * 1000
_LIMIT = len(_TEXT)


def _zstd_without_size(data: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor().compressobj()
    return compressor.compress(data) + compressor.flush()


_PLAIN = [pytest.param("identity", _TEXT, id="identity"), pytest.param("", _TEXT, id="none")]
_PACKED = [
    pytest.param("gzip", gzip.compress(_TEXT), id="gzip"),
    pytest.param("gzip", gzip.compress(_TEXT[:100]) + gzip.compress(_TEXT[100:]), id="gzip-of-two-members"),
    pytest.param("deflate", zlib.compress(_TEXT), id="deflate"),
    pytest.param("zstd", zstandard.compress(_TEXT), id="zstd"),
    pytest.param("zstd", _zstd_without_size(_TEXT), id="zstd-without-size"),
    pytest.param("zstd", zstandard.compress(_TEXT[:100]) + zstandard.compress(_TEXT[100:]), id="zstd-of-two-frames"),
]


@pytest.mark.parametrize(("encoding", "body"), [*_PLAIN, *_PACKED])
def test_every_encoding_gives_the_text_back(encoding: str, body: bytes) -> None:
    assert decompressed(body, encoding, _LIMIT) == _TEXT


@pytest.mark.parametrize(("encoding", "body"), _PACKED)
def test_a_body_one_byte_over_the_limit_is_refused(encoding: str, body: bytes) -> None:
    with pytest.raises(BodyTooLarge, match=f"larger than {_LIMIT - 1} bytes"):
        decompressed(body, encoding, _LIMIT - 1)


@pytest.mark.parametrize(("encoding", "body"), _PACKED)
def test_a_body_cut_short_is_refused(encoding: str, body: bytes) -> None:
    with pytest.raises(InvalidEncoding):
        decompressed(body[:-5], encoding, _LIMIT)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_in_another_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(InvalidEncoding, match=f"not valid {encoding}"):
        decompressed(_TEXT, encoding, _LIMIT)


def test_an_unknown_encoding_is_refused_by_name() -> None:
    with pytest.raises(InvalidEncoding, match="'br'"):
        decompressed(_TEXT, "br", _LIMIT)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_refused_early(encoding: str) -> None:
    zeros = bytes(50_000_000)
    bomb = gzip.compress(zeros) if encoding == "gzip" else zstandard.compress(zeros)
    with pytest.raises(BodyTooLarge):
        decompressed(bomb, encoding, 1_000_000)


@pytest.mark.parametrize(
    ("encoding", "empty"), [("gzip", gzip.compress(b"")), ("zstd", zstandard.compress(b""))], ids=["gzip", "zstd"]
)
def test_a_body_of_many_empty_parts_is_read_and_one_of_too_many_refused(encoding: str, empty: bytes) -> None:
    assert decompressed(empty * 100_000, encoding, _LIMIT) == b""
    with pytest.raises(InvalidEncoding, match="more than 100000 parts"):
        decompressed(empty * 1_000_000, encoding, _LIMIT)


def test_large_bodies_under_way_are_bounded_together(start_server: StartServer) -> None:
    server = start_server(STONECHAT_MAX_BODIES_BYTES="3000000", **NO_TELEMETRY)
    assert server.deploy({"t.datasource": "SCHEMA >\n    a String `json:$.a`\n"}).status_code == 200
    row = b'{"a": "%b"}\n' % (b"x" * 990)
    large, small, packed = row * 2_000, row, gzip.compress(row * 4_000)

    def is_full() -> bool:
        """Whether there is no room beside a body that is under way; it may itself come too late for the room."""
        with _half_sent(server, large) as under_way:
            while not select.select([under_way], [], [], 0)[0]:
                if _sent(server, large) == (503, "SC922"):
                    return _sent(server, small) == (202, None)
        return False

    until(is_full)
    until(lambda: _sent(server, large) == (202, None))
    refused = server.send(packed, name="t", wait=False, headers={"Content-Encoding": "gzip"})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert _sent(server, large) == (202, None)


def _half_sent(server: RunningServer, body: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port))
    head = f"POST /v0/events?name=t&token={server.token} HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def _sent(server: RunningServer, body: bytes) -> tuple[int, str | None]:
    answer = server.send(body, name="t", wait=False)
    return answer.status_code, answer.json().get("code")
