"""The load client: it counts what was answered, and takes no answer for another."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bench.load import Load, OneConnection, UnexpectedAnswer, content_length, request, run_load

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class _Scripted(socketserver.ThreadingTCPServer):
    """Answers each request with the bytes of a script, packet by packet; nothing for a packet closes the connection."""

    daemon_threads = True

    def __init__(self, script: list[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.received: list[bytes] = []


class _Handler(socketserver.BaseRequestHandler):
    server: _Scripted

    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.server.received.append(data)
            for packet in self.server.script:
                if not packet:
                    return
                self.request.sendall(packet)
                time.sleep(0.002)


@contextmanager
def _serving(*script: bytes) -> Iterator[_Scripted]:
    with _Scripted(list(script)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _load(server: _Scripted, *, count: int = 6, connections: int = 2, status: int = 200) -> Load:
    requests = [request("GET", f"/{number}") for number in range(4)]
    return run_load(server.server_address[1], requests, connections=connections, status=status, count=count)


def test_just_so_many_requests_are_sent_in_turn() -> None:
    with _serving(_OK) as server:
        load = _load(server, connections=1)
    assert load.requests == 6
    assert [data.split()[1] for data in server.received] == [b"/0", b"/1", b"/2", b"/3", b"/0", b"/1"]


def test_an_answer_may_come_in_pieces() -> None:
    with _serving(_OK[:10], _OK[10:38], _OK[38:39], _OK[39:]) as server:
        load = _load(server)
    assert load.requests == 6
    assert load.latencies[0] >= 0.006


def test_a_load_ends_when_its_time_is_over() -> None:
    with _serving(_OK) as server:
        requests = [request("GET", "/")]
        load = run_load(server.server_address[1], requests, connections=2, status=200, seconds=0.1)
    assert load.requests > 2
    assert load.seconds == pytest.approx(0.1, abs=0.09)


def test_another_status_ends_the_load() -> None:
    with (
        _serving(b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nlate") as server,
        pytest.raises(UnexpectedAnswer, match="late"),
    ):
        _load(server)


def test_a_broken_connection_ends_the_load() -> None:
    with _serving(b"") as server, pytest.raises(UnexpectedAnswer, match="broke"):
        _load(server)


def test_a_load_without_requests_measures_nothing() -> None:
    with _serving(_OK) as server, pytest.raises(UnexpectedAnswer, match="no request"):
        _load(server, count=0)


def test_rates_and_percentiles_come_from_the_latencies() -> None:
    load = Load([number / 100 for number in range(1, 101)], seconds=4.0, cpu_seconds=0.0)
    assert load.rate == 25.0
    assert load.percentile(0.5) == 0.51
    assert load.percentile(0.99) == load.percentile(1.0) == 1.0


def test_a_request_has_what_a_server_needs() -> None:
    data = request("POST", "/v0/events?name=a", body=b"{}", token="t")
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /v0/events?name=a HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Authorization: Bearer t",
        b"Content-Length: 2",
    ]
    assert body == b"{}"


def test_an_answer_without_a_length_is_refused() -> None:
    assert content_length(b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 17\r\n\r\n") == 17
    with pytest.raises(UnexpectedAnswer, match="without a length"):
        content_length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


def test_calls_one_at_a_time_keep_their_connection_and_end_with_the_last_byte() -> None:
    with _serving(_OK[:20], _OK[20:-1], _OK[-1:]) as server:
        with OneConnection(server.server_address[1]) as connection:
            taken = [connection.call(request("GET", f"/{number}")) for number in range(3)]
        assert [data.split()[1] for data in server.received] == [b"/0", b"/1", b"/2"]
    assert all(seconds >= 0.004 for seconds in taken)  # the server rests twice between its packets


@pytest.mark.parametrize("script", [(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",), (_OK[:20], b"")])
def test_a_call_that_gets_no_whole_good_answer_is_no_measurement(script: tuple[bytes, ...]) -> None:
    with _serving(*script) as server:
        connection = OneConnection(server.server_address[1])
        with connection, pytest.raises(UnexpectedAnswer):
            connection.call(request("GET", "/"))
