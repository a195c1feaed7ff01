"""Files into data sources: `POST /v0/datasources`, and `/v1/datasources/NAME/append`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import Caller, ScopeType
from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.jobs import job_json
from stonechat.http.snapshots import Snapshots
from stonechat.http.uploads import Upload, receive
from stonechat.ingest.files.dialect import DialectParameters
from stonechat.ingest.files.formats import FileFormat, format_by_name, format_of
from stonechat.ingest.imports import Tally
from stonechat.jobs.imports import Importer, ImportOrder, import_job, import_result
from stonechat.jobs.runner import JobRunner
from stonechat.project.description import descriptions_of
from stonechat.project.live import Snapshot, UnknownDataSource
from stonechat.query.storage import stored_tables
from stonechat.telemetry.recorder import Telemetry

_BARRED = "Adding or modifying data sources to this workspace can only be done via deployments"
_MODES = {"create", "append", "replace"}


class OnlyByDeployment(StonechatError):
    """Data sources are made, changed and removed by deploying their files, and not over the API."""

    code = "SC956"
    kind = Kind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__(_BARRED, hint="Change the project's files and deploy them: POST /v1/deploy.")


class InvalidImport(StonechatError):
    """A parameter of an import is missing or has a value that it does not take, or there is no file."""

    code = "SC959"
    kind = Kind.INVALID


@dataclass(frozen=True)
class Imports:
    """What imports are made with."""

    importer: Importer
    jobs: JobRunner
    engine: Engine


@dataclass(frozen=True)
class _Handlers:
    authenticator: Authenticator
    snapshots: Snapshots
    imports: Imports
    telemetry: Telemetry
    max_upload_bytes: int
    missing_is_forbidden: bool

    async def post(self, request: Request) -> Response:
        """A file, or the URL of one, in the form of the v0 API: a body is imported before the answer."""
        caller = self.authenticator.caller(request)
        path = self.imports.importer.new_file()
        kept = False
        try:
            upload = await receive(request, path, self.max_upload_bytes)
            values = {**upload.fields, **request.query_params}
            mode = values.get("mode", "create")
            if mode not in _MODES:
                raise InvalidImport(f"The mode '{mode}' is unknown", hint="Use append or replace.")
            if mode == "create":
                caller.require(ScopeType.CREATE_DATA_SOURCE)
                raise OnlyByDeployment
            snapshot = self.snapshots.of(request, caller)
            source = self._target(caller, snapshot, values.get("name", ""))
            order = _order(path, upload, values)
            if order.url is not None:
                kept = True
                return await self._begin(request, caller, snapshot, source, order)
            identity = snapshot.identities[source.name].id
            kept = True
            workspace, import_id = snapshot.workspace, order.file
            with self.telemetry.operation(workspace, "append", identity, source.name, import_id=import_id) as done:
                tally = await self.imports.importer.append(identity, source, order)
                done.rows(tally.successful_rows, tally.quarantined_rows)
            return JSONResponse(await asyncio.to_thread(self._answer, caller, snapshot, source, order, tally))
        finally:
            if not kept:
                await asyncio.to_thread(partial(path.unlink, missing_ok=True))

    async def append(self, request: Request) -> Response:
        """A file, or the URL of one, in the form of the v1 API: a job imports it."""
        caller = self.authenticator.caller(request)
        snapshot = self.snapshots.of(request, caller)
        source = self._target(caller, snapshot, request.path_params["name"])
        path = self.imports.importer.new_file()
        kept = False
        try:
            upload = await receive(request, path, self.max_upload_bytes)
            order = _order(path, upload, {**upload.fields, **request.query_params})
            answer = await self._begin(request, caller, snapshot, source, order)
            kept = True
        finally:
            if not kept:
                await asyncio.to_thread(partial(path.unlink, missing_ok=True))
        return answer

    def _target(self, caller: Caller, snapshot: Snapshot, name: str) -> DataSource:
        """The data source to append to. Raises `UnknownDataSource`, `OnlyByDeployment` and `AccessDenied`."""
        if not name:
            raise InvalidImport("The parameter 'name' is missing", hint="It names a data source.")
        try:
            source = snapshot.data_source(name)
        except UnknownDataSource:
            if self.missing_is_forbidden:
                raise OnlyByDeployment from None
            raise
        if not caller.may(ScopeType.CREATE_DATA_SOURCE):
            caller.require(ScopeType.APPEND_DATA_SOURCE, source.name)
        return source

    async def _begin(
        self, request: Request, caller: Caller, snapshot: Snapshot, source: DataSource, order: ImportOrder
    ) -> Response:
        new = import_job(snapshot, source, order, caller.token_id)
        job = await asyncio.to_thread(self.imports.jobs.submit, new)
        shown = job_json(request, self.imports.jobs, job) | {"import_id": order.file}
        return JSONResponse({**shown, "job": shown})

    def _answer(
        self, caller: Caller, snapshot: Snapshot, source: DataSource, order: ImportOrder, tally: Tally
    ) -> Mapping[str, object]:
        identity = snapshot.identities[source.name].id
        described: object = {"id": identity, "name": source.name}
        if caller.may(ScopeType.READ_DATA_SOURCE, source.name):
            tables = stored_tables(self.imports.engine, snapshot)
            may_read = partial(caller.may, ScopeType.READ_PIPE)
            described = descriptions_of(snapshot).data_source(source, tables, may_read)
        return {"datasource": described, "error": tally.error or False, **import_result(order.file, tally)}


def routes(
    authenticator: Authenticator,
    snapshots: Snapshots,
    imports: Imports,
    telemetry: Telemetry,
    *,
    max_upload_bytes: int,
    missing_is_forbidden: bool,
) -> list[Route]:
    """The Data Sources API, as far as it takes files."""
    handlers = _Handlers(authenticator, snapshots, imports, telemetry, max_upload_bytes, missing_is_forbidden)
    return [
        Route("/v0/datasources", handlers.post, methods=["POST"]),
        Route("/v1/datasources/{name}/append", handlers.append, methods=["POST"]),
    ]


def _order(path: Path, upload: Upload, values: Mapping[str, str]) -> ImportOrder:
    url = values.get("url")
    if not url and not upload.size:
        raise InvalidImport(
            "There is no file", hint="Send it as the body, as a field 'csv' of a form, or give the parameter 'url'."
        )
    if url and upload.size:
        raise InvalidImport("There are both a file and a URL", hint="Send one of them.")
    dialect = DialectParameters.checked(
        values.get("dialect_delimiter"), values.get("dialect_new_line"), values.get("dialect_escapechar")
    )
    named = values.get("format")
    form = format_of(named) if named else _format(upload)
    return replace(ImportOrder(path.name, url or None, dialect=dialect), format=form)


def _format(upload: Upload) -> FileFormat | None:
    """What a form's file is called, or its field. The field `csv` says nothing: clients use it for every format."""
    found = format_by_name(upload.name, upload.media_type)
    if found is None and upload.form_field in {"ndjson", "parquet"}:
        return FileFormat(upload.form_field)
    return found
