"""The quarantine of a data source: what is in it and why, and another try for its rows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import ScopeType
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.jobs import asked_in, begun_json
from stonechat.http.targets import Targets
from stonechat.jobs.retries import retry_job
from stonechat.jobs.runner import JobRunner
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.snapshot import Table
from stonechat.sql.quoting import literal

_MOST_ROWS = 1000
_MOST_REASONS = 100


class InvalidLimit(StonechatError):
    """The number of rows to show is none, or more than are shown at once."""

    code = "SC954"
    kind = Kind.INVALID


@dataclass(frozen=True)
class _Handlers:
    authenticator: Authenticator
    targets: Targets
    engine: Engine
    jobs: JobRunner

    async def show(self, request: Request) -> Response:
        """How many rows, for which reasons, and the latest of them."""
        caller = self.authenticator.caller(request)
        snapshot = self.targets.snapshots.of(request, caller)
        source = snapshot.data_source(request.path_params["name"], partial(caller.may, ScopeType.READ_DATA_SOURCE))
        caller.require_all_rows(source.name + QUARANTINE_SUFFIX)
        limit = request.query_params.get("limit", "20")
        if not limit.isdecimal() or len(limit) > len(str(_MOST_ROWS)) or int(limit) > _MOST_ROWS:
            raise InvalidLimit(f"'{limit}' is no number of rows", hint=f"limit is at most {_MOST_ROWS}.")
        table = snapshot.table(source.name + QUARANTINE_SUFFIX)
        shown = await asyncio.to_thread(self._shown, table, int(limit), request.query_params.get("import_id"))
        return JSONResponse({"datasource": {"id": snapshot.identities[source.name].id, "name": source.name}, **shown})

    async def retry(self, request: Request) -> Response:
        """A job that puts into the data source what fits by now."""
        caller = self.authenticator.caller(request)
        target = self.targets.of(request, caller, request.path_params["name"])
        target.require_live()
        new = asked_in(request, retry_job(target.snapshot, target.source, caller.token_id))
        job = await asyncio.to_thread(self.jobs.submit, new)
        return JSONResponse(begun_json(request, self.jobs, job))

    def _shown(self, table: Table, limit: int, import_id: str | None) -> dict[str, Any]:
        where = "1" if import_id is None else f"c__import_id = {literal(import_id)}"
        (count,) = self._rows(f"SELECT count() AS rows FROM {table} WHERE {where}")
        # What differs from row to row, the value, is left out, so that equal causes are counted together.
        reasons = self._rows(
            "SELECT tupleElement(c__reason, 1) AS column, "
            "replaceRegexpOne(tupleElement(c__reason, 2), '^value \\'(?s:.*)\\' on', 'value on') AS error, "
            f"count() AS rows FROM {table} ARRAY JOIN arrayZip(c__error_column, c__error) AS c__reason "
            f"WHERE {where} GROUP BY column, error ORDER BY rows DESC, column, error LIMIT {_MOST_REASONS}"
        )
        latest = self._rows(
            "SELECT insertion_date, c__import_id AS import_id, c__error_column AS columns, c__error AS errors, "
            f"c__raw AS raw FROM {table} WHERE {where} ORDER BY insertion_date DESC, raw LIMIT {limit}"
        )
        return {"rows": count["rows"], "reasons": reasons, "data": latest}

    def _rows(self, statement: str) -> list[dict[str, Any]]:
        return self.engine.fetch(statement)


def routes(authenticator: Authenticator, targets: Targets, engine: Engine, jobs: JobRunner) -> list[Route]:
    """Routes of the program's own beside the Data Sources API."""
    handlers = _Handlers(authenticator, targets, engine, jobs)
    return [
        Route("/v0/datasources/{name}/quarantine", handlers.show, methods=["GET"]),
        Route("/v0/datasources/{name}/quarantine/retry", handlers.retry, methods=["POST"]),
    ]
