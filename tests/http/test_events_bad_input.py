"""What no sender should send: each body gets a clear refusal or goes to the quarantine, and the server stays up."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from tests.conftest import RunningServer

_FILES = {
    "odd.datasource": (
        "SCHEMA >\n    `n` UInt32 `json:$.n`,\n    `text` String `json:$.text` DEFAULT '',\n"
        "    `tree` JSON `json:$.tree` DEFAULT '{}'\n\nENGINE_SORTING_KEY n\n"
    )
}
_MB = 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("odd") / "home"
    running = RunningServer(home, arguments=("serve",), environment={"STONECHAT_MAX_BODY_BYTES": str(50 * _MB)})
    response = running.deploy(_FILES)
    assert response.status_code == 200, response.text
    yield running
    assert running.stop() == 0


@pytest.fixture(autouse=True)
def goes_on(server: RunningServer) -> Iterator[None]:
    """After each test the server takes an event, and nothing was logged as unforeseen."""
    yield
    assert server.send('{"n":0}', name="odd").status_code == 200
    assert "unexpected error" not in server.log.read_text()


def _send(server: RunningServer, body: bytes | str, **arguments: Any) -> tuple[int, int]:
    answer = server.send(body, name="odd", **arguments)
    assert answer.status_code == 200, answer.text
    counted = answer.json()
    return counted["successful_rows"], counted["quarantined_rows"]


def _peak_bytes(server: RunningServer) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("body", [b"", b"\n", b"\n" * 1_000_000, b"\r\n" * 1000, b" \t\n \n", b"\x0b\x0c\n"])
def test_a_body_without_events_counts_none(server: RunningServer, body: bytes) -> None:
    assert _send(server, body) == (0, 0)


def test_a_line_of_a_gigabyte_is_refused_without_being_held(server: RunningServer) -> None:
    _send(server, b'{"n":1,"text":"' + b"x" * 9 * _MB + b'"}')  # what one large body costs is part of the measure
    before, chunk = _peak_bytes(server), b"x" * _MB
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        head = f"POST /v0/events?name=odd HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        sent = 0
        try:
            while sent < 1000 * _MB:
                connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                sent += len(chunk)
        except OSError:
            pass  # it has answered, and reads no further
        answer = connection.recv(4096) if sent == 1000 * _MB else b""
    assert sent < 1000 * _MB or answer.startswith(b"HTTP/1.1 413")
    assert _peak_bytes(server) - before < 200 * _MB


def test_a_line_over_the_limit_of_rows_is_quarantined_with_its_beginning(server: RunningServer) -> None:
    long = b'{"n":11,"text":"' + b"x" * 20 * _MB + b'"}'
    assert _send(server, b'{"n":10}\n' + long + b'\n{"n":12}') == (2, 1)
    (row,) = server.sql("SELECT c__error, length(c__raw) AS size FROM odd_quarantine WHERE length(c__raw) > 50000")
    assert row["c__error"] == ["the row is longer than 10485760 bytes; only its beginning is kept"]
    assert row["size"] == 65_536


def test_two_hundred_levels_are_kept_as_text_and_as_what_they_are(server: RunningServer) -> None:
    deep = "[" * 200 + "1" + "]" * 200
    assert _send(server, f'{{"n":20,"text":{deep}}}\n{{"n":21,"unknown":{deep}}}') == (2, 0)
    assert server.value("SELECT text FROM odd WHERE n = 20") == deep


def test_two_hundred_levels_in_a_json_column_end_in_the_table_or_the_quarantine(server: RunningServer) -> None:
    deep = '{"x":' * 200 + "1" + "}" * 200
    good, bad = _send(server, f'{{"n":30,"tree":{deep}}}\n{{"n":31,"tree":{{"x":1}}}}')
    assert good + bad == 2
    assert server.value("SELECT count() FROM odd WHERE n = 31") == 1
    quarantined = server.value("SELECT count() FROM odd_quarantine WHERE position(c__raw, '\"n\":30') > 0")
    assert server.value("SELECT count() FROM odd WHERE n = 30") + quarantined == 1


def test_a_hundred_thousand_levels_go_to_the_quarantine(server: RunningServer) -> None:
    assert _send(server, b'{"n":40,"text":' + b"[" * 100_000 + b"]" * 100_000 + b'}\n{"n":41}') == (1, 1)


def test_of_a_key_that_comes_twice_the_last_value_counts(server: RunningServer) -> None:
    assert _send(server, '{"n":50,"n":51,"text":"a","text":"b"}') == (1, 0)
    assert server.sql("SELECT n, text FROM odd WHERE n IN (50, 51)") == [{"n": 51, "text": "b"}]


def test_a_nul_in_a_string_is_kept_and_a_bare_one_breaks_its_line_alone(server: RunningServer) -> None:
    lines = [b'{"n":60,"text":"a\\u0000b"}', b'{"n":61,"text":"a\x00b"}', b'{"n":62}\x00', b"\x00", b'{"n":63}']
    assert _send(server, b"\n".join(lines)) == (2, 3)
    assert server.sql("SELECT n, length(text) AS size FROM odd WHERE n BETWEEN 60 AND 63 ORDER BY n") == [
        {"n": 60, "size": 3},
        {"n": 63, "size": 0},
    ]


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\\ud800"])
def test_text_that_is_no_utf8_goes_to_the_quarantine_or_is_kept_as_valid_text(
    server: RunningServer, bad: bytes
) -> None:
    assert _send(server, b'{"n":70}\n{"n":71,"text":"' + bad + b'"}\n{"n":72}') == (2, 1)
    assert server.value("SELECT countIf(NOT isValidUTF8(text)) FROM odd") == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_body_in_another_encoding_goes_to_the_quarantine(server: RunningServer, encoding: str) -> None:
    good, bad = _send(server, '{"n":80}\n{"n":81}'.encode(encoding))
    assert good == 0
    assert bad >= 1
    assert server.value("SELECT count() FROM odd WHERE n IN (80, 81)") == 0


def test_a_byte_order_mark_is_passed_over(server: RunningServer) -> None:
    assert _send(server, '\ufeff{"n":90}\n{"n":91}') == (2, 0)
    assert _send(server, '\ufeff{\n"n":\n92}') == (1, 0)
    assert server.value("SELECT count() FROM odd WHERE n IN (90, 91, 92)") == 3


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_compressed_body_that_does_not_say_so_is_refused(
    server: RunningServer, pack: Callable[[bytes], bytes]
) -> None:
    answer = server.send(pack(b'{"n":1}'), name="odd")
    assert answer.status_code == 400
    assert "no Content-Encoding" in answer.json()["error"]


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("br", b"x", 400),
        ("gzip", b'{"n":1}', 400),
        ("zstd", gzip.compress(b'{"n":1}'), 400),
        ("gzip", zstandard.compress(b'{"n":1}'), 400),
        ("gzip", gzip.compress(b'{"n":1}')[:-4], 400),
        ("gzip, gzip", gzip.compress(gzip.compress(b'{"n":1}')), 400),
        ("gzip", gzip.compress(bytes(60 * _MB)), 413),
        ("zstd", zstandard.compress(bytes(60 * _MB)), 413),
        ("gzip", gzip.compress(bytes(30 * _MB)) * 3, 413),
    ],
    ids=range(9),
)
def test_a_wrong_encoding_and_a_bomb_are_refused(
    server: RunningServer, encoding: str, body: bytes, status: int
) -> None:
    answer = server.send(body, name="odd", headers={"Content-Encoding": encoding})
    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_bomb_of_ten_gigabytes_takes_no_more_memory_than_a_body_may(server: RunningServer) -> None:
    _send(server, gzip.compress(b"\n" * 40 * _MB), headers={"Content-Encoding": "gzip"})
    before = _peak_bytes(server)
    bomb = zstandard.ZstdCompressor(level=3).compress(bytes(500 * _MB)) * 20
    for encoding, body in (("zstd", bomb), ("gzip", gzip.compress(bytes(500 * _MB), 1))):
        assert server.send(body, name="odd", headers={"Content-Encoding": encoding}).status_code == 413
    assert _peak_bytes(server) - before < 150 * _MB


@pytest.mark.parametrize("body", ["5", "null", "[1]", '"text"', "true", "{", "}", "{]", "[{]", "NaN", '{"n":NaN}'])
@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_what_is_no_event_goes_to_the_quarantine(server: RunningServer, body: str, form: str) -> None:
    assert _send(server, body, params={"format": form}) == (0, 1)


def test_numbers_beyond_all_bounds_go_to_the_quarantine(server: RunningServer) -> None:
    rows = [b'{"n":1e999}', b'{"n":-0.5}', b'{"n":' + b"9" * 100_000 + b"}", b'{"n":4294967296}', b'{"n":"0x10"}']
    assert _send(server, b"\n".join(rows)) == (0, 5)


def test_an_event_of_ten_thousand_unknown_fields_is_taken(server: RunningServer) -> None:
    event = {"n": 100, **{f"field {number}": number for number in range(10_000)}}
    assert _send(server, json.dumps(event)) == (1, 0)
    found = server.request("GET", "/v0/datasources/odd").json()["new_columns_detected"]
    assert len(found) == 100
