"""The resources that datafiles describe, as frozen values.

Positions never take part in equality: two files that say the same thing are equal, which is what deployments compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from stonechat.errors import Position
from stonechat.sql.types import DataType


@dataclass(frozen=True, slots=True)
class Notice:
    """Something in a file that has no effect, or no longer: worth telling, no reason to refuse the file."""

    message: str
    position: Position


@dataclass(frozen=True, slots=True)
class Column:
    """One column of SCHEMA.

    `jsonpath` comes without its `json:` prefix, `default` is the expression after DEFAULT, `codec` what stands inside
    `CODEC(...)`. A column with a default may have no type: it has the one of an empty name. A type that holds a
    `tb_secret` is nothing but a name, the text as written, until that is filled in.
    """

    name: str
    type: DataType
    jsonpath: str | None
    default: str | None
    codec: str | None
    position: Position = field(compare=False)
    secret_type: bool = field(default=False, compare=False)

    @property
    def nullable(self) -> bool:
        """Whether the column takes NULL: `Nullable(T)` or `LowCardinality(Nullable(T))`."""
        inner = self.type.arguments[0] if self.type.name == "LowCardinality" else self.type
        return isinstance(inner, DataType) and inner.name == "Nullable"


@dataclass(frozen=True, slots=True)
class TableEngine:
    """ENGINE and its ENGINE_* keys, expressions as written. `name` is in ClickHouse's own spelling."""

    name: str = "MergeTree"
    sorting_key: str | None = None
    partition_key: str | None = None
    primary_key: str | None = None
    sampling_key: str | None = None
    ttl: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    version_column: str | None = None
    is_deleted_column: str | None = None
    sign_column: str | None = None
    sum_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Index:
    """One line of INDEXES."""

    name: str
    expression: str
    type: str
    granularity: int | None


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """A TOKEN line: the token of that name may READ or APPEND this resource."""

    token: str
    permission: str
    position: Position = field(compare=False)


@dataclass(frozen=True, slots=True)
class DataSource:
    """A `.datasource` file. `connector` holds its KAFKA_*, IMPORT_* and PG_* keys in lower case.

    The last `connector_columns` of its columns stand in no SCHEMA: the connector adds them.
    `forward_query` is dedented and stripped like a node's `sql`, and has a place and an indentation like it.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    engine: TableEngine
    position: Position = field(compare=False)
    indexes: tuple[Index, ...] = ()
    tokens: tuple[TokenGrant, ...] = ()
    tags: tuple[str, ...] = ()
    shared_with: tuple[str, ...] = ()
    forward_query: str | None = None
    backfill: str | None = None
    connector: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[Notice, ...] = field(default=(), compare=False)
    forward_query_position: Position | None = field(default=None, compare=False)
    forward_query_indent: int = field(default=0, compare=False)
    connector_columns: int = field(default=0, compare=False)

    @property
    def schema_columns(self) -> tuple[Column, ...]:
        """The columns that stand in SCHEMA."""
        return self.columns[: len(self.columns) - self.connector_columns]


class NodeType(Enum):
    """What becomes of a node's rows."""

    STANDARD = "standard"
    ENDPOINT = "endpoint"
    MATERIALIZED = "materialized"
    COPY = "copy"
    SINK = "sink"


@dataclass(frozen=True, slots=True)
class Node:
    """A NODE of a pipe.

    `sql` is dedented and stripped, a leading `%` kept. `sql_position` is where its first character stands in the file;
    `sql_indent` is how many characters were cut from each later line.
    `options` holds the keys of its type in lower case, such as `datasource`, `target_datasource`, `copy_mode`.
    """

    name: str
    sql: str
    type: NodeType
    description: str
    position: Position = field(compare=False)
    sql_position: Position = field(compare=False)
    sql_indent: int = field(default=0, compare=False)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pipe:
    """A `.pipe` file: nodes in the order of the file, at most one of which is not standard."""

    name: str
    description: str
    nodes: tuple[Node, ...]
    position: Position = field(compare=False)
    tokens: tuple[TokenGrant, ...] = ()
    tags: tuple[str, ...] = ()
    cache_seconds: int | None = None
    notices: tuple[Notice, ...] = field(default=(), compare=False)

    @property
    def output(self) -> Node:
        """The node whose rows are the pipe's: the one with a type, or the last."""
        typed = [node for node in self.nodes if node.type is not NodeType.STANDARD]
        return typed[0] if typed else self.nodes[-1]


@dataclass(frozen=True, slots=True)
class Connection:
    """A `.connection` file: its TYPE in lower case and its settings in lower case."""

    name: str
    type: str
    settings: Mapping[str, str]
    position: Position = field(compare=False)
    description: str = ""
    notices: tuple[Notice, ...] = field(default=(), compare=False)
