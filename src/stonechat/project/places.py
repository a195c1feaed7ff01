"""Where the tables of each deployment are. Owns the table `places`.

A table is made once and never altered: a deployment that changes a data source makes another table of the same name in
a database of its own, with its quarantine and the views that fill it beside it. What lies in the workspace's own
database, as all tables of a first deployment do, has no row here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from stonechat.project.workspaces import Workspace
from stonechat.state import create_tables

_metadata = sa.MetaData()
_places = sa.Table(
    "places",
    _metadata,
    sa.Column("workspace_id", sa.String(36), primary_key=True),
    sa.Column("deployment_id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("database", sa.String(100), nullable=False),
)
MIGRATIONS = (create_tables("places-1", _metadata),)


def database_of(workspace: Workspace, deployment_id: int) -> str:
    """The database of the tables that a deployment makes beside those that are there already."""
    return f"{workspace.database}_d{deployment_id}"


def places(connection: sa.Connection, workspace_id: str, deployment_id: int) -> Mapping[str, str]:
    """The databases of a deployment's data sources and materialized pipes by name, where not the workspace's own."""
    mine = _places.c.workspace_id == workspace_id, _places.c.deployment_id == deployment_id
    return {row.name: row.database for row in connection.execute(sa.select(_places).where(*mine))}


def keep_places(connection: sa.Connection, workspace_id: str, deployment_id: int, databases: Mapping[str, str]) -> None:
    """Keep where the tables of a new deployment are."""
    rows = [
        {"workspace_id": workspace_id, "deployment_id": deployment_id, "name": name, "database": database}
        for name, database in databases.items()
    ]
    if rows:
        connection.execute(_places.insert(), rows)


def forget_places(connection: sa.Connection, workspace_id: str, deployment_ids: Iterable[int] | None = None) -> None:
    """Forget the places of deployments, or of all, inside the transaction that forgets these."""
    statement = _places.delete().where(_places.c.workspace_id == workspace_id)
    if deployment_ids is not None:
        statement = statement.where(_places.c.deployment_id.in_(list(deployment_ids)))
    connection.execute(statement)
