"""Files into data sources: `POST /v0/datasources`, and `/v1/datasources/NAME/append`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from stonechat.auth.access import ScopeType
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.import_progress import block_log, progress_lines
from stonechat.http.jobs import asked_in, begun_json, wants_block_log
from stonechat.http.targets import OnlyByDeployment, Target, Targets
from stonechat.http.uploads import Upload, receive
from stonechat.ingest.files.dialect import DialectParameters
from stonechat.ingest.files.fetching import require_url
from stonechat.ingest.files.formats import FileFormat, format_by_name, format_of
from stonechat.ingest.imports import Tally
from stonechat.jobs.contents import Replacement
from stonechat.jobs.import_orders import ImportOrder, import_job
from stonechat.jobs.imports import Importer
from stonechat.jobs.kinds import JobInterrupted
from stonechat.jobs.runner import JobRunner
from stonechat.jobs.store import Job, JobStatus
from stonechat.project.description import descriptions_of
from stonechat.query.storage import stored_tables

_SMALL_BYTES = 1_000_000
_LONGEST_WAIT = 1.0
"""Seconds that an answer waits for the job of a small file: some clients look at it once and expect it to be done."""
_MODES = {"create", "append", "replace"}


class InvalidImport(StonechatError):
    """A parameter of an import is missing or has a value that it does not take, or there is no file."""

    code = "SC959"
    kind = Kind.INVALID


@dataclass(frozen=True)
class Imports:
    """What imports are made with. `threads` run those that callers wait for; further ones wait for these."""

    importer: Importer
    jobs: JobRunner
    engine: Engine
    threads: Executor


@dataclass(frozen=True)
class _Handlers:
    authenticator: Authenticator
    imports: Imports
    targets: Targets
    max_upload_bytes: int

    async def post(self, request: Request) -> Response:
        """A file, or the URL of one, in the form of the v0 API: a body is imported before the answer."""
        caller = self.authenticator.caller(request)
        async with self._received(request) as received:
            values = received.values
            mode = values.get("mode", "create")
            if mode not in _MODES:
                raise InvalidImport(f"The mode '{mode}' is unknown", hint="Use append or replace.")
            if mode == "create":
                caller.require(ScopeType.CREATE_DATA_SOURCE)
                raise OnlyByDeployment
            target = self.targets.of(request, caller, values.get("name", ""), rewriting=mode == "replace")
            order = await self._order(received, target, replacing=mode == "replace")
            if order.url is not None:
                return await self._begin(request, target, order, received)
            _require_boolean(values, "type_guessing")  # the columns are there, with their types
            if _require_boolean(values, "progress"):
                job = await self._submitted(request, target, order, received)
                answer = partial(self._answer, request, target)
                lines = progress_lines(self.imports.jobs, job, self.imports.threads, answer)
                return StreamingResponse(lines, media_type="application/x-ndjson")
            received.kept = True
            job = await self._finished(request, target, order)
            return JSONResponse(await asyncio.to_thread(self._answer, request, target, job))

    async def append(self, request: Request) -> Response:
        """A file, or the URL of one, in the form of the v1 API: a job imports it."""
        return await self._submit(request, replacing=False)

    async def replace(self, request: Request) -> Response:
        """The same, but the rows replace those that are there."""
        return await self._submit(request, replacing=True)

    async def _submit(self, request: Request, *, replacing: bool) -> Response:
        caller = self.authenticator.caller(request)
        target = self.targets.of(request, caller, request.path_params["name"], rewriting=replacing)
        async with self._received(request) as received:
            order = await self._order(received, target, replacing=replacing)
            return await self._begin(request, target, order, received)

    @asynccontextmanager
    async def _received(self, request: Request) -> AsyncIterator[_Received]:
        """The request's file on the disk; gone at the end, unless it is `kept`."""
        path = self.imports.importer.new_file()
        kept = False
        try:
            upload = await receive(request, path, self.max_upload_bytes)
            received = _Received(path, upload, {**upload.fields, **request.query_params})
            yield received
            kept = received.kept
        finally:
            if not kept:
                await asyncio.to_thread(partial(path.unlink, missing_ok=True))

    async def _order(self, received: _Received, target: Target, *, replacing: bool) -> ImportOrder:
        order = _order(received)
        if not replacing:
            return order
        values = received.values
        condition = values.get("replace_condition")
        if condition:
            condition = await asyncio.to_thread(target.condition, condition, self.imports.engine)
        skip = values.get("skip_incompatible_partition_key", "").lower() == "true"
        return replace(order, replacement=Replacement(condition or None, skip_incompatible=skip))

    async def _begin(self, request: Request, target: Target, order: ImportOrder, received: _Received) -> Response:
        job = await self._submitted(request, target, order, received)
        if 0 < received.upload.size <= _SMALL_BYTES:
            wait = partial(self.imports.jobs.wait, job, seconds=_LONGEST_WAIT)
            job = await asyncio.get_running_loop().run_in_executor(self.imports.threads, wait)
        # A small file is done by now: clients show what is told here, and the rows that did not fit with it.
        told = Tally.of(job.notes.get("tally", {})).error if job.status is JobStatus.DONE else None
        begun = begun_json(request, self.imports.jobs, job, import_id=order.file)
        return JSONResponse({**begun, "error": told} if told else begun)

    async def _submitted(self, request: Request, target: Target, order: ImportOrder, received: _Received) -> Job:
        new = asked_in(request, import_job(target.snapshot, target.source, order, target.caller.token_id))
        received.kept = True  # before: whoever ends this request from now on must not take the file from the job
        try:
            return await asyncio.to_thread(self.imports.jobs.submit, new)
        except Exception:
            received.kept = False
            raise

    async def _finished(self, request: Request, target: Target, order: ImportOrder) -> Job:
        """The job of an order, run to its end. What fails is not tried again, so its file goes."""
        new = asked_in(request, import_job(target.snapshot, target.source, order, target.caller.token_id))
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.imports.threads, self.imports.jobs.run, new)
        except JobInterrupted:
            raise  # it goes on after the next start
        except StonechatError:
            await asyncio.to_thread(self.imports.importer.remove, order)
            raise

    def _answer(self, request: Request, target: Target, job: Job) -> Mapping[str, object]:
        described: object = {"id": target.identity, "name": target.source.name}
        name = target.source.name
        if target.caller.may(ScopeType.READ_DATA_SOURCE, name) and name not in target.caller.filters:
            tables = stored_tables(self.imports.engine, target.snapshot)
            may_read = partial(target.caller.may, ScopeType.READ_PIPE)
            described = descriptions_of(target.snapshot).data_source(target.source, tables, may_read)
        more = {"block_log": block_log(job)} if wants_block_log(request) else {}
        error = Tally.of(job.notes.get("tally", {})).error or False
        return {"datasource": described, "error": error, **job.result, **more}


@dataclass(slots=True)
class _Received:
    """A file on the disk, and all parameters that came with it."""

    path: Path
    upload: Upload
    values: Mapping[str, str]
    kept: bool = False


def routes(authenticator: Authenticator, imports: Imports, targets: Targets, *, max_upload_bytes: int) -> list[Route]:
    """The Data Sources API, as far as it takes files."""
    handlers = _Handlers(authenticator, imports, targets, max_upload_bytes)
    return [
        Route("/v0/datasources", handlers.post, methods=["POST"]),
        Route("/v1/datasources/{name}/append", handlers.append, methods=["POST"]),
        Route("/v1/datasources/{name}/replace", handlers.replace, methods=["POST"]),
    ]


def _require_boolean(values: Mapping[str, str], name: str) -> bool:
    """Whether a parameter says yes. Raises `InvalidImport` for what is neither yes nor no."""
    text = values.get(name, "").lower()
    if text not in {"", "true", "false", "1", "0"}:
        raise InvalidImport(f"The parameter '{name}' is neither true nor false: '{values[name]}'")
    return text in {"true", "1"}


def _order(received: _Received) -> ImportOrder:
    upload, values = received.upload, received.values
    url = values.get("url")
    if not url and not upload.size:
        raise InvalidImport(
            "There is no file", hint="Send it as the body, as a field 'csv' of a form, or give the parameter 'url'."
        )
    if url and upload.size:
        raise InvalidImport("There are both a file and a URL", hint="Send one of them.")
    if url:
        require_url(url)
    dialect = DialectParameters.checked(
        values.get("dialect_delimiter"), values.get("dialect_new_line"), values.get("dialect_escapechar")
    )
    named = values.get("format")
    form = format_of(named) if named else _format(upload)
    return replace(ImportOrder(received.path.name, url or None, dialect=dialect), format=form)


def _format(upload: Upload) -> FileFormat | None:
    """What a form's file is called, or its field. The field `csv` says nothing: clients use it for every format."""
    found = format_by_name(upload.name, upload.media_type)
    if found is None and upload.form_field in {"ndjson", "parquet"}:
        return FileFormat(upload.form_field)
    return found
