"""`POST /v0/analyze`: rows in, the SCHEMA of a data source that takes them out, and a preview of what it would hold."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive

from stonechat.auth.access import ScopeType
from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.bodies import BodyTooLarge, read_body
from stonechat.ingest.feeding import stored_form
from stonechat.ingest.files.batches import UnreadableFile
from stonechat.ingest.files.decompression import plain
from stonechat.ingest.files.fetching import FetchLimits, fetch
from stonechat.ingest.files.formats import format_by_name, format_of
from stonechat.ingest.infer_csv import infer_csv
from stonechat.ingest.infer_parquet import infer_parquet
from stonechat.ingest.inference import Inference, infer_ndjson
from stonechat.ingest.rows import RowReader
from stonechat.sql.quoting import identifier, literal

SampleFormat = Literal["csv", "ndjson", "parquet"]

_FETCHED_BYTES = 32_000_000
"""As much of a URL is looked at: the beginning of rows in lines, a Parquet file as a whole."""
_ANALYZED_BYTES = 32_000_000
_PREVIEWED_ROWS = 10
_CHECKED_ROWS = 100
_PARQUET_MARK = b"PAR1"
_HINT = "Send the rows in the body, or as a multipart field named csv, ndjson or parquet."


class NothingToAnalyze(StonechatError):
    """The request has no rows, or has them in a format or place that is not supported."""

    code = "SC955"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class _Sample:
    format: SampleFormat
    body: bytes


def routes(
    authenticator: Authenticator, engine: Engine, *, max_body_bytes: int, url_seconds: float, private_allowed: bool
) -> list[Route]:
    """Inference of schemas. Any valid token may ask: it is shown nothing but what it sends.

    URLs are only for those who may write to a data source: the server fetches them.
    """

    def fetched(url: str, named: str) -> _Sample:
        limits = FetchLimits(
            _FETCHED_BYTES, seconds=60.0, silence=url_seconds, private_allowed=private_allowed, cut=True
        )
        file = io.BytesIO()
        found = fetch(url, file, limits)
        body = _beginning(file.getvalue())
        if not body.strip():
            raise NothingToAnalyze("The file behind the URL is empty")
        form = format_by_name(found.name, found.media_type)
        return _Sample(_format(named or form or "", body), body)

    async def analyze(request: Request) -> Response:
        caller = authenticator.caller(request)
        url = request.query_params.get("url")
        if url is None:
            sample = await _sample(request, max_body_bytes)
        else:
            if not any(scope.type is ScopeType.APPEND_DATA_SOURCE for scope in caller.scopes):
                caller.require(ScopeType.CREATE_DATA_SOURCE)
            sample = await asyncio.to_thread(fetched, url, _asked_format(request))
        guessing = request.query_params.get("type_guessing", "").lower() not in {"false", "0"}
        return JSONResponse(await asyncio.to_thread(_analysis, sample, engine, guessing=guessing))

    return [Route("/v0/analyze", analyze, methods=["POST"])]


def _beginning(content: bytes) -> bytes:
    """The first bytes of a file, decompressed; of rows in lines, whole ones."""
    raw = io.BytesIO(content)
    plain_file = plain(raw, _ANALYZED_BYTES * 2)
    pieces: list[bytes] = []
    size = 0
    try:
        while size < _ANALYZED_BYTES and (piece := plain_file.read(1 << 16)):
            pieces.append(piece)
            size += len(piece)
    except UnreadableFile:
        if not pieces:  # else the file was cut where it was fetched, or is damaged further on
            raise
    body = b"".join(pieces)
    whole = len(content) < _FETCHED_BYTES and size < _ANALYZED_BYTES
    return body if whole or body.startswith(_PARQUET_MARK) else body[: body.rfind(b"\n") + 1] or body


def _analysis(sample: _Sample, engine: Engine, *, guessing: bool) -> dict[str, object]:
    start = time.perf_counter()
    match sample.format:
        case "csv":
            inference = infer_csv(sample.body, guessing=guessing)
        case "parquet":
            inference = infer_parquet(engine, sample.body)
        case "ndjson":
            inference = infer_ndjson(sample.body)
    columns = [
        {
            "name": column.name,
            "path": column.path,
            "recommended_type": column.type,
            "present_pct": round(column.present, 4),
        }
        for column in inference.columns
    ]
    rows = _preview(inference, engine)
    statistics = {
        "elapsed": time.perf_counter() - start,
        "rows_read": len(inference.rows),
        "bytes_read": sum(map(len, inference.rows)),
    }
    meta = [{"name": column.name, "type": column.type} for column in inference.columns]
    return {
        "analysis": {"columns": columns, "schema": inference.schema},
        "preview": {"meta": meta, "data": rows, "rows": len(rows), "statistics": statistics},
    }


def _preview(inference: Inference, engine: Engine) -> Sequence[object]:
    """The first rows as the table would hold them: read at the door, then written and read by the engine."""
    source = read_datafile("analyzed.datasource", f"SCHEMA >\n    {inference.schema}\n")
    assert isinstance(source, DataSource)
    verdicts = RowReader.for_data_source(source).read(b"\n".join(inference.rows[:_CHECKED_ROWS]))
    rows = RowReader(stored_form(source.columns)).canonical(verdicts.good)
    data = b"".join(rows[:_PREVIEWED_ROWS]).decode()
    structure = ", ".join(f"{identifier(column.name)} {column.type}" for column in source.columns)
    return engine.fetch(f"SELECT * FROM format(JSONEachRow, {literal(structure)}, {literal(data)})")


async def _sample(request: Request, limit: int) -> _Sample:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _uploaded(Request(request.scope, _bounded(request, limit)))
    body = await read_body(request, limit)
    if not body.strip():
        raise NothingToAnalyze("The request has no rows", hint=_HINT)
    rows = await asyncio.to_thread(_beginning, body)
    return _Sample(_format(_asked_format(request) or kind, rows), rows)


async def _uploaded(request: Request) -> _Sample:
    async with request.form(max_files=1) as form:
        for name, part in form.multi_items():
            body = await part.read() if isinstance(part, UploadFile) else part.encode()
            if body.strip():
                rows = await asyncio.to_thread(_beginning, body)
                return _Sample(_format(_asked_format(request) or _called(name, part), rows), rows)
    raise NothingToAnalyze("The request has no rows", hint=_HINT)


def _asked_format(request: Request) -> str:
    """What the parameter `format` says, if anything. Raises `UnknownFormat`."""
    name = request.query_params.get("format", "")
    return format_of(name) if name else ""


def _called(field: str, part: UploadFile | str) -> str:
    """What a file in a form is called, or its field. The field `csv` says nothing: clients use it for every format."""
    named = format_by_name(part.filename or "", part.content_type or "") if isinstance(part, UploadFile) else None
    return named or ("" if field == "csv" else field)


def _format(name: str, body: bytes) -> SampleFormat:
    """The format by the name of a field, a parameter or a media type; where those say nothing, by the rows."""
    if body.startswith(_PARQUET_MARK) or "parquet" in name:
        return "parquet"
    if "csv" in name:
        return "csv"
    if "json" in name:
        return "ndjson"
    return "ndjson" if body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["} else "csv"


def _bounded(request: Request, limit: int) -> Receive:
    """The events of a request, up to so many bytes of body."""
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise BodyTooLarge(f"The request body is larger than {limit} bytes")
        return message

    return receive
