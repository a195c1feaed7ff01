"""The HTTP protocol of the server: uvicorn's, whose answers leave in one piece.

uvicorn writes the head of an answer and then its body, and the event loop sends each at once. That is a second call of
the system, which costs as much as a dozen functions, and a caller who wakes up for a head that says nothing yet.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD = b"HTTP/1.1 "


class OneWriteProtocol(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection; what is written to it goes through `OneWrite`."""
        super().connection_made(OneWrite(transport, self.loop))


class OneWrite(asyncio.Transport):
    """A transport that keeps the head of an answer for what comes next; alone, it leaves at the loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: Any) -> None:
        """Send data, or keep it for a moment if it is a head."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._send_head)
        else:
            self._transport.write(data)

    def _send_head(self) -> None:
        if self._head:
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
