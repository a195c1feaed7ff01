"""What the resources of a deployed project say of themselves, as JSON-ready objects with the keys that clients read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import Column, DataSource, Node, NodeType, Pipe, TableEngine
from stonechat.errors import suggestion
from stonechat.project.lineage import target_of
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.sharing import SharedSource
from stonechat.project.snapshot import MayUse, Snapshot, UnknownPipe
from stonechat.project.workspaces import Identity
from stonechat.sql.quoting import identifier
from stonechat.sql.types import DataType
from stonechat.template.parameters import Parameter

Json = dict[str, object]

_PIPE_TYPES = {kind: kind.value for kind in NodeType} | {NodeType.STANDARD: "default"}
_METADATA = ("description", "required", "enum", "example", "format", "used_in")


@dataclass(frozen=True, slots=True)
class StoredTable:
    """How much a table holds."""

    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Held:
    """A data source with its engine as its file has it, and what it holds."""

    source: DataSource
    engine: TableEngine
    table: StoredTable
    quarantined: int = 0


class Descriptions:
    """Describes the resources of one snapshot. Who reads whom is found out once, when it is first asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def find_pipe(self, name_or_id: str, may_read: MayUse) -> Pipe:
        """The pipe of a name or id, whatever its type. Raises `UnknownPipe`, which suggests those one may read."""
        name = self._names_by_id.get(name_or_id, name_or_id)
        pipe = self.snapshot.project.pipes.get(name)
        if pipe is None:
            hint = suggestion(name_or_id, filter(may_read, self.snapshot.project.pipes))
            raise UnknownPipe(f"Pipe '{name_or_id}' not found", hint=hint)
        return pipe

    def datafile(self, resource: Pipe | DataSource) -> str:
        """The text of a resource's file as it was deployed."""
        return self.snapshot.project.files[resource.position.file]

    def pipe(self, pipe: Pipe) -> Json:
        """All that a pipe is: its file, its type and its nodes with their SQL, parameters and dependencies."""
        identity = self.snapshot.identities[pipe.name]
        output = pipe.output
        return {
            "id": identity.id,
            "name": pipe.name,
            "description": pipe.description,
            "content": self.datafile(pipe),
            "endpoint": self._node_id(pipe, output) if output.type is NodeType.ENDPOINT else None,
            "type": _PIPE_TYPES[output.type],
            "path": pipe.position.file,
            "parent": None,
            "workspace_id": self.snapshot.workspace.id,
            "edited_by": None,
            "last_commit": self._last_commit(pipe),
            "created_at": identity.created_at,
            "updated_at": identity.updated_at,
            "tags": _tags(pipe.tags),
            "nodes": [self._node(pipe, node) for node in pipe.nodes],
        }

    def data_source(self, source: DataSource, tables: Mapping[str, StoredTable], may_read: MayUse) -> Json:
        """All that a data source is. `tables` holds what the engine knows, by name.

        `used_by` lists the pipes that read or fill it as far as `may_read` allows.
        """
        table = _Held(
            source,
            self._written_engines[source.name],
            tables.get(source.name, StoredTable()),
            tables.get(source.name + QUARANTINE_SUFFIX, StoredTable()).rows,
        )
        return self._stored(source.name, self.snapshot.identities[source.name], table, may_read) | {
            "last_commit": self._last_commit(source),
            "shared_with": list(source.shared_with),
            "tags": _tags(source.tags),
            "type": self._source_type(source),
        }

    def shared(self, shared: SharedSource, tables: Mapping[str, StoredTable], may_read: MayUse) -> Json:
        """What this workspace may know of a data source that another one shares, with the pipes here that read it."""
        written = read_datafile(shared.source.position.file, shared.text)
        assert isinstance(written, DataSource)
        table = _Held(shared.source, written.engine, tables.get(shared.name, StoredTable()))
        origin = {"id": shared.workspace.id, "name": shared.workspace.name}
        return self._stored(shared.name, shared.identity, table, may_read) | {"type": "shared", "shared_from": origin}

    def _stored(self, name: str, identity: Identity, held: _Held, may_read: MayUse) -> Json:
        """What is alike for the workspace's own data sources and for those that others share."""
        source = held.source
        columns = [_column(column) for column in source.columns]
        schema_columns = [{**column, "auto": False} for column in columns]
        return {
            "id": identity.id,
            "name": name,
            "description": source.description,
            "cluster": "local",
            "created_at": identity.created_at,
            "updated_at": identity.updated_at,
            "columns": columns,
            "engine": _engine(held.engine, _indexes(source)),
            "errors_discarded_at": None,
            "headers": {},
            "indexes": _indexes(source),
            "last_commit": {"content_sha": "", "path": "", "status": "ok"},
            "new_columns_detected": {},
            "project": None,
            "quarantine_rows": held.quarantined,
            "replicated": False,
            "schema": {"columns": schema_columns, "sql_schema": ", ".join(map(_schema_line, source.columns))},
            "shared_with": [],
            "statistics": {"bytes": held.table.bytes, "row_count": held.table.rows},
            "tags": {},
            "type": "",
            "used_by": [
                {"id": self.snapshot.identities[pipe].id, "name": pipe}
                for pipe in sorted(self._users(name))
                if may_read(pipe)
            ],
            "version": 0,
        }

    @cached_property
    def _names_by_id(self) -> Mapping[str, str]:
        return {identity.id: identity.name for identity in self.snapshot.identities.values()}

    def _users(self, source: str) -> frozenset[str]:
        """The pipes that read a data source or its quarantine, and those that write it."""
        lineage = self.snapshot.project.lineage
        return lineage.readers(source) | lineage.readers(source + QUARANTINE_SUFFIX) | lineage.writers(source)

    @cached_property
    def _written_engines(self) -> Mapping[str, TableEngine]:
        """Engines as the files have them: deployed ones may hold the values of secrets, which are not for reading."""
        files = {source.position.file: source.name for source in self.snapshot.project.data_sources.values()}
        written = {name: read_datafile(path, self.snapshot.project.files[path]) for path, name in files.items()}
        return {name: source.engine for name, source in written.items() if isinstance(source, DataSource)}

    def _node(self, pipe: Pipe, node: Node) -> Json:
        identity = self.snapshot.identities[pipe.name]
        target = target_of(pipe) if node is pipe.output else None
        target_id = self.snapshot.identities[target].id if target else None
        copies = node.type is NodeType.COPY
        return {
            "id": self._node_id(pipe, node),
            "name": node.name,
            "sql": node.sql,
            "description": node.description,
            "node_type": node.type.value,
            "materialized": None if copies else target_id,
            "cluster": None,
            "tags": {"copy_target_datasource": target_id} if copies else {},
            "created_at": identity.created_at,
            "updated_at": identity.updated_at,
            "version": 0,
            "project": None,
            "result": None,
            "ignore_sql_errors": False,
            "dependencies": sorted(self.snapshot.project.lineage.nodes[pipe.name, node.name]),
            "params": [_parameter(item) for item in self.snapshot.project.template(pipe, node).parameters],
            "deployment_suffix": "",
        }

    def _node_id(self, pipe: Pipe, node: Node) -> str:
        """Nodes keep their id for as long as the pipe and their name stay."""
        text = f"{self.snapshot.identities[pipe.name].id}.{node.name}"
        return f"t_{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"

    def _last_commit(self, resource: Pipe | DataSource) -> Json:
        digest = hashlib.sha256(self.datafile(resource).encode()).hexdigest()
        return {"content_sha": digest, "path": resource.position.file, "status": "ok"}

    def _source_type(self, source: DataSource) -> str:
        connections = self.snapshot.project.connections
        for key, name in source.connector.items():
            if key.endswith("_connection_name") and name in connections:
                return connections[name].type
        return "ndjson" if any(column.jsonpath for column in source.columns) else "csv"


@lru_cache(16)
def descriptions_of(snapshot: Snapshot) -> Descriptions:
    """The descriptions of a snapshot, kept for those that were asked for last."""
    return Descriptions(snapshot)


def _parameter(parameter: Parameter) -> Json:
    written = {key: getattr(parameter, key) for key in _METADATA}
    known = {key: value for key, value in written.items() if value is not None}
    return {"name": parameter.name, "type": parameter.type, "default": parameter.default, **known}


def _column(column: Column) -> Json:
    kind = column.type
    inner = kind.arguments[0] if kind.name == "Nullable" else kind
    return {
        "name": column.name,
        "type": str(inner),
        "codec": f"CODEC({column.codec})" if column.codec is not None else None,
        "default_value": f"DEFAULT {column.default}" if column.default is not None else None,
        "jsonpath": column.jsonpath,
        "nullable": column.nullable,
        "normalized_name": column.name,
    }


def _schema_line(column: Column) -> str:
    return " ".join(_schema_parts(column))


def _schema_parts(column: Column) -> Iterator[str]:
    yield identifier(column.name)
    if column.type != DataType(""):
        yield str(column.type)
    if column.jsonpath is not None:
        yield f"`json:{column.jsonpath}`"
    if column.default is not None:
        yield f"DEFAULT {column.default}"
    if column.codec is not None:
        yield f"CODEC({column.codec})"


def _engine(engine: TableEngine, indexes: list[Json]) -> Json:
    optional = {
        "partition_key": engine.partition_key,
        "primary_key": engine.primary_key or engine.sorting_key,
        "sampling_key": engine.sampling_key,
        "settings": _settings(engine),
        "ver": engine.version_column,
        "is_deleted": engine.is_deleted_column,
        "sign": engine.sign_column,
        "columns": ", ".join(engine.sum_columns),
        "ttl": engine.ttl,
        "indexes": indexes,
    }
    known = {key: value for key, value in optional.items() if value}
    full = " ".join(_engine_clauses(engine))
    return {"engine": engine.name, "engine_full": full, "sorting_key": engine.sorting_key or "", **known}


def _engine_clauses(engine: TableEngine) -> Iterator[str]:
    """The engine as CREATE TABLE has it, without the settings that every table gets."""
    listed = [engine.sign_column, engine.version_column, engine.is_deleted_column]
    arguments = [name for name in listed if name]
    if engine.sum_columns:
        arguments.append(f"({', '.join(engine.sum_columns)})")
    yield f"{engine.name}({', '.join(arguments)})" if arguments else engine.name
    clauses = {
        "PARTITION BY": engine.partition_key,
        "PRIMARY KEY": _tuple(engine.primary_key),
        "ORDER BY": _tuple(engine.sorting_key),
        "SAMPLE BY": engine.sampling_key,
        "TTL": engine.ttl,
        "SETTINGS": _settings(engine),
    }
    yield from (f"{clause} {text}" for clause, text in clauses.items() if text)


def _tuple(key: str | None) -> str | None:
    return f"({key})" if key and "," in key and not key.startswith("(") else key


def _settings(engine: TableEngine) -> str:
    return ", ".join(f"{key} = {value}" for key, value in engine.settings)


def _indexes(source: DataSource) -> list[Json]:
    return [
        {"name": index.name, "expr": index.expression, "type_full": index.type, "granularity": index.granularity}
        for index in source.indexes
    ]


def _tags(tags: Sequence[str]) -> Json:
    return {"tags": list(tags)} if tags else {}
