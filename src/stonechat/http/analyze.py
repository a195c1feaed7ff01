"""`POST /v0/analyze`: rows in, the SCHEMA of a data source that takes them out, and a preview of what it would hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive

from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.bodies import BodyTooLarge, read_body
from stonechat.ingest.infer_csv import infer_csv
from stonechat.ingest.infer_parquet import infer_parquet
from stonechat.ingest.inference import Inference, infer_ndjson
from stonechat.ingest.rows import RowReader
from stonechat.sql.quoting import identifier, literal

SampleFormat = Literal["csv", "ndjson", "parquet"]

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


def routes(authenticator: Authenticator, engine: Engine, *, max_body_bytes: int) -> list[Route]:
    """Inference of schemas. Any valid token may ask: it is shown nothing but what it sends."""

    async def analyze(request: Request) -> Response:
        authenticator.caller(request)
        if "url" in request.query_params:
            # A server that fetches what callers name would reach into its own network for them.
            raise NothingToAnalyze("Analyzing a URL is not supported", hint=_HINT)
        sample = await _sample(request, max_body_bytes)
        return JSONResponse(await asyncio.to_thread(_analysis, sample, engine))

    return [Route("/v0/analyze", analyze, methods=["POST"])]


def _analysis(sample: _Sample, engine: Engine) -> dict[str, object]:
    start = time.perf_counter()
    match sample.format:
        case "csv":
            inference = infer_csv(sample.body)
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
    data = b"".join(verdicts.good.splitlines(keepends=True)[:_PREVIEWED_ROWS]).decode()
    structure = ", ".join(f"{identifier(column.name)} {column.type}" for column in source.columns)
    return engine.fetch(f"SELECT * FROM format(JSONEachRow, {literal(structure)}, {literal(data)})")


async def _sample(request: Request, limit: int) -> _Sample:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _uploaded(Request(request.scope, _bounded(request, limit)))
    body = await read_body(request, limit)
    if not body.strip():
        raise NothingToAnalyze("The request has no rows", hint=_HINT)
    return _Sample(_format(request.query_params.get("format") or kind, body), body)


async def _uploaded(request: Request) -> _Sample:
    async with request.form(max_files=1) as form:
        for name, part in form.multi_items():
            body = await part.read() if isinstance(part, UploadFile) else part.encode()
            if body.strip():
                return _Sample(_format(name, body), body)
    raise NothingToAnalyze("The request has no rows", hint=_HINT)


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
