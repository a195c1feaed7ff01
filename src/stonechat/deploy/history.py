"""Deployments as they are kept. Owns the table `deployments`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from stonechat.errors import Kind, StonechatError
from stonechat.state import StateStore, create_tables, now

_metadata = sa.MetaData()
_deployments = sa.Table(
    "deployments",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("workspace_id", sa.String(36), nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("files", sa.Text, nullable=False),
    sa.Column("created_at", sa.String(26), nullable=False),
)
MIGRATIONS = (create_tables("deployments-1", _metadata),)


class UnknownDeployment(StonechatError):
    """No deployment of that id is kept."""

    code = "SC720"
    kind = Kind.MISSING


@dataclass(frozen=True, slots=True)
class DeploymentRecord:
    """One deployment that went live: its id, its files, and whether it is live still."""

    id: int
    live: bool
    files: Mapping[str, str]
    created_at: str


def deployments(store: StateStore, workspace_id: str) -> Sequence[DeploymentRecord]:
    """All deployments of a workspace, the newest first."""
    query = (
        sa.select(_deployments).where(_deployments.c.workspace_id == workspace_id).order_by(_deployments.c.id.desc())
    )
    with store.transaction() as connection:
        return [
            DeploymentRecord(row.id, row.live, json.loads(row.files), row.created_at)
            for row in connection.execute(query)
        ]


def deployment(store: StateStore, workspace_id: str, identity: int) -> DeploymentRecord:
    """One deployment. Raises `UnknownDeployment`."""
    for record in deployments(store, workspace_id):
        if record.id == identity:
            return record
    raise UnknownDeployment(f"The deployment '{identity}' does not exist")


def forget_deployments(connection: sa.Connection, workspace_id: str) -> None:
    """Forget the deployments of a workspace, inside the transaction that deletes it."""
    connection.execute(_deployments.delete().where(_deployments.c.workspace_id == workspace_id))


def record_live(connection: sa.Connection, workspace_id: str, files: Mapping[str, str]) -> int:
    """Keep a new deployment as the live one, inside the transaction that makes it so; returns its id."""
    mine = _deployments.c.workspace_id == workspace_id
    connection.execute(_deployments.update().where(mine).values(live=False))
    values = {"workspace_id": workspace_id, "live": True, "files": json.dumps(dict(files)), "created_at": now()}
    statement = _deployments.insert().values(**values).returning(_deployments.c.id)
    return int(connection.execute(statement).scalar_one())
