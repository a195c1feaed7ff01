"""Deployments as they are kept, from their beginning on. Owns the table `deployments`.

At most one deployment of a workspace is live, and at most one is a candidate: under way, or ready to become live.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from stonechat.errors import Kind, StonechatError
from stonechat.state import Migration, StateStore, add_columns, create_tables, now

_metadata = sa.MetaData()
_deployments = sa.Table(
    "deployments",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("workspace_id", sa.String(36), nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("files", sa.Text, nullable=False),
    sa.Column("created_at", sa.String(26), nullable=False),
    sa.Column("updated_at", sa.String(26)),
    sa.Column("status", sa.String(20)),
    sa.Column("auto_promote", sa.Boolean),
    sa.Column("errors", sa.Text),
    sa.Column("progress", sa.Text),
    sa.Column("promoted_at", sa.String(26)),
    sa.Column("populations", sa.Text),
)


class Status(StrEnum):
    """How far a deployment is. One that is live is ready; one that was live before is deleted."""

    CREATING_SCHEMA = "creating_schema"
    SCHEMA_READY = "schema_ready"
    DATA_READY = "data_ready"
    FAILED = "failed"
    DELETED = "deleted"


CANDIDATE = frozenset({Status.CREATING_SCHEMA, Status.SCHEMA_READY, Status.DATA_READY})


def _fill_in(connection: sa.Connection) -> None:
    """Deployments of versions that knew live ones alone."""
    status = sa.case((_deployments.c.live, str(Status.DATA_READY)), else_=str(Status.DELETED))
    values = {"status": status, "updated_at": _deployments.c.created_at, "auto_promote": True, "errors": "[]"}
    statement = _deployments.update().where(_deployments.c.status.is_(None))
    connection.execute(statement.values(**values, progress="{}"))


def _note_promotion(connection: sa.Connection) -> None:
    """The live one has been promoted; of those before it nobody knows."""
    unknown = _deployments.update().where(_deployments.c.live, _deployments.c.promoted_at.is_(None))
    connection.execute(unknown.values(promoted_at=_deployments.c.created_at))


MIGRATIONS = (
    create_tables("deployments-1", _metadata),
    add_columns(
        "deployments-2",
        *(_deployments.c[name] for name in ("updated_at", "status", "auto_promote", "errors", "progress")),
    ),
    Migration("deployments-3", _fill_in),
    add_columns("deployments-4", _deployments.c.promoted_at),
    Migration("deployments-5", _note_promotion),
    add_columns("deployments-6", _deployments.c.populations),
)


class UnknownDeployment(StonechatError):
    """No deployment of that id is kept."""

    code = "SC720"
    kind = Kind.MISSING


@dataclass(frozen=True, slots=True)
class DeploymentRecord:
    """One deployment: its files, how far it is and, if it failed, why.

    `promoted_at` is empty until it is live for the first time. `progress` is what the one who carries it out has noted;
    `errors` are as the API shows them. `populations` are the views whose targets it filled, or fills, in order: the
    `view`, its `pipe` and its target, `data_source` (each as id and name), when it `began` and, once it has, when it
    `ended`, and the `rows` of the target then.
    """

    id: int
    live: bool
    status: Status
    files: Mapping[str, str]
    created_at: str
    updated_at: str
    auto_promote: bool
    errors: Sequence[Mapping[str, Any]]
    progress: Mapping[str, Any]
    promoted_at: str
    populations: Sequence[Mapping[str, Any]]

    @property
    def is_candidate(self) -> bool:
        """Whether it may become live yet."""
        return not self.live and self.status in CANDIDATE


def deployments(store: StateStore, workspace_id: str) -> Sequence[DeploymentRecord]:
    """All deployments of a workspace, the newest first."""
    query = (
        sa.select(_deployments).where(_deployments.c.workspace_id == workspace_id).order_by(_deployments.c.id.desc())
    )
    with store.transaction() as connection:
        return [_record(row) for row in connection.execute(query)]


def deployment_outlines(store: StateStore, workspace_id: str) -> Sequence[DeploymentRecord]:
    """The same without their files, which make most of them."""
    columns: list[sa.ColumnElement[Any]] = [column for column in _deployments.c if column is not _deployments.c.files]
    query = (
        sa.select(*[*columns, sa.literal("{}").label("files")])
        .where(_deployments.c.workspace_id == workspace_id)
        .order_by(_deployments.c.id.desc())
    )
    with store.transaction() as connection:
        return [_record(row) for row in connection.execute(query)]


def deployment(store: StateStore, workspace_id: str, identity: int) -> DeploymentRecord:
    """One deployment. Raises `UnknownDeployment`."""
    for record in deployments(store, workspace_id):
        if record.id == identity:
            return record
    raise UnknownDeployment(f"The deployment '{identity}' does not exist")


def forget_deployments(connection: sa.Connection, workspace_id: str) -> None:
    """Forget the deployments of a workspace, inside the transaction that deletes it."""
    connection.execute(_deployments.delete().where(_deployments.c.workspace_id == workspace_id))


def record_begun(connection: sa.Connection, workspace_id: str, files: Mapping[str, str], *, auto_promote: bool) -> int:
    """Keep a new deployment as the candidate; returns its id."""
    moment = now()
    values = {
        "workspace_id": workspace_id,
        "live": False,
        "files": json.dumps(dict(files)),
        "created_at": moment,
        "updated_at": moment,
        "status": Status.CREATING_SCHEMA,
        "auto_promote": auto_promote,
        "errors": "[]",
        "progress": "{}",
    }
    statement = _deployments.insert().values(**values).returning(_deployments.c.id)
    return int(connection.execute(statement).scalar_one())


def record_status(
    connection: sa.Connection, identity: int, status: Status, *, errors: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Note how far a deployment is."""
    values = {"status": status, "errors": json.dumps(list(errors)), "updated_at": now()}
    connection.execute(_deployments.update().where(_deployments.c.id == identity).values(**values))


def record_progress(connection: sa.Connection, identity: int, progress: Mapping[str, Any]) -> None:
    """Note what the one who carries a deployment out has to know after a restart."""
    values = {"progress": json.dumps(dict(progress)), "updated_at": now()}
    connection.execute(_deployments.update().where(_deployments.c.id == identity).values(**values))


def record_populations(connection: sa.Connection, identity: int, populations: Sequence[Mapping[str, Any]]) -> None:
    """Note which views have their targets filled, and which did; it stays there."""
    values = {"populations": json.dumps([dict(each) for each in populations]), "updated_at": now()}
    connection.execute(_deployments.update().where(_deployments.c.id == identity).values(**values))


def record_live(connection: sa.Connection, workspace_id: str, identity: int) -> None:
    """Make a deployment the live one, inside the transaction that makes it so."""
    mine = _deployments.c.workspace_id == workspace_id
    before = _deployments.update().where(mine, _deployments.c.live)
    connection.execute(before.values(live=False, status=Status.DELETED, updated_at=now()))
    moment = now()
    values = {"live": True, "status": Status.DATA_READY, "progress": "{}", "updated_at": moment, "promoted_at": moment}
    connection.execute(_deployments.update().where(_deployments.c.id == identity).values(**values))


def record_files(connection: sa.Connection, identity: int, files: Mapping[str, str]) -> None:
    """Keep other files for a deployment: they mean the same, in other words."""
    values = {"files": json.dumps(dict(files)), "updated_at": now()}
    connection.execute(_deployments.update().where(_deployments.c.id == identity).values(**values))


def _record(row: sa.Row[Any]) -> DeploymentRecord:
    return DeploymentRecord(
        row.id,
        row.live,
        Status(row.status),
        json.loads(row.files),
        row.created_at,
        row.updated_at,
        row.auto_promote,
        json.loads(row.errors),
        json.loads(row.progress),
        row.promoted_at or "",
        json.loads(row.populations or "[]"),
    )
