"""`POST /v0/events`: events in, one answer with how many were taken and how many went to the quarantine."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stonechat.auth.access import ScopeType
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.bodies import read_body
from stonechat.http.snapshots import Snapshots
from stonechat.ingest.idempotency import LONGEST_KEY
from stonechat.ingest.ingestion import Ingestion
from stonechat.ingest.rows import Format
from stonechat.telemetry.recorder import Telemetry


class MissingName(StonechatError):
    """The request does not say which data source its events are for."""

    code = "SC930"
    kind = Kind.INVALID


class InvalidParameter(StonechatError):
    """A parameter of the Events API has a value that it does not know."""

    code = "SC931"
    kind = Kind.INVALID


def routes(
    authenticator: Authenticator,
    snapshots: Snapshots,
    ingestion: Ingestion,
    telemetry: Telemetry,
    *,
    max_body_bytes: int,
) -> list[Route]:
    """The Events API."""

    async def send_events(request: Request) -> Response:
        caller = authenticator.caller(request)
        query = request.query_params
        name = query.get("name", "")
        if not name:
            raise MissingName("The parameter 'name' is missing", hint="Call /v0/events?name=<data source>.")
        snapshot = snapshots.of(request, caller)
        source = snapshot.data_source(name)
        caller.require(ScopeType.APPEND_DATA_SOURCE, source.name)
        form = _format(query.get("format", "ndjson"))
        wait = _boolean("wait", query.get("wait", "false"))
        key = _idempotency_key(request)
        body = await read_body(request, max_body_bytes)
        identity = snapshot.identities[source.name].id
        with telemetry.events_request(snapshot.workspace, identity, source.name, len(body)) as taken:
            receipt = await ingestion.accept(identity, source, body, format=form, wait=wait, idempotency_key=key)
            if not receipt.repeated:
                taken.rows(receipt.successful_rows, receipt.quarantined_rows)
        content = b'{"successful_rows":%d,"quarantined_rows":%d}' % (receipt.successful_rows, receipt.quarantined_rows)
        status = 200 if receipt.committed else 202
        headers = {"Idempotency-Replayed": "true"} if receipt.repeated else {"Server-Timing": receipt.timing}
        return Response(content, status_code=status, media_type="application/json", headers=headers)

    return [Route("/v0/events", send_events, methods=["POST"])]


def _format(text: str) -> Format:
    match text:
        case "ndjson" | "json":
            return text
        case _:
            raise InvalidParameter(f"The format '{text}' is unknown", hint="Use format=ndjson or format=json.")


def _idempotency_key(request: Request) -> str:
    """What the sender calls this request, so that sending it again does no harm; empty where it has no name."""
    key = request.headers.get("idempotency-key") or request.query_params.get("idempotency_key", "")
    if len(key) > LONGEST_KEY:
        raise InvalidParameter(f"The idempotency key is longer than {LONGEST_KEY} characters", hint="Use a UUID.")
    return key


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0", ""}:
        raise InvalidParameter(f"The parameter '{name}' is neither true nor false: '{text}'")
    return text.lower() in {"true", "1"}
