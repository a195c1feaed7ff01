"""Requests that are answered directly, on their way from the connection of a client and back to it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Protocol

from stonechat.engine.contract import QueryResult
from stonechat.http.encodings import encoded_soon
from stonechat.http.familiar import Familiar
from stonechat.http.headers import Headers
from stonechat.http.origins import Body, Origin
from stonechat.http.outlets import Outlet
from stonechat.http.scanned import without_scanned
from stonechat.query.outcomes import Started


class Line(Protocol):
    """The connection of a client, one of whose requests is answered here."""

    def head(self, status: int, headers: Headers) -> bytes | None:
        """The beginning of an answer with such headers, for others to follow; None if it can not be sent this way."""
        ...

    def wait(self, work: asyncio.Future[Any]) -> None:
        """The answer comes with the end of this work, which is to be cancelled when the client goes away without it."""
        ...

    def outlet(self) -> Outlet | None:
        """Where another thread may send the answer to the request, unless something else has to be sent before."""
        ...

    def answer(self, head: bytes, body: bytes) -> None:
        """Send the answer to the request, which ends it."""
        ...

    def end(self, rest: bytes) -> None:
        """End the request, whose answer has left by its outlet but for the rest."""
        ...

    def give_back(self) -> None:
        """Have the request answered the usual way."""
        ...


@dataclass(slots=True)
class Errand:
    """A request on its way."""

    familiar: Familiar
    line: Line
    began: float
    recognized: float
    started: Started | None = None
    head: bytes | None = None
    outlet: Outlet | None = None
    seconds: float | None = None
    """From its beginning to its answer, once that is sent."""

    def timing(self) -> str:
        """The stages of a request whose query has just ended."""
        recognized, query = (self.recognized - self.began) * 1000, (time.perf_counter() - self.recognized) * 1000
        return f"recognize;dur={recognized:.3f}, query;dur={query:.3f}"

    def body_soon(self, result: QueryResult) -> Body | None:
        """The body of its answer; None of one that takes long to be compressed."""
        origin = self.familiar.origin
        if origin.encoding is None and not origin.narrowed:
            return Body(result, result.data, None)
        data, encoding = encoded_soon(shown(origin, result), origin.encoding)
        return None if data is None else Body(result, data, encoding)


def whole_head(head: bytes, timing: str, body: Body | None) -> bytes:
    """The head of an answer with what is known of it at its end alone."""
    head += b"server-timing: %b\r\n" % timing.encode()
    if body is not None:
        head += b"content-length: %d\r\n" % len(body.data)
        if body.encoding is not None:
            head += b"content-encoding: %b\r\n" % body.encoding.encode()
    return head + b"\r\n"


def shown(origin: Origin, result: QueryResult) -> bytes:
    """The body of an answer, as far as it is for the caller."""
    return without_scanned(result.data) if origin.narrowed else result.data
