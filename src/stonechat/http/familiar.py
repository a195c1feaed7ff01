"""Requests that are like earlier ones: recognized by their bytes, without being read as HTTP.

One that is byte for byte like an earlier one becomes the same call. Where requests differ in the values of their URLs
alone, all but the values is known from an earlier one that looked the same. What is remembered is only what the bytes,
the caller and the project decide. Everything else is asked anew each time: what the token stands for, what is live and
whether an answer is still true.
"""

from __future__ import annotations

import re
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Scope

from stonechat.datafile.resources import Pipe
from stonechat.engine.formats import BY_EXTENSION, Format
from stonechat.errors import StonechatError
from stonechat.http.authentication import Authenticator, is_in_header, token_of
from stonechat.http.encodings import chosen_encoding
from stonechat.http.headers import header
from stonechat.http.observing import Call, CallTexts, texts_of
from stonechat.http.origins import RECEIVED, Body, Origin, Received, bare
from stonechat.http.request_values import bare_parameters
from stonechat.project.live import LiveProjects
from stonechat.project.snapshot import Snapshot
from stonechat.query.answers import Answer
from stonechat.query.execute import QueryService
from stonechat.query.prepared import Prepared
from stonechat.query.requests import ANY_ETAG

#: With the characters in its query that mean the same to every reader of a URL.
_CALL = re.compile(
    rb"GET (/v0/pipes/([A-Za-z0-9_]{1,200})\.([a-z]{3,10}))"
    rb"\?([A-Za-z0-9._~!$&'()*+,;=:@/?%-]{1,2000}) HTTP/1\.1(\r\n.{1,2000})",
    re.DOTALL,
)
#: Headers of a body, or of another protocol: what they ask for is uvicorn's to do.
_UNFAMILIAR = frozenset({b"upgrade", b"expect", b"content-length", b"transfer-encoding"})
_LONGEST = 6000
_MOST_HEADERS = 100
#: Bytes of memory around a short text that has a name.
_OBJECTS = 200
_MOST_LOOKS = 1000
_CAPACITY_BYTES = 32_000_000
_LARGEST_SHARE = 32


@dataclass(frozen=True, slots=True)
class _Look:
    """How requests look that call one pipe with whatever values."""

    origin: Origin
    pipe: Pipe
    format: Format


@dataclass(frozen=True, slots=True)
class _Known:
    """One request, byte for byte, and what it was answered."""

    origin: Origin
    token: str
    raw_path: bytes
    query: bytes
    pipe: str
    values: Mapping[str, str | Sequence[str]]
    texts: CallTexts
    prepared: Prepared
    body: Body
    size: int


@dataclass(slots=True)
class Familiar:
    """A request that was recognized: the call that it makes, and the body of its last answer if there is one.

    `received` is the request as it came, and `key` without what tells it apart from others.
    """

    origin: Origin
    received: Received
    key: Received
    token: str
    raw_path: bytes
    query: bytes
    call: Call
    prepared: Prepared
    body: Body | None = None
    _scope: Scope | None = None

    @property
    def scope(self) -> Scope:
        """The request's scope. Made when it is first asked for, which is once the query is under way."""
        if self._scope is None:
            self._scope = self.origin.scope(self.received.data, self.raw_path, self.query)
        return self._scope


class FamiliarRequests:
    """Requests with GET that were answered from the cache or into it, those not made for the longest going first.

    One event loop's own.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        projects: LiveProjects,
        queries: QueryService,
        capacity_bytes: int = _CAPACITY_BYTES,
    ) -> None:
        self._authenticator = authenticator
        self._projects = projects
        self._queries = queries
        self._capacity = capacity_bytes
        self._size = 0
        self._known: OrderedDict[Received, _Known] = OrderedDict()
        self._looks: OrderedDict[tuple[str, bytes, bytes], _Look] = OrderedDict()

    def recognize(self, received: Received) -> Familiar | None:
        """The call that a request makes, if it is like an earlier one from the same address."""
        if len(received.data) > _LONGEST:
            return None
        found = self._find(received, received)
        if found is None and (key := bare(received)) is not received:
            found = self._find(key, received)
        return found

    def learn(self, scope: Scope, call: Call, answer: Answer, body: Body) -> None:
        """Remember a request that was read as HTTP and answered, if others like it can be answered the same way."""
        received: Received | None = scope.get(RECEIVED)
        prepared = answer.prepared
        if received is None or len(received.data) > _LONGEST or not _is_plain(scope):
            return
        if prepared is None or not prepared.keeps:
            return
        token = token_of(Request(scope))
        origin = self._origin(scope, token, call, answer.media_type)
        if origin is None:
            return
        key = bare(received)
        self.keep(
            Familiar(origin, received, key, token, scope["raw_path"], scope["query_string"], call, prepared), body
        )
        match = _CALL.fullmatch(key.data)
        pipe = call.snapshot.project.pipes.get(match[2].decode()) if match else None
        output = BY_EXTENSION.get(match[3].decode()) if match else None
        if match is None or pipe is None or output is None or call.caller.is_narrowed:
            return
        self._looks[key.peer, match[1], match[5]] = _Look(origin, pipe, output)
        while len(self._looks) > _MOST_LOOKS:
            self._looks.popitem(last=False)

    def keep(self, familiar: Familiar, body: Body) -> None:
        """Remember what a request is answered now."""
        key, prepared = familiar.key, familiar.prepared
        # The URL is there three times: as it came, as it is recorded, and as parameters.
        size = 12 * len(key.data) + 4 * len(prepared.query.statement) + len(body.data) + 4_000
        size += _OBJECTS * (len(familiar.origin.headers) + len(familiar.call.values))
        if body.data is not body.result.data:
            size += len(body.result.data)
        if size * _LARGEST_SHARE > self._capacity or not prepared.lasting:
            return
        self._remove(key)
        self._known[key] = _Known(
            familiar.origin,
            familiar.token,
            familiar.raw_path,
            familiar.query,
            familiar.call.pipe,
            familiar.call.values,
            texts_of(familiar.scope, familiar.call),
            prepared,
            body,
            size,
        )
        self._size += size
        while self._size > self._capacity:
            self._remove(next(iter(self._known)))

    def _find(self, key: Received, received: Received) -> Familiar | None:
        known = self._known.get(key)
        if known is None:
            return self._find_look(key, received)
        snapshot = self._live(known.origin, known.token)
        if snapshot is None:
            return None
        self._known.move_to_end(key)
        call = Call(snapshot, known.origin.acting, known.pipe, known.values, None, known.texts)
        origin, prepared = known.origin, known.prepared
        return Familiar(origin, received, key, known.token, known.raw_path, known.query, call, prepared, known.body)

    def _find_look(self, key: Received, received: Received) -> Familiar | None:
        match = _CALL.fullmatch(key.data)
        look = self._looks.get((key.peer, match[1], match[5])) if match else None
        if match is None or look is None:
            return None
        values = bare_parameters(match[4])
        if values is None:
            return None
        parameters, given = values
        origin = look.origin
        token = origin.token or given or ""
        snapshot = self._live(origin, token)
        if snapshot is None:
            return None
        prepared = self._queries.planned(snapshot, look.pipe, look.format, parameters)
        if prepared is None:
            return None
        call = Call(snapshot, origin.acting, look.pipe.name, parameters)
        return Familiar(origin, received, key, token, match[1], match[4], call, prepared)

    def _live(self, origin: Origin, token: str) -> Snapshot | None:
        """What is live, if that and whom the token stands for are what they were."""
        try:
            caller = self._authenticator.identified(token)
            live, _ = self._projects.of(caller.workspace_id).served
        except StonechatError:
            return None
        same = caller is origin.caller or caller == origin.caller
        return live if same and live is origin.snapshot() else None

    def _origin(self, scope: Scope, token: str, call: Call, media_type: str) -> Origin | None:
        """Where a request came from, if the token still stands for the caller who was allowed to make the call."""
        try:
            caller = self._authenticator.identified(token)
        except StonechatError:
            return None
        if caller.with_names(call.snapshot.names_by_id) != call.caller:
            return None
        return Origin(
            token if is_in_header(scope) else None,
            caller,
            call.caller,
            weakref.ref(call.snapshot),
            scope["path"],
            scope["endpoint"],
            scope["headers"],
            header(scope, b"if-none-match"),
            scope["client"],
            media_type,
            chosen_encoding(header(scope, b"accept-encoding") or ""),
            call.caller.is_narrowed,
        )

    def _remove(self, key: Received) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            self._size -= known.size


def _is_plain(scope: Scope) -> bool:
    """Whether a request asks for no more than its answer."""
    headers = scope["headers"]
    others = len(headers) > _MOST_HEADERS or any(name in _UNFAMILIAR for name, _ in headers)
    return scope["http_version"] == "1.1" and not others and (header(scope, b"if-none-match") or "").strip() != ANY_ETAG
