"""Answers that are whole: whose body is there when their head is, and which leave in one piece."""

from __future__ import annotations

from typing import Protocol

from starlette.types import Message, Scope

from stonechat.http.authentication import rate_limit_headers
from stonechat.http.headers import Headers
from stonechat.http.observing import REQUEST_ID

CONNECTION = "stonechat.connection"
"""The key in a request's scope of where its answer may be sent past the usual way, if the server offers that."""
_EXPOSED = (
    b"Server-Timing, X-Request-Id, X-Cache, X-DB-Statistics, ETag, Retry-After, Idempotency-Replayed, "
    b"X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
)
_WITHOUT_LENGTH = frozenset({204, 304})
_CORS = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", _EXPOSED)]


class Connection(Protocol):
    """The connection of one request."""

    def head(self, status: int, headers: Headers) -> bytes | None:
        """The beginning of an answer with such headers, for others to follow; None if it can not be sent this way."""
        ...

    def send(self, head: bytes, body: bytes) -> bool:
        """Send an answer, whole, which ends the request; False if it can not be sent any more."""
        ...


def sent_whole(connection: Connection, start: Message, message: Message) -> bool:
    """Whether an answer, of which this is the first message and the next, is whole and was sent as such."""
    if message["type"] != "http.response.body" or message.get("more_body"):
        return False
    head = connection.head(start["status"], start["headers"])
    if head is None or (b"\r\ncontent-length: " not in head and start["status"] not in _WITHOUT_LENGTH):
        return False
    return connection.send(head + b"\r\n", message.get("body", b""))


def on_every_answer(scope: Scope) -> Headers:
    """The headers of every answer: CORS, the request's id, and what is left to a caller whose rate is limited."""
    return [*_CORS, (b"x-request-id", scope[REQUEST_ID].encode()), *rate_limit_headers(scope)]
