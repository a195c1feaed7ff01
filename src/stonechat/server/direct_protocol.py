"""Connections whose requests are answered directly where they are like earlier ones: see `http.direct`."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from stonechat.http.direct import DirectAnswers
from stonechat.http.headers import Headers
from stonechat.http.origins import RECEIVED, Received
from stonechat.http.outlets import Outlet
from stonechat.http.problems import unexpected
from stonechat.server.one_write import COPIED, OneWriteProtocol, head_of
from stonechat.server.patience import Awaited

_log = structlog.get_logger(__name__)
_METHOD = b"GET "
_LINE_END = b"\r\n"
_END = _LINE_END * 2
_CLOSE = b"connection: close" + _END


class DirectProtocol(OneWriteProtocol):
    """One connection. While a request of it is answered directly, uvicorn's parser knows nothing of that request."""

    direct: DirectAnswers
    _parsing: bool = False
    _alone: Received | None = None
    _taken: bytes = b""
    _work: asyncio.Future[Any] | None = None
    _outlet: Outlet | None = None
    _behind: bytes = b""
    _last: bool = False

    def data_received(self, data: bytes) -> None:
        """Take what has arrived. What follows a request that is answered directly waits behind it."""
        afterwards = self.direct.afterwards
        if afterwards.waiting:
            afterwards.settle()
        if self._taken:
            self._behind += data
            self.flow.pause_reading()
            return
        # Bytes that look like a request may be the rest of another, of which a part was parsed: never take these.
        between = not self._parsing and not self._refused and not (self._open and self._owes())
        idle = between and data.startswith(_METHOD)
        whole = idle and data.find(_END) == len(data) - len(_END)
        self._alone = Received(self.client[0] if self.client else "", data) if whole else None
        if self._alone is None or self.flow.write_paused or not self._takes(self._alone):
            super().data_received(data)

    def on_message_begin(self) -> None:
        """Note that the parser has a part of a request."""
        self._parsing = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Note that the parser has all of a request."""
        self._parsing = False
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        """Begin to answer a request the usual way; its bytes are in its scope if others like it can come to `take`."""
        super().on_headers_complete()
        # Whether the connection stays is the parser's to say: several headers, of several names, decide on it.
        if not self.parser.should_upgrade():
            self.scope[RECEIVED] = self._alone if self.cycle.keep_alive else None  # type: ignore[literal-required]

    def awaited(self) -> Awaited | None:
        """See `patience.Connection.awaited`."""
        return None if self._taken else super().awaited()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what is under way, unless its answer has left: nobody waits for it any more."""
        self._taken = self._behind = b""
        # Who has the answer often leaves before the loop hears of it: then there is nothing to give up.
        if self._work is not None and (self._outlet is None or self._outlet.close() is None):
            self._work.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close the connection, after the answer that is under way if there is one."""
        if self._taken:
            self._last = True
            if self._outlet is not None:
                self._outlet.close()  # the answer has to say that it is the last one
        else:
            super().shutdown()

    def head(self, status: int, headers: Headers) -> bytes | None:
        """See `Line.head`."""
        return head_of(status, self.server_state.default_headers + headers)

    def wait(self, work: asyncio.Future[Any]) -> None:
        """See `Line.wait`."""
        self._unset_keepalive_if_required()
        self._work = work

    def outlet(self) -> Outlet | None:
        """See `Line.outlet`. None for the last answer of a connection, which says so."""
        transport = self.transport
        if self._last or self._ends() or transport.get_write_buffer_size() or self.scheme != "http":
            return None
        try:
            self._outlet = Outlet(transport.get_extra_info("socket").fileno())
        except OSError:  # no descriptor is left
            return None
        return self._outlet

    def answer(self, head: bytes, body: bytes) -> None:
        """See `Line.answer`. To a client that is gone nothing is sent."""
        if self._last:
            head = head.removesuffix(_LINE_END) + _CLOSE
        if self._ends():
            pass
        elif len(body) <= COPIED:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        self._end()

    def end(self, rest: bytes) -> None:
        """See `Line.end`."""
        if rest and not self._ends():
            self.transport.write(rest)
        self._end()

    def _end(self) -> None:
        self._taken, self._work, self._outlet = b"", None, None
        if self._ends():
            return
        if self._last:
            self.transport.close()
        else:
            self.on_response_complete()
            self._go_on()

    def give_back(self) -> None:
        """See `Line.give_back`."""
        taken, self._taken, self._work, self._outlet = self._taken, b"", None, None
        if taken:
            self.flow.resume_reading()
            super().data_received(taken)
            self._go_on()
        if self._last:
            super().shutdown()

    def _takes(self, received: Received) -> bool:
        # The answer may be sent before this is told.
        self._taken = received.data
        try:
            if self.direct.take(received, self):
                return True
        except Exception as error:
            self._give_up(error)
            return True
        self._taken = b""
        return False

    def _give_up(self, error: Exception) -> None:
        """After what nobody foresaw: the client is told, if it has no answer yet, and nothing else on this connection.

        Whoever raised it may have begun a query, whose answer would then be that of a later request.
        """
        _log.error("unexpected error", exc_info=error)
        if self._taken:
            self._taken = self._behind = b""
            self._refuse(unexpected())

    def _owes(self) -> bool:
        """Whether a request still waits for its answer."""
        self._open = tuple([cycle for cycle in self._open if not cycle.response_complete])
        return bool(self._open)

    def _go_on(self) -> None:
        behind, self._behind = self._behind, b""
        if behind:
            self.data_received(behind)


def protocol_with(direct: DirectAnswers, most_connections: int) -> type[DirectProtocol]:
    """The protocol of a server that has these direct answers, and so many connections at a time."""
    return type("Protocol", (DirectProtocol,), {"direct": direct, "most_connections": most_connections})
