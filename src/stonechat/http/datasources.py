"""What data sources say of themselves: the list, one data source with what it holds, its datafile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import BeyondScopes, Caller, ScopeType
from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import Engine
from stonechat.http.attributes import asked_for, only
from stonechat.http.authentication import Authenticator
from stonechat.http.datafiles import datafile_response
from stonechat.http.snapshots import Snapshots
from stonechat.ingest.unknown_fields import UnknownFields
from stonechat.project.description import Descriptions, Json, StoredTable, descriptions_of
from stonechat.project.feeding import fed_by
from stonechat.project.sharing import SharedSource
from stonechat.project.snapshot import SharedIsReadOnly
from stonechat.query.storage import stored_tables

# Clients that ask for the columns build a table out of the answer, and read all of these.
_COME_WITH_COLUMNS = frozenset({"engine", "indexes", "new_columns_detected", "quarantine_rows"})
# What all rows together tell is not for those who may see only some of them.
_OUT_OF_SIGHT: Json = {
    "statistics": {"bytes": None, "row_count": None},
    "quarantine_rows": None,
    "new_columns_detected": {},
}


@dataclass(frozen=True)
class _DataSources:
    """The handlers, and what they need."""

    authenticator: Authenticator
    snapshots: Snapshots
    engine: Engine
    unknown_fields: UnknownFields

    async def list_all(self, request: Request) -> Response:
        caller = self.authenticator.caller(request)
        described = descriptions_of(self.snapshots.of(request, caller))
        tables = await self._tables(described)
        wanted = asked_for(request, "attrs")
        found = [
            only(_listed(self._described(caller, described, source, tables)), _with_companions(wanted))
            for name, source in sorted(described.snapshot.project.data_sources.items())
            if caller.may(ScopeType.READ_DATA_SOURCE, name)
        ]
        found += [
            only(_listed(self._shared(caller, described, shared, tables)), _with_companions(wanted))
            for name, shared in sorted(described.snapshot.project.shared.items())
            if caller.may(ScopeType.READ_DATA_SOURCE, name)
        ]
        return JSONResponse({"datasources": found})

    async def show(self, request: Request) -> Response:
        caller, described, source = self._readable(request)
        tables = await self._tables(described)
        if isinstance(source, SharedSource):
            whole = self._shared(caller, described, source, tables)
        else:
            whole = self._described(caller, described, source, tables)
        return JSONResponse(only(whole, asked_for(request, "attrs")))

    async def show_dependencies(self, request: Request) -> Response:
        """The data sources that views fill from one: what goes with its rows, where clients empty them in cascade."""
        caller = self.authenticator.caller(request)
        caller.require(ScopeType.ADMIN)
        snapshot = self.snapshots.of(request, caller)
        source = snapshot.data_source(request.query_params.get("datasource", ""))
        project = snapshot.project
        found = fed_by(source.name, project.pipes.values(), project.templates, project.lineage)
        return JSONResponse({"dependencies": found, "incompatible_datasources": {}})

    async def show_datafile(self, request: Request) -> Response:
        caller, described, source = self._readable(request)
        if caller.is_signed:
            raise BeyondScopes
        if isinstance(source, SharedSource):
            raise SharedIsReadOnly(source)
        return datafile_response(described.datafile(source))

    def _described(
        self, caller: Caller, described: Descriptions, source: DataSource, tables: Mapping[str, StoredTable]
    ) -> Json:
        whole = described.data_source(source, tables, partial(caller.may, ScopeType.READ_PIPE))
        if source.name in caller.filters:
            return {**whole, **_OUT_OF_SIGHT}
        detected = self.unknown_fields.of(str(whole["id"]))
        fields = {name: {"jsonpath": f"$.{name}", "events": count} for name, count in detected.items()}
        return {**whole, "new_columns_detected": fields}

    def _shared(
        self, caller: Caller, described: Descriptions, shared: SharedSource, tables: Mapping[str, StoredTable]
    ) -> Json:
        whole = described.shared(shared, tables, partial(caller.may, ScopeType.READ_PIPE))
        return {**whole, **_OUT_OF_SIGHT} if shared.name in caller.filters else whole

    def _readable(self, request: Request) -> tuple[Caller, Descriptions, DataSource | SharedSource]:
        caller = self.authenticator.caller(request)
        described = descriptions_of(self.snapshots.of(request, caller))
        may_read = partial(caller.may, ScopeType.READ_DATA_SOURCE)
        name, snapshot = request.path_params["name"], described.snapshot
        source = snapshot.shared_source(name) or snapshot.data_source(name, may_read)
        caller.require(ScopeType.READ_DATA_SOURCE, source.name)
        return caller, described, source

    async def _tables(self, described: Descriptions) -> Mapping[str, StoredTable]:
        return await asyncio.to_thread(stored_tables, self.engine, described.snapshot)


def routes(
    authenticator: Authenticator, snapshots: Snapshots, engine: Engine, unknown_fields: UnknownFields
) -> list[Route]:
    """The Data Sources API, as far as it describes."""
    handlers = _DataSources(authenticator, snapshots, engine, unknown_fields)
    return [
        Route("/v0/datasources", handlers.list_all, methods=["GET"]),
        Route("/v0/dependencies", handlers.show_dependencies, methods=["GET"]),
        Route("/v0/datasources/{name}.datasource", handlers.show_datafile, methods=["GET"]),
        Route("/v0/datasources/{name}", handlers.show, methods=["GET"]),
    ]


def _with_companions(wanted: frozenset[str]) -> frozenset[str]:
    return wanted | _COME_WITH_COLUMNS if "columns" in wanted else wanted


def _listed(whole: Json) -> Json:
    """A data source as lists have it: its engine in short, keys prefixed."""
    engine = whole["engine"]
    assert isinstance(engine, dict)
    short = {
        "engine": engine["engine"],
        "engine_sorting_key": engine["sorting_key"],
        "engine_partition_key": engine.get("partition_key", ""),
        "engine_primary_key": engine.get("primary_key"),
    }
    return whole | {"engine": short}
