"""`POST /v0/events`: events in, one answer with how many were taken and how many went to the quarantine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stonechat.auth.access import Caller, ScopeType
from stonechat.datafile.resources import DataSource
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator, token_of
from stonechat.http.bodies import read_body, text_of
from stonechat.http.headers import BareResponse, header
from stonechat.http.snapshots import Snapshots
from stonechat.ingest.idempotency import LONGEST_KEY
from stonechat.ingest.ingestion import Ingestion
from stonechat.ingest.rows import Format
from stonechat.project.snapshot import Snapshot
from stonechat.telemetry.recorder import Telemetry

_MOST_HEADS = 1000
_IDEMPOTENCY_KEY = b"idempotency_key"
_JSON = (b"content-type", b"application/json")
_REPLAYED = (b"idempotency-replayed", b"true")


class MissingName(StonechatError):
    """The request does not say which data source its events are for."""

    code = "SC930"
    kind = Kind.INVALID


class InvalidParameter(StonechatError):
    """A parameter of the Events API has a value that it does not know."""

    code = "SC931"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class _Target:
    """What the head of a request says: who sends to which data source, and how."""

    token: str
    caller: Caller
    snapshot: Snapshot
    source: DataSource
    identity: str
    format: Format
    wait: bool


class _Targets:
    """Finds the target of a request. Senders repeat their heads, so those seen last are not read again.

    What may change is asked anew each time: whom the token stands for, what is live, and how often it may ask.
    """

    def __init__(self, authenticator: Authenticator, snapshots: Snapshots) -> None:
        self._authenticator = authenticator
        self._snapshots = snapshots
        self._known: dict[tuple[bytes, str], _Target] = {}

    def of(self, request: Request) -> _Target:
        """The target, with the request counted as one of its caller's. Raises what is wrong with the request."""
        head = request.scope["query_string"], header(request.scope, b"authorization") or ""
        known = self._known.get(head)
        if known is not None:
            caller = self._authenticator.identified(known.token)
            if caller == known.caller and self._snapshots.of(request, caller) is known.snapshot:
                self._authenticator.count(request.scope, caller)
                return known
            self._known.clear()  # so that no snapshot is kept that is not live any more
        target = self._read(request)
        if _IDEMPOTENCY_KEY not in head[0] and target.caller == self._authenticator.identified(target.token):
            if len(self._known) >= _MOST_HEADS:
                self._known.clear()
            self._known[head] = target
        return target

    def _read(self, request: Request) -> _Target:
        caller = self._authenticator.caller(request)
        query = request.query_params
        name = query.get("name", "")
        if not name:
            raise MissingName("The parameter 'name' is missing", hint="Call /v0/events?name=<data source>.")
        snapshot = self._snapshots.of(request, caller)
        source = snapshot.data_source(name, partial(caller.may, ScopeType.APPEND_DATA_SOURCE))
        caller.require(ScopeType.APPEND_DATA_SOURCE, source.name)
        form = _format(query.get("format") or "ndjson")
        wait = _boolean("wait", query.get("wait", "false"))
        return _Target(token_of(request), caller, snapshot, source, snapshot.identities[source.name].id, form, wait)


def routes(
    authenticator: Authenticator,
    snapshots: Snapshots,
    ingestion: Ingestion,
    telemetry: Telemetry,
    *,
    max_body_bytes: int,
) -> list[Route]:
    """The Events API."""
    targets = _Targets(authenticator, snapshots)

    async def send_events(request: Request) -> Response:
        target = targets.of(request)
        key = _idempotency_key(request)
        body = text_of(await read_body(request, max_body_bytes))
        identity, source = target.identity, target.source
        with telemetry.events_request(target.snapshot.workspace, identity, source.name, len(body)) as taken:
            receipt = await ingestion.accept(
                target.snapshot.route(source.name),
                source,
                body,
                format=target.format,
                wait=target.wait,
                idempotency_key=key,
                staged=snapshots.beside(target.snapshot, source.name),
            )
            if not receipt.repeated:
                taken.rows(receipt.successful_rows, receipt.quarantined_rows)
        content = b'{"successful_rows":%d,"quarantined_rows":%d}' % (receipt.successful_rows, receipt.quarantined_rows)
        about = _REPLAYED if receipt.repeated else (b"server-timing", receipt.timing.encode())
        return BareResponse(content, [_JSON, about], 200 if receipt.committed else 202)

    return [Route("/v0/events", send_events, methods=["POST"])]


def _format(text: str) -> Format:
    match text:
        case "ndjson" | "json":
            return text
        case _:
            raise InvalidParameter(f"The format '{text}' is unknown", hint="Use format=ndjson or format=json.")


def _idempotency_key(request: Request) -> str:
    """What the sender calls this request, so that sending it again does no harm; empty where it has no name."""
    key = header(request.scope, b"idempotency-key") or ""
    query = request.scope["query_string"]
    if not key and (_IDEMPOTENCY_KEY in query or b"%" in query):
        key = request.query_params.get("idempotency_key", "")
    if len(key) > LONGEST_KEY:
        raise InvalidParameter(f"The idempotency key is longer than {LONGEST_KEY} characters", hint="Use a UUID.")
    return key


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0", ""}:
        raise InvalidParameter(f"The parameter '{name}' is neither true nor false: '{text}'")
    return text.lower() in {"true", "1"}
