"""Answers that leave where their queries end.

Once a query has ended, it takes the event loop three turns and as many functions as before the query until whoever
asked is back, has put the answer together and has sent it. So the head of the answer is put together while the engine
works, and the answer is sent when its query ends; who asked then finds it sent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from stonechat.engine.contract import QueryResult
from stonechat.engine.formats import JSON
from stonechat.http.authentication import rate_limit_headers
from stonechat.http.encodings import chosen_encoding, encoded_soon
from stonechat.http.headers import Headers, header
from stonechat.http.observing import REQUEST_ID, Call
from stonechat.http.repeats import Body, Repeats, answer_headers, body_headers
from stonechat.query.answers import Answer

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


class Ahead:
    """The outlet of one call, for answers as documents in JSON to callers who may see all rows."""

    __slots__ = ("_call", "_connection", "_encoding", "_expected", "_head", "_repeats", "_request", "given_up", "sent")

    def __init__(self, request: Request, call: Call, repeats: Repeats, *, given_up: bool = False) -> None:
        self._request = request
        self._call = call
        self._repeats = repeats
        self._connection: Connection | None = request.scope.get(CONNECTION)
        self._expected: Answer | None = None
        self._head: bytes | None = None
        self._encoding: str | None = None
        #: Set by whoever may end the call from now on, or wants no body.
        self.given_up = given_up
        self.sent = False

    def expect(self, answer: Answer) -> None:
        """Put the head together, but for what only the answer knows."""
        scope, connection = self._request.scope, self._connection
        if connection is None or answer.media_type != JSON.media_type or self._call.caller.is_narrowed:
            return
        known = answer_headers(answer, narrowed=False)
        del known["server-timing"]
        self._encoding = chosen_encoding(header(scope, b"accept-encoding") or "")
        self._expected = answer
        self._head = connection.head(200, [*body_headers(known, answer.media_type), *on_every_answer(scope)])

    def deliver(self, result: QueryResult, timing: str) -> bool:
        """Send the answer and remember it, if its head is ready."""
        head, expected, connection = self._head, self._expected, self._connection
        if head is None or expected is None or connection is None or self.given_up:
            return False
        data, encoding = encoded_soon(result.data, self._encoding)
        if data is None:
            return False
        head += b"server-timing: %b\r\ncontent-length: %d\r\n" % (timing.encode(), len(data))
        if encoding is not None:
            head += b"content-encoding: %b\r\n" % encoding.encode()
        if not connection.send(head + b"\r\n", data):
            return False
        self.sent = True
        answer = replace(expected, result=result, timing=timing)
        self._repeats.learn(self._request, self._call, answer, Body(result, data, encoding, answer.media_type))
        return True


class SentAlready(Response):
    """What a handler returns whose answer has left: it tells the status, and sends no body for it."""

    def __init__(self) -> None:
        self.background = None

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Tell the status to those around."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
