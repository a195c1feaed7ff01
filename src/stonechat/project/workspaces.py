"""Workspaces and the lasting identifiers of their resources. Owns the tables `workspaces` and `resources`.

A workspace is the unit of isolation: its resources, data and tokens. Its data lives in one database of the engine.
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from stonechat.errors import Kind, StonechatError
from stonechat.state import StateStore, create_tables, now

_metadata = sa.MetaData()
_workspaces = sa.Table(
    "workspaces",
    _metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("database", sa.String(100), nullable=False, unique=True),
    sa.Column("created_at", sa.String(26), nullable=False),
)
_resources = sa.Table(
    "resources",
    _metadata,
    sa.Column("id", sa.String(34), primary_key=True),
    sa.Column("workspace_id", sa.String(36), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("created_at", sa.String(26), nullable=False),
    sa.Column("updated_at", sa.String(26), nullable=False),
    sa.UniqueConstraint("workspace_id", "name"),
)
MIGRATIONS = (create_tables("workspaces-1", _metadata),)

DEFAULT_WORKSPACE_NAME = "stonechat"
DATABASE_PREFIX = "ws_"
"""What the names of all databases of workspaces begin with; those of one workspace begin with its `database`."""
_NAME = re.compile(r"[\w .\-/]{1,200}")
#: They mean something else in front of a table's name, or to the clients.
_RESERVED = frozenset(
    {"tinybird", "system", "public", "default", "main", "origin", "live", "snapshot", "information_schema"}
)


class InvalidWorkspaceName(StonechatError):
    """A workspace cannot have that name."""

    code = "SC315"
    kind = Kind.INVALID


class WorkspaceExists(StonechatError):
    """A workspace has that name already."""

    code = "SC316"
    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace's identity, and the engine's database that holds its tables."""

    id: str
    name: str
    database: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Identity:
    """The lasting identifier of a data source or pipe: `t_` and 32 hexadecimal digits."""

    id: str
    name: str
    created_at: str
    updated_at: str


def default_workspace(store: StateStore) -> Workspace:
    """The first workspace of a data folder; made at its first start."""
    for workspace in all_workspaces(store):
        if workspace.name == DEFAULT_WORKSPACE_NAME:
            return workspace
    return create_workspace(store, DEFAULT_WORKSPACE_NAME)


def all_workspaces(store: StateStore) -> Sequence[Workspace]:
    """Every workspace, the oldest first."""
    query = sa.select(_workspaces).order_by(_workspaces.c.created_at, _workspaces.c.id)
    with store.transaction() as connection:
        rows = connection.execute(query).all()
    return [Workspace(row.id, row.name, row.database, row.created_at) for row in rows]


def create_workspace(store: StateStore, name: str) -> Workspace:
    """Keep a new workspace. Raises `InvalidWorkspaceName` or `WorkspaceExists`."""
    if not _NAME.fullmatch(name):
        raise InvalidWorkspaceName(
            "The workspace's name is not valid",
            hint="Names have letters, digits, spaces, underscores, dots, slashes and hyphens, 200 at most.",
        )
    if name.lower() in _RESERVED:
        raise InvalidWorkspaceName(f"The workspace's name '{name}' is reserved", hint="Choose another name.")
    identity = str(uuid.uuid4())
    workspace = Workspace(identity, name, f"{DATABASE_PREFIX}{identity.replace('-', '')[:12]}", now())
    try:
        with store.transaction() as connection:
            connection.execute(_workspaces.insert().values(**asdict(workspace)))
    except IntegrityError as error:
        raise WorkspaceExists(f"The workspace '{name}' already exists", hint="Choose another name.") from error
    return workspace


def forget_workspace(connection: sa.Connection, workspace_id: str) -> None:
    """Forget a workspace and the identifiers of its resources, inside the transaction that deletes it."""
    connection.execute(_resources.delete().where(_resources.c.workspace_id == workspace_id))
    connection.execute(_workspaces.delete().where(_workspaces.c.id == workspace_id))


def identities(connection: sa.Connection, workspace_id: str) -> Mapping[str, Identity]:
    """The identifiers of a workspace's resources by name."""
    rows = connection.execute(sa.select(_resources).where(_resources.c.workspace_id == workspace_id))
    return {row.name: Identity(row.id, row.name, row.created_at, row.updated_at) for row in rows}


def assign_identities(
    connection: sa.Connection, workspace_id: str, names: Iterable[str], *, changed: Iterable[str]
) -> None:
    """Give every name an identifier, keep those that exist, note the time of `changed` ones, forget all others."""
    known = identities(connection, workspace_id)
    wanted = set(names)
    mine = _resources.c.workspace_id == workspace_id
    for name in sorted(wanted - known.keys()):
        values = {"id": f"t_{secrets.token_hex(16)}", "workspace_id": workspace_id, "name": name}
        connection.execute(_resources.insert().values(**values, created_at=now(), updated_at=now()))
    for name in sorted(set(changed) & known.keys()):
        connection.execute(_resources.update().where(mine, _resources.c.name == name).values(updated_at=now()))
    connection.execute(_resources.delete().where(mine, _resources.c.name.in_(known.keys() - wanted)))
