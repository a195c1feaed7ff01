"""Large answers: whole or visibly cut, in bounded memory, and no burden on others, however their callers behave."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import zstandard
from starlette.types import Message
from tests.conftest import RunningServer, StartServer
from tests.engine.shared import shared_engine
from tests.waiting import until

from stonechat.engine.contract import Query, QueryCancelled, QueryResult
from stonechat.http.streaming import StreamedResponse
from stonechat.query.spool import SpooledAnswer

_PIPE = """NODE n
SQL >
    %
    SELECT number, repeat('x', 60) AS text FROM numbers({{UInt32(rows, 100000)}})
    WHERE throwIf(number = {{UInt32(fail_at, 4294967295)}}, 'no more') = 0 AND sleepEachRow({{Float32(pause, 0)}}) = 0

TYPE endpoint
"""
_PATH = "/v0/pipes/many"
_SLOW = "SELECT repeat('x', 20) AS text, sleepEachRow(0.000002) AS pause FROM numbers(1000000000)"
_FILES = {"many.pipe": _PIPE, "slow.pipe": f"NODE n\nSQL >\n    {_SLOW}\n\nTYPE endpoint\n"}
# Some MB a second, the first after a million rows: it would take long to run into a limit.
_SLOW_PATH = "/v0/pipes/slow.ndjson"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that runs one query at a time."""
    home = tmp_path_factory.mktemp("streaming") / "home"
    settings = {
        "STONECHAT_QUERY_CONNECTIONS": "1",
        "STONECHAT_QUERY_SECONDS": "600",
        "STONECHAT_QUERY_RESULT_BYTES": "100000000000",
    }
    server = RunningServer(home, arguments=("serve",), environment=settings)
    assert server.deploy(_FILES).status_code == 200
    yield server
    assert server.stop() == 0


def _lines(rows: int) -> bytes:
    return b"".join(b'{"number":%d,"text":"%s"}\n' % (number, b"x" * 60) for number in range(rows))


def _peak_bytes(server: RunningServer) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024


def _connection(server: RunningServer, path: str) -> socket.socket:
    """A caller that has sent its request and reads nothing yet, not even into a large buffer."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n\r\n".encode())
    return connection


def test_a_large_answer_is_whole(server: RunningServer) -> None:
    response = server.request("GET", f"{_PATH}.ndjson", params={"rows": 100_000})
    assert response.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in response.headers
    assert response.content == _lines(100_000)


def _sent_over_http_1_0(server: RunningServer, path: str) -> tuple[bytes, bytes]:
    """The head and the body of what comes until the connection ends."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nAuthorization: Bearer {server.token}\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: connection.recv(1 << 16), b"")).partition(b"\r\n\r\n")
    return head.lower(), body


def test_a_large_answer_to_a_caller_of_http_1_0_ends_with_the_connection(server: RunningServer) -> None:
    head, body = _sent_over_http_1_0(server, f"{_PATH}.ndjson?rows=100000")
    assert body == _lines(100_000)
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    head, body = _sent_over_http_1_0(server, f"{_PATH}.ndjson?rows=3")
    assert b"content-length: %d" % len(body) in head
    assert body == _lines(3)


def test_a_large_answer_that_fails_resets_the_connection_of_a_caller_of_http_1_0(server: RunningServer) -> None:
    def is_reset() -> bool:
        try:
            head, _ = _sent_over_http_1_0(server, f"{_PATH}.ndjson?rows=1000000&fail_at=150000&pause=0.000007")
        except ConnectionResetError:
            return True
        assert head.startswith(b"http/1.1 400 "), "on a busy machine, it fails before it is sent"
        return False

    until(is_reset)


def test_a_small_answer_has_a_length(server: RunningServer) -> None:
    response = server.request("GET", f"{_PATH}.ndjson", params={"rows": 3})
    assert response.headers["content-length"] == str(len(_lines(3)))


def test_a_large_envelope_has_its_counts(server: RunningServer) -> None:
    params = {"rows": 100_000, "q": "SELECT * FROM _ ORDER BY number LIMIT 50000"}
    answer = server.request("GET", f"{_PATH}.json", params=params).json()
    assert (len(answer["data"]), answer["rows"], answer["rows_before_limit_at_least"]) == (50_000, 50_000, 100_000)
    assert answer["statistics"]["rows_read"] == 100_000


def test_a_large_answer_is_compressed_as_the_caller_asks(server: RunningServer) -> None:
    for encoding, decompress in (("gzip", gzip.decompress), ("zstd", _zstd)):
        headers = {"Authorization": f"Bearer {server.token}", "Accept-Encoding": encoding}
        with server.client.stream("GET", f"{_PATH}.ndjson", headers=headers) as response:
            assert response.headers["content-encoding"] == encoding
            assert decompress(b"".join(response.iter_raw())) == _lines(100_000)


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def test_head_of_a_large_answer_is_its_headers(server: RunningServer) -> None:
    response = server.request("HEAD", f"{_PATH}.ndjson")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/x-ndjson"
    assert server.value("SELECT 1") == 1


def test_a_known_large_answer_is_not_made_again(server: RunningServer) -> None:
    etag = server.request("GET", f"{_PATH}.ndjson").headers["etag"]
    response = server.request("GET", f"{_PATH}.ndjson", headers={"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")


def test_a_large_answer_takes_little_memory(server: RunningServer) -> None:
    server.rows(f"{_PATH}.json", rows=3)
    before = _peak_bytes(server)
    digest, size = hashlib.sha256(), 0
    headers = {"Authorization": f"Bearer {server.token}"}
    with server.client.stream("GET", f"{_PATH}.json", params={"rows": 950_000}, headers=headers) as response:
        for chunk in response.iter_bytes():
            digest.update(chunk)
            size += len(chunk)
    assert size > 90_000_000
    # Twice the size and more would be an answer in memory and its copies; the rest is the engine's own work.
    assert _peak_bytes(server) - before < 150_000_000


def test_what_fails_before_the_first_byte_has_a_status(server: RunningServer) -> None:
    response = server.request("GET", f"{_PATH}.ndjson", params={"rows": 1_000_000, "fail_at": 100})
    assert response.status_code == 400
    assert "no more" in response.json()["error"]


def _refusal(server: RunningServer, path: str, **params: float) -> httpx.Response | None:
    """The answer to a call that fails; None where it was cut short. A busy machine decides which of the two it is."""
    try:
        return server.request("GET", path, params=params)
    except httpx.RemoteProtocolError as error:
        if "without sending complete message body" in str(error):
            return None
        raise


def test_what_fails_in_its_first_moments_has_a_status(server: RunningServer) -> None:
    response = until(lambda: _refusal(server, f"{_PATH}.ndjson", rows=1_000_000, fail_at=150_000))
    assert response.status_code == 400
    assert "no more" in response.json()["error"]


def test_what_fails_later_has_no_clean_end(server: RunningServer) -> None:
    late = {"rows": 1_000_000, "fail_at": 150_000, "pause": 0.000007}
    for path in (f"{_PATH}.json", f"{_PATH}.ndjson", f"{_PATH}.csv"):
        until(lambda path=path: _refusal(server, path, **late) is None)  # type: ignore[misc]
        assert server.request("GET", f"{_PATH}.ndjson", params={"rows": 2}).content == _lines(2)
    assert "answer cut short" in server.log.read_text()


def test_a_caller_that_hangs_up_ends_its_query(server: RunningServer) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    with server.client.stream("GET", _SLOW_PATH, headers=headers) as response:
        assert response.status_code == 200
        next(response.iter_bytes())
    # It would go on for longer than this one waits.
    assert server.value("SELECT 2") == 2


def test_slow_readers_hold_no_connection_of_the_engine(server: RunningServer) -> None:
    slow = [_connection(server, f"{_PATH}.ndjson?rows={200_000 + number}") for number in range(5)]
    # It would wait for a connection until they had read.
    assert server.value("SELECT 3") == 3
    for connection in slow:
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.close()


def test_slow_readers_take_a_bounded_part_of_the_disk(start_server: StartServer) -> None:
    server = start_server(STONECHAT_SPOOL_BYTES="2000000")
    assert server.deploy(_FILES).status_code == 200
    slow = _connection(server, f"{_PATH}.ndjson?rows=200001")
    assert slow.recv(12) == b"HTTP/1.1 200"
    until(lambda: server.request("GET", f"{_PATH}.ndjson?rows=200002").status_code == 503)
    refused = server.request("GET", f"{_PATH}.ndjson?rows=200003")
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("SC810", "1")
    assert server.value("SELECT 4") == 4
    slow.close()
    until(lambda: server.request("GET", f"{_PATH}.ndjson?rows=200004").status_code == 200)


def test_equal_questions_at_the_same_time_get_the_same_bytes(server: RunningServer) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(
            threads.map(lambda _: server.request("GET", f"{_PATH}.json", params={"rows": 99_999}).content, range(8))
        )
    assert all(json.loads(answer)["rows"] == 99_999 for answer in answers)


def test_the_files_of_answers_are_closed(server: RunningServer) -> None:
    def opened() -> int:
        count = 0
        for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                count += link.readlink().name.endswith("(deleted)")
        return count

    server.request("GET", f"{_PATH}.ndjson")
    until(lambda: opened() == 0)


def test_a_limit_holds_for_answers_of_any_size(tmp_path: Path, start_server: StartServer) -> None:
    server = start_server(tmp_path / "home", STONECHAT_QUERY_RESULT_BYTES="3000000")
    assert server.deploy(_FILES).status_code == 200
    at_once = {"q": "SELECT repeat('nine long', 1000000) FORMAT TSV"}
    response = server.request("GET", "/v0/sql", params=at_once)
    assert (response.status_code, response.json()["code"]) == (413, "SC802")
    while (refused := _refusal(server, _SLOW_PATH)) is not None:
        assert (refused.status_code, refused.json()["code"]) == (413, "SC802")
    assert "answer cut short" in server.log.read_text()


def _spooled(name: str) -> tuple[SpooledAnswer, asyncio.Future[QueryResult]]:
    engine = shared_engine()
    file = engine.scratch_file()
    query = Query(_SLOW, "default", "TSV", query_id=name)
    work = asyncio.get_running_loop().run_in_executor(None, engine.query_into, query, file)
    return SpooledAnswer(file, work, lambda: engine.cancel(name), query.limits), work


def test_a_caller_that_stops_reading_loses_its_answer() -> None:
    async def stopped() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        answer, work = _spooled("nobody reads")
        assert await answer.whole() is None
        await StreamedResponse(answer, {}, "text/plain", None, patience=0.05)(
            {"type": "http", "method": "GET"}, receive, send
        )
        with pytest.raises(QueryCancelled):
            await work
        return sent

    start, *bodies = asyncio.run(stopped())
    assert start["status"] == 200
    assert [body["more_body"] for body in bodies] == [True]


def test_an_answer_lives_as_long_as_somebody_holds_it() -> None:
    async def shared() -> None:
        answer, work = _spooled("shared")
        assert await answer.whole() is None
        assert answer.hold()
        answer.release()
        assert not work.done()
        assert len(await anext(answer.chunks())) > 1000
        answer.release()
        assert not answer.hold()
        with pytest.raises(QueryCancelled):
            await work

    asyncio.run(shared())
