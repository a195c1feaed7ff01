"""`GET /v0/connectors`: the connections of a project. Their settings hold credentials, so no answer has them.

What would make a connector work is refused with the reason: there are none yet.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import ScopeType
from stonechat.datafile.resources import Connection
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.datafiles import datafile_response
from stonechat.http.snapshots import Snapshots
from stonechat.project.snapshot import Snapshot


class UnknownConnection(StonechatError):
    """No connection of that name or id is live."""

    code = "SC318"
    kind = Kind.MISSING


class NoConnectors(StonechatError):
    """A connector or a sink is asked to work, and this version has none."""

    code = "SC319"
    kind = Kind.CONFLICT

    def __init__(self, subject: str, hint: str) -> None:
        super().__init__(f"{subject}: connectors and sinks do not run in this version", hint=hint)


@dataclass(frozen=True)
class _Handlers:
    """The handlers, and what they need."""

    authenticator: Authenticator
    snapshots: Snapshots

    async def list_all(self, request: Request) -> Response:
        snapshot = self._readable(request)
        found = sorted(snapshot.project.connections.values(), key=lambda connection: connection.name)
        return JSONResponse({"connectors": [_json(snapshot, connection) for connection in found]})

    async def show(self, request: Request) -> Response:
        snapshot = self._readable(request)
        return JSONResponse(_json(snapshot, _found(snapshot, request.path_params["name"])))

    async def show_datafile(self, request: Request) -> Response:
        """The file as it was deployed: secrets stand in it by name. Who wrote credentials out may read them again.

        With `include_metadata`, as `tb pull` asks for it, in JSON.
        """
        snapshot = self._readable(request)
        connection = _found(snapshot, request.path_params["name"])
        content = snapshot.project.files[connection.position.file]
        if request.query_params.get("include_metadata") == "true":
            return JSONResponse({"name": connection.name, "service": connection.type, "content": content})
        return datafile_response(content)

    async def refuse_source(self, request: Request) -> Response:
        """Refuse to fetch rows for a data source."""
        source = self._readable(request).data_source(request.path_params["name"])
        raise NoConnectors(f"The data source '{source.name}' takes no rows by itself", "Send events, or append files.")

    async def refuse_preview(self, request: Request) -> Response:
        """Refuse to look into what a connection leads to."""
        connection = _found(self._readable(request), request.path_params["name"])
        raise NoConnectors(f"The connection '{connection.name}' leads nowhere", "It is checked, and nothing more.")

    async def refuse_sink(self, request: Request) -> Response:
        """Refuse to run a sink."""
        pipe = self._readable(request).pipe(request.path_params["name"])
        raise NoConnectors(f"The pipe '{pipe.name}' is not exported", "Read its rows with /v0/sql.")

    def _readable(self, request: Request) -> Snapshot:
        caller = self.authenticator.caller(request)
        caller.require(ScopeType.ADMIN)
        return self.snapshots.of(request, caller)


def routes(authenticator: Authenticator, snapshots: Snapshots) -> list[Route]:
    """The Connectors API, as far as it describes, and what asks connectors and sinks to work."""
    handlers = _Handlers(authenticator, snapshots)
    return [
        *[
            Route(f"/v0/datasources/{{name}}/{path}", handlers.refuse_source, methods=methods)
            for path, methods in _WORK.items()
        ],
        Route("/v0/connectors/{name}/preview", handlers.refuse_preview, methods=["GET"]),
        Route("/v0/pipes/{name}/sink", handlers.refuse_sink, methods=["POST"]),
        Route("/v0/connectors", handlers.list_all, methods=["GET"]),
        Route("/v0/connectors/{name}.connection", handlers.show_datafile, methods=["GET"]),
        Route("/v0/connectors/{name}", handlers.show, methods=["GET"]),
    ]


def connection_id(workspace_id: str, name: str) -> str:
    """The id of a connection, which it keeps as long as its name."""
    return str(uuid.uuid5(uuid.UUID(workspace_id), name))


def _found(snapshot: Snapshot, name_or_id: str) -> Connection:
    for connection in snapshot.project.connections.values():
        if name_or_id in {connection.name, connection_id(snapshot.workspace.id, connection.name)}:
            return connection
    raise UnknownConnection(f"The connection '{name_or_id}' does not exist")


def _json(snapshot: Snapshot, connection: Connection) -> dict[str, object]:
    linked = [
        {"id": identity, "datasource_id": identity, "name": source.name}
        for source in snapshot.project.data_sources.values()
        if connection.name in {source.connector.get(key) for key in _NAMING}
        for identity in [snapshot.identities[source.name].id]
    ]
    return {
        "id": connection_id(snapshot.workspace.id, connection.name),
        "name": connection.name,
        "service": connection.type,
        "description": connection.description,
        "settings": {},
        "linkers": linked,
        "connected_datasources": len(linked),
    }


_WORK = {
    "scheduling/runs": ["POST"],
    "scheduling/state": ["GET", "PUT"],
    "sample": ["POST"],
    "stop": ["POST"],
    "start": ["POST"],
}
_NAMING = ("kafka_connection_name", "import_connection_name", "pg_connection_name")
