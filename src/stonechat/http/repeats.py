"""Requests that are byte for byte like an earlier one: answered from memory, without being read again.

What is remembered is only what the bytes, the caller and the project decide: which query the request is made into, how
it is recorded, and its answer's body, compressed as it was asked for. Everything else is asked anew each time: what the
token stands for, what is live, whether the answer is still true, and whether the caller may make another request.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from stonechat.auth.access import Caller
from stonechat.engine.contract import QueryResult
from stonechat.engine.formats import JSON
from stonechat.errors import StonechatError
from stonechat.http.authentication import Authenticator, token_of
from stonechat.http.headers import Headers, header
from stonechat.http.observing import Call, CallTexts, note_call, texts_of
from stonechat.http.snapshots import Snapshots
from stonechat.project.live import Snapshot
from stonechat.query.answers import Answer
from stonechat.query.execute import QueryService
from stonechat.query.prepared import Prepared

_CAPACITY_BYTES = 32_000_000
_LARGEST_SHARE = 32
_Key = tuple[bytes, bytes, bytes, bytes]


def answer_headers(answer: Answer, *, narrowed: bool) -> dict[str, str]:
    """What an answer from the read path says of itself, whatever its body.

    `narrowed` ones are for callers from whom rows are hidden.
    """
    headers = {"server-timing": answer.timing, "x-cache": answer.cache.value, "vary": "Accept-Encoding"}
    if answer.media_type != JSON.media_type and isinstance(result := answer.result, QueryResult):
        # JSON has them in the body.
        scanned = (0, 0) if narrowed else (result.rows_read, result.bytes_read)
        cost = f'"elapsed":{result.elapsed:.9f},"rows_read":{scanned[0]},"bytes_read":{scanned[1]}'
        headers["x-db-statistics"] = f"{{{cost}}}"
    if answer.etag is not None:
        headers |= {"etag": answer.etag, "cache-control": "no-cache"}
    return headers


@dataclass(frozen=True, slots=True)
class Body:
    """The body of an answer as it is sent: `data` of `result`, in an encoding if any."""

    result: QueryResult
    data: bytes
    encoding: str | None
    media_type: str


def body_headers(headers: Mapping[str, str], media_type: str, encoding: str | None = None) -> Headers:
    """The headers of an answer with those that are about its body, but for its length."""
    listed = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    listed.append((b"content-type", media_type.encode()))
    if encoding is not None:
        listed.append((b"content-encoding", encoding.encode()))
    return listed


@dataclass(frozen=True, slots=True)
class _Known:
    """A request: its token and whom that stood for, what it became under a snapshot, and what it was answered."""

    token: str
    caller: Caller
    snapshot: weakref.ref[Snapshot]
    pipe: str
    values: Mapping[str, str | Sequence[str]]
    texts: CallTexts
    endpoint: object
    prepared: Prepared
    body: Body
    size: int


class Repeats:
    """The requests with GET that were answered from the cache or into it, those not made for the longest going first.

    One event loop's own.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        snapshots: Snapshots,
        queries: QueryService,
        capacity_bytes: int = _CAPACITY_BYTES,
    ) -> None:
        self._authenticator = authenticator
        self._snapshots = snapshots
        self._queries = queries
        self._capacity = capacity_bytes
        self._size = 0
        self._known: OrderedDict[_Key, _Known] = OrderedDict()

    def answer(self, scope: Scope) -> _FromMemory | None:
        """The answer to a request, if it is known; noted as a call, and counted as one of its caller's."""
        if scope["method"] != "GET":
            return None
        key = _key(scope)
        known = self._known.get(key)
        if known is None:
            return None
        try:
            caller = self._authenticator.identified(known.token)
            snapshot = self._snapshots.of(Request(scope), caller)
            if (caller is not known.caller and caller != known.caller) or known.snapshot() is not snapshot:
                return None
            answer = self._queries.repeated(known.prepared, known.body.media_type, header(scope, b"if-none-match"))
            if answer is None or (answer.result is not None and answer.result is not known.body.result):
                return None
            self._authenticator.count(scope, caller)
        except StonechatError:
            return None  # whoever reads the request from its beginning says why
        self._known.move_to_end(key)
        scope["endpoint"] = known.endpoint
        note_call(scope, Call(snapshot, caller, known.pipe, known.values, answer, known.texts))
        return _FromMemory(answer, known.body, caller.is_narrowed)

    def learn(self, request: Request, call: Call, answer: Answer, body: Body) -> None:
        """Remember how a request was answered, if one like it can be answered the same way."""
        scope, prepared = request.scope, answer.prepared
        if scope["method"] != "GET" or prepared is None or not prepared.keeps:
            return
        token = token_of(request)
        caller = self._same_caller(token, call)
        if caller is None:
            return
        key = _key(scope)
        # The URL is there three times: as it came, as it is recorded, and as parameters.
        size = 12 * sum(map(len, key)) + 4 * len(prepared.query.statement) + len(body.data) + 4_000
        if body.data is not body.result.data:
            size += len(body.result.data)
        if size * _LARGEST_SHARE > self._capacity:
            return
        self._remove(key)
        self._known[key] = _Known(
            token,
            caller,
            weakref.ref(call.snapshot),
            call.pipe,
            call.values,
            texts_of(scope, call),
            scope["endpoint"],
            prepared,
            body,
            size,
        )
        self._size += size
        while self._size > self._capacity:
            self._remove(next(iter(self._known)))

    @property
    def size(self) -> int:
        """Bytes of memory that the requests and their bodies take, at most."""
        return self._size

    def _same_caller(self, token: str, call: Call) -> Caller | None:
        """Who the token stands for, if that is still the caller who was allowed to make the call."""
        try:
            caller = self._authenticator.identified(token)
        except StonechatError:
            return None
        return caller if caller.with_names(call.snapshot.names_by_id) == call.caller else None

    def _remove(self, key: _Key) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            self._size -= known.size


@dataclass(frozen=True, slots=True)
class _FromMemory:
    """A response that is ready but for what changes from one request to the next."""

    answer: Answer
    body: Body
    narrowed: bool

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = answer_headers(self.answer, narrowed=self.narrowed)
        if self.answer.result is None:
            listed = [(name.encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": 304, "headers": listed})
            await send({"type": "http.response.body"})
            return
        data = self.body.data
        listed = body_headers(headers, self.body.media_type, self.body.encoding)
        listed.append((b"content-length", b"%d" % len(data)))
        await send({"type": "http.response.start", "status": 200, "headers": listed})
        await send({"type": "http.response.body", "body": data})


def _key(scope: Scope) -> _Key:
    """All of a request that can decide what it becomes; the rest is asked anew."""
    authorization = encodings = b""
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = authorization or value
        elif name == b"accept-encoding":
            encodings = encodings or value
    return scope.get("raw_path") or scope["path"].encode(), scope["query_string"], authorization, encodings
