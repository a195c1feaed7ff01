"""What another thread sends reaches the client whose answer it is, whole, or nobody."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

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
    assert outlet.send(b"head ", b"body", first) == b""
    assert [*found, client.recv(100)] == [b"nothing", b"head body"]
    outlet.close()


def test_what_a_connection_does_not_take_is_given_back(pair: _Pair) -> None:
    server, client = pair
    body = os.urandom(5_000_000)
    outlet = Outlet(server.fileno())
    rest = outlet.send(b"head ", body, _nothing)
    outlet.close()
    assert rest
    server.close()
    received = b"".join(iter(lambda: client.recv(1 << 20), b""))
    assert received + rest == b"head " + body


def test_nothing_is_sent_or_done_once_nobody_waits(pair: _Pair) -> None:
    server, client = pair
    outlet = Outlet(server.fileno())
    outlet.close()
    outlet.close()

    def first() -> None:
        raise AssertionError("nobody waits")

    assert outlet.send(b"head ", b"body", first) is None
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
        assert outlet.send(b"head ", b"body", _nothing) == b""
        outlet.close()
        assert client.recv(100) == b"head body"
        others_client.setblocking(False)
        with pytest.raises(BlockingIOError):
            others_client.recv(1)


def test_a_client_that_is_gone_is_no_failure_of_the_query(pair: _Pair) -> None:
    server, client = pair
    client.close()
    outlet = Outlet(server.fileno())
    assert outlet.send(b"head ", b"body", _nothing) == b"head body"
    outlet.close()
