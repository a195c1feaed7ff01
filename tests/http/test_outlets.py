"""What another thread sends reaches the client whose answer it is, whole, or nobody."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from stonechat.http.outlets import Outlet

_Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[_Pair]:
    """The two ends of a connection, of which the first one is the server's."""
    server, client = socket.socketpair()
    server.setblocking(False)
    client.settimeout(10)
    with server, client:
        yield server, client


def _nothing() -> None:
    pass


def test_an_answer_leaves_after_what_has_to_come_before_it(pair: _Pair) -> None:
    server, client = pair
    client.setblocking(False)
    found: list[bytes] = []

    def first() -> None:
        with pytest.raises(BlockingIOError):
            client.recv(1)
        found.append(b"nothing")

    outlet = Outlet(server.fileno())
    outlet.send(b"head ", b"body", first)
    assert [*found, client.recv(100)] == [b"nothing", b"head body"]
    assert outlet.close() == b""


def test_what_a_connection_does_not_take_is_given_back(pair: _Pair) -> None:
    server, client = pair
    body = os.urandom(5_000_000)
    outlet = Outlet(server.fileno())
    outlet.send(b"head ", body, _nothing)
    rest = outlet.close()
    assert rest
    server.close()
    received = b"".join(iter(lambda: client.recv(1 << 20), b""))
    assert received + rest == b"head " + body


def test_nothing_is_sent_or_done_once_nobody_waits(pair: _Pair) -> None:
    server, client = pair
    outlet = Outlet(server.fileno())
    assert (outlet.close(), outlet.close()) == (None, None)

    def first() -> None:
        raise AssertionError("nobody waits")

    outlet.send(b"head ", b"body", first)
    assert outlet.close() is None
    server.close()
    assert client.recv(100) == b""


def test_whoever_gets_the_number_of_a_closed_connection_gets_nothing_of_its_answer(pair: _Pair) -> None:
    server, client = pair
    number = server.fileno()
    outlet = Outlet(number)
    server.close()
    other, others_client = socket.socketpair()
    with other, others_client:
        assert other.fileno() == number
        outlet.send(b"head ", b"body", _nothing)
        assert outlet.close() == b""
        assert client.recv(100) == b"head body"
        others_client.setblocking(False)
        with pytest.raises(BlockingIOError):
            others_client.recv(1)


def test_a_client_that_is_gone_is_no_failure_of_the_query(pair: _Pair) -> None:
    server, client = pair
    client.close()
    outlet = Outlet(server.fileno())
    outlet.send(b"head ", b"body", _nothing)
    assert (outlet.close(), outlet.close()) == (b"head body", b"head body")


def test_whoever_gives_an_answer_up_while_it_is_sent_learns_that_it_was(pair: _Pair) -> None:
    server, client = pair
    begun, goes_on = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        assert goes_on.wait(10)

    outlet = Outlet(server.fileno())
    with ThreadPoolExecutor(2) as threads:
        threads.submit(outlet.send, b"head ", b"body", first)
        assert begun.wait(10)
        closed = threads.submit(outlet.close)
        goes_on.set()
        assert closed.result(10) == b""
    assert client.recv(100) == b"head body"
