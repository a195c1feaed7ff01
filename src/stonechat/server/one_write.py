"""The HTTP protocol of the server: uvicorn's, whose answers leave in one piece, and past uvicorn if they are whole.

uvicorn writes the head of an answer and then its body, and the event loop sends each at once. That is a second call of
the system, which costs as much as a dozen functions, and a caller who wakes up for a head that says nothing yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from stonechat.http.ahead import CONNECTION
from stonechat.http.headers import Headers

_HEAD = b"HTTP/1.1 "


class OneWriteProtocol(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection; what is written to it goes through `OneWrite`."""
        super().connection_made(OneWrite(transport, self.loop))

    def on_headers_complete(self) -> None:
        """Begin to answer a request, which may find its connection in its scope."""
        super().on_headers_complete()
        self.scope[CONNECTION] = RequestConnection(self.cycle)  # type: ignore[literal-required]


class RequestConnection:
    """Sends the answer to one request, and does to its cycle what uvicorn's `send` does with an answer in one piece."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def head(self, headers: Headers) -> bytes | None:
        """See `Connection.head`; None too for a caller who wants no body or no second request."""
        cycle = self._cycle
        if not cycle.keep_alive or cycle.scope["method"] == "HEAD":
            return None
        lines = [b"%b: %b\r\n" % each for each in (*cycle.default_headers, *headers)]
        return b"HTTP/1.1 200 OK\r\n" + b"".join(lines)

    def send(self, head: bytes, body: bytes) -> bool:
        """See `Connection.send`."""
        cycle = self._cycle
        if cycle.response_started or cycle.disconnected or not cycle.keep_alive or cycle.flow.write_paused:
            return False
        cycle.transport.writelines((head, body))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True


class OneWrite(asyncio.Transport):
    """A transport that keeps the head of an answer for what comes next; alone, it leaves at the loop's next turn.

    What is written to a connection that is gone goes nowhere. Of several requests that wait on one, uvicorn tells only
    the last that it is.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: Any) -> None:
        """Send data, or keep it for a moment if it is a head."""
        if self._transport.is_closing():
            return
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._send_head)
        else:
            self._transport.write(data)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Send data, all at once."""
        if self._transport.is_closing():
            return
        self._send_head()
        self._transport.writelines(list_of_data)

    def _send_head(self) -> None:
        if self._head and not self._transport.is_closing():
            head, self._head = self._head, b""
            self._transport.write(head)

    def close(self) -> None:
        """Close the connection once all is sent."""
        self._send_head()
        self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether the connection is closed, or about to be."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Leave what the caller sends with the system."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take what the caller sends."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the connection says of itself; see `asyncio.BaseTransport`."""
        return self._transport.get_extra_info(name, default)
