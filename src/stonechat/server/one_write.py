"""The HTTP protocol of the server: uvicorn's, and a way past it for answers that are whole.

uvicorn checks each header of an answer, writes its head and then its body, and the event loop sends each at once: a
second call of the system, and a caller who wakes up for a head that says nothing yet. An answer whose body is there
when its head is leaves in one piece.

And uvicorn sends what has no length in chunks, which callers of HTTP/1.0 do not know: for them the body ends with the
connection.

And its parser takes a request that offers another protocol, as clients do that would rather speak HTTP/2, for one
without a body: what follows would be that protocol's, or the next request. The offer is declined, as it may be.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import TYPE_CHECKING

import httptools
from starlette.responses import JSONResponse
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from stonechat.http.headers import Headers
from stonechat.http.problems import (
    MAX_URL_BYTES,
    head_too_large,
    last_answer,
    not_http,
    too_many_connections,
    too_slow,
    url_too_long,
)
from stonechat.http.whole_answers import CONNECTION
from stonechat.server.patience import Awaited

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope

COPIED = 64 * 1024
"""Bytes of a body up to which it is cheaper to copy it behind its head than to send both."""
_MOST_UNSENT = 128 * 1024
"""Bytes that the system takes to send later."""
_MOST_UNSHOWN = 128 * 1024
"""Bytes that the parser may keep to itself, of one request: a URL, headers, what stands between pieces of a body."""
_UNTAKEN_MILLISECONDS = 60_000
"""How long a caller may take nothing of what was sent to it."""
_LINGERING_SECONDS, _MOST_IGNORED = 2.0, 1_000_000
"""How long, and for how many bytes, a caller who is refused may go on to send what nobody reads any more."""
_RESET = struct.pack("ii", 1, 0)  # to linger, for no second: what is not sent yet is dropped
_WITHOUT_BODY = (204, 304)
#: Headers that say how the connection goes on, which is uvicorn's to decide.
_ABOUT_THE_CONNECTION = (b"\nconnection:", b"\ntransfer-encoding:")


class OneWriteProtocol(HttpToolsProtocol):
    """One connection."""

    most_connections: int = sys.maxsize
    _open: tuple[RequestResponseCycle, ...] = ()
    _received = b""
    _shown = False
    _unshown = 0
    _arrived = 0
    _refused = False
    _ignored = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, with a socket that takes no more than a piece ahead of what the caller takes, and not for ever."""
        super().connection_made(transport)
        _bound_unsent(transport.get_extra_info("socket"))
        if len(self.connections) > self.most_connections:
            self._refuse(too_many_connections())
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Take what the caller sent, where a refusal finds what may be wrong with it.

        The parser bounds neither URLs nor headers, and shows them when it has all of them.
        """
        if self._refused:
            self._ignored += len(data)
            if self._ignored > _MOST_IGNORED:
                self.transport.close()
            return
        self._received = data
        self._arrived += len(data)
        self._shown = False
        self._feed(data)
        self._received = b""
        self._unshown = 0 if self._shown else self._unshown + len(data)
        if self._unshown > _MOST_UNSHOWN and not self._refused:
            self._refuse(url_too_long() if self._has_long_url() else head_too_large())

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        rest = memoryview(data)
        try:
            while rest:
                try:
                    self.parser.feed_data(rest)
                    break
                except httptools.HttpParserUpgrade as upgrade:
                    rest = rest[upgrade.args[0] :]
                    self.parser.feed_data(self._head_without_offer())
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # of CONNECT, which nothing declines
            self.send_400_response("Invalid HTTP request received.")

    def _head_without_offer(self) -> bytes:
        """The head of a request that offers another protocol, at which the parser has stopped, without the offer."""
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        lines = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"".join([first, *lines, b"\r\n"])

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._shown = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a request is whole."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_headers_complete(self) -> None:
        """Begin to answer a request, which finds its connection in its scope; unless it is to be read again."""
        self._shown = True
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        cycle = self.cycle
        self.scope[CONNECTION] = RequestConnection(cycle)  # type: ignore[literal-required]
        self._open = (cycle, *[each for each in self._open if not each.response_complete])

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        old = cycle.scope["http_version"] == "1.0"
        super()._start_asgi_task(cycle, _until_closed(cycle, app) if old else app)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, as every error is told."""
        self._refuse(url_too_long() if self._has_long_url() else not_http(msg, self._received))

    def awaited(self) -> Awaited | None:
        """See `patience.Connection.awaited`. Between two requests, uvicorn has a timer of its own."""
        if self.timeout_keep_alive_task is not None or self.flow.read_paused or self._ends():
            return None
        if any(not _waits_for_its_body(cycle) for cycle in self._open if not cycle.response_complete):
            return None
        return Awaited(self.scope, self._has_head(), self._arrived)

    def give_up(self) -> None:
        """See `patience.Connection.give_up`. Who has sent nothing, or has its answer, is told nothing."""
        scope: Scope | None = self.scope  # none before the first byte
        if scope is None or (self._has_head() and self.cycle.response_complete):
            self.transport.close()
        else:
            self._refuse(too_slow())

    def _has_head(self) -> bool:
        """Whether the head of the latest request is whole."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first
        return cycle is not None and cycle.scope is self.scope

    def _has_long_url(self) -> bool:
        """Whether the request has not begun to be answered and has a URL that none can have."""
        return not self._has_head() and len(self.url or b"") > MAX_URL_BYTES

    def _refuse(self, response: JSONResponse) -> None:
        """End the connection with an answer.

        Without one while an earlier request waits for its answer, or has a part of it: this would be taken for that.
        The caller has some time to read it: the system takes it back when what has come on a closed connection was not
        read.
        """
        if self._ends() or not all(_waits_for_its_body(cycle) for cycle in self._open if not cycle.response_complete):
            self.transport.close()
            return
        self._refused = True
        self._forget_open()
        body, headers = last_answer(response)
        lines = [b"%b: %b\r\n" % each for each in [*self.server_state.default_headers, *headers]]
        self.transport.write(b"".join([STATUS_LINE[response.status_code], *lines, b"\r\n", body]))
        self.transport.write_eof()
        self._unset_keepalive_if_required()
        asyncio.get_running_loop().call_later(_LINGERING_SECONDS, self.transport.close)

    def _ends(self) -> bool:
        """Whether nothing more is sent on the connection."""
        return self._refused or self.transport.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all requests that wait on the connection; uvicorn tells the last of them."""
        self._forget_open()
        super().connection_lost(exc)

    def _forget_open(self) -> None:
        for cycle in self._open:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()


def _waits_for_its_body(cycle: RequestResponseCycle) -> bool:
    """Whether a request that is not answered waits for its client, and nothing of its answer is on its way."""
    return cycle.more_body and not cycle.response_started


def _until_closed(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """The application, whose answers without a length go as they are, up to the end of the connection.

    One that is not finished resets the connection: a mere end would pass for the answer's.
    """

    async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        unframed = False

        async def send_unframed(message: ASGISendEvent) -> None:
            nonlocal unframed
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message.get("headers", ())}
                unframed = b"content-length" not in names and message["status"] not in _WITHOUT_BODY
                cycle.chunked_encoding = False if unframed else None
            elif message["type"] == "http.response.body" and unframed:
                cycle.expected_content_length = len(message.get("body", b""))  # uvicorn counts down from it
            await send(message)

        try:
            await app(scope, receive, send_unframed)
        finally:
            if unframed and not cycle.response_complete and not cycle.disconnected:
                cycle.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                cycle.transport.abort()

    return answer


def _bound_unsent(connection: socket.socket | None) -> None:
    """Have the system take what can be sent soon, not megabytes for a caller who takes kilobytes a second.

    Whoever waits for room then sees that a slow caller takes something, and holds no more for it than it has to. And
    where the system can, it ends a connection whose caller takes nothing at all: what is sent whole waits for nobody.
    """
    if connection is not None and connection.family in {socket.AF_INET, socket.AF_INET6}:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _MOST_UNSENT)
        if sys.platform == "linux":
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNTAKEN_MILLISECONDS)


def head_of(status: int, headers: Headers) -> bytes | None:
    """The beginning of an answer with such headers, for others to follow; None for headers that uvicorn has to see."""
    lines = [b"%b: %b\r\n" % each for each in headers]
    head = STATUS_LINE[status] + b"".join(lines)
    # A line end within a header would begin another: uvicorn says what is wrong with it.
    whole = head.count(b"\n") == head.count(b"\r") == len(lines) + 1
    return head if whole and not any(name in head for name in _ABOUT_THE_CONNECTION) else None


class RequestConnection:
    """Sends the answer to one request, and does to its cycle what uvicorn's `send` does with an answer in one piece."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def head(self, status: int, headers: Headers) -> bytes | None:
        """See `Connection.head`. None too for a caller who wants no body or no second request."""
        cycle = self._cycle
        if not cycle.keep_alive or cycle.scope["method"] == "HEAD":
            return None
        return head_of(status, cycle.default_headers + headers)

    def send(self, head: bytes, body: bytes) -> bool:
        """See `Connection.send`."""
        cycle = self._cycle
        transport = cycle.transport
        if cycle.response_started or cycle.disconnected or not cycle.keep_alive or cycle.flow.write_paused:
            return False
        if transport.is_closing():
            return False
        if len(body) <= COPIED:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True
