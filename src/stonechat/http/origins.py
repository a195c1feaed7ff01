"""What requests that look alike have in common, and what tells them apart."""

from __future__ import annotations

import re
import weakref
from dataclasses import dataclass
from typing import NamedTuple

from starlette.types import Scope

from stonechat.auth.access import Caller
from stonechat.engine.contract import QueryResult
from stonechat.http.headers import Headers
from stonechat.http.observing import REQUEST_ID, new_request_id, request_id
from stonechat.project.snapshot import Snapshot

RECEIVED = "stonechat.received"
"""The key in a request's scope of its `Received`, if it came alone and at once and its connection stays; else None."""
#: Headers that tell requests apart and decide nothing else. Some proxies add them to each.
_TELLING_APART = re.compile(rb"(?<=\r\n)(?:x-request-id|traceparent|tracestate):[^\r\n]*\r\n", re.IGNORECASE)
_ID = re.compile(rb"\r\nx-request-id:[ \t]*([^\r\n]*)\r\n", re.IGNORECASE)


class Received(NamedTuple):
    """The bytes of a request that came alone and at once, and the address that sent them."""

    peer: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """The body of an answer as it is sent: `data` of `result`, in an encoding if any."""

    result: QueryResult
    data: bytes
    encoding: str | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks, of which project and by which route, as a request that was read as HTTP has shown.

    `caller` has resources as the token has them, by name or by id, and `acting` by name; `narrowed` is that of both.
    `token` is that of a header, and None where each request has its own in the URL; `known_etag` is what the client has
    already.
    """

    token: str | None
    caller: Caller
    acting: Caller
    snapshot: weakref.ref[Snapshot]
    path: str
    endpoint: object
    headers: Headers
    known_etag: str | None
    client: tuple[str, int] | None
    media_type: str
    encoding: str | None
    narrowed: bool

    def scope(self, received: bytes, raw_path: bytes, query: bytes) -> Scope:
        """As much of a request's scope as its record and its answer need."""
        given = _ID.search(received)
        return {
            "type": "http",
            "method": "GET",
            "path": self.path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
            "client": self.client,
            "endpoint": self.endpoint,
            REQUEST_ID: request_id(given[1].decode("latin-1")) if given else new_request_id(),
        }


def bare(received: Received) -> Received:
    """A request without what tells it apart from others that are the same."""
    data = _TELLING_APART.sub(b"", received.data)
    return received if data == received.data else Received(received.peer, data)
