"""Where the tables of each deployment are, and which rows of the write-ahead log they had from their beginning.

Owns the table `places`. A table is made once: a deployment that changes a data source makes another table of the same
name in a database of its own, with its quarantine and the views that fill it beside it. What has no row here lies in
the workspace's own database, as all tables of a first deployment do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from stonechat.project.workspaces import Workspace
from stonechat.state import add_columns, create_tables

_metadata = sa.MetaData()
_places = sa.Table(
    "places",
    _metadata,
    sa.Column("workspace_id", sa.String(36), primary_key=True),
    sa.Column("deployment_id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("database", sa.String(100), nullable=False),
    sa.Column("log_id", sa.String(32)),
    sa.Column("first_sequence", sa.BigInteger),
)
MIGRATIONS = (
    create_tables("places-1", _metadata),
    add_columns("places-2", _places.c.log_id, _places.c.first_sequence),
)


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where in a write-ahead log the rows begin that a table did not get from the table that it was made from."""

    log_id: str
    first_sequence: int

    def is_after(self, log_id: str, sequence: int) -> bool:
        """Whether a record comes before the boundary. Another log is a later one: only an empty log is ever left."""
        return log_id == self.log_id and sequence < self.first_sequence


@dataclass(frozen=True, slots=True)
class Place:
    """The database of a table; with a boundary where the table began with the rows of another."""

    database: str
    boundary: Boundary | None = None


def database_of(workspace: Workspace, deployment_id: int) -> str:
    """The database of the tables that a deployment makes beside those that are there already."""
    return f"{workspace.database}_d{deployment_id}"


def places(connection: sa.Connection, workspace_id: str, deployment_id: int) -> Mapping[str, Place]:
    """The places of a deployment's data sources and materialized pipes by name, as far as they are kept."""
    mine = _places.c.workspace_id == workspace_id, _places.c.deployment_id == deployment_id
    return {row.name: _place(row) for row in connection.execute(sa.select(_places).where(*mine))}


def keep_places(connection: sa.Connection, workspace_id: str, deployment_id: int, kept: Mapping[str, Place]) -> None:
    """Keep where tables of a deployment are, in the place of what was kept under their names."""
    mine = _places.c.workspace_id == workspace_id, _places.c.deployment_id == deployment_id
    connection.execute(_places.delete().where(*mine, _places.c.name.in_(list(kept))))
    rows = [
        {
            "workspace_id": workspace_id,
            "deployment_id": deployment_id,
            "name": name,
            "database": place.database,
            "log_id": place.boundary.log_id if place.boundary else None,
            "first_sequence": place.boundary.first_sequence if place.boundary else None,
        }
        for name, place in kept.items()
    ]
    if rows:
        connection.execute(_places.insert(), rows)


def forget_places(connection: sa.Connection, workspace_id: str, deployment_ids: Iterable[int] | None = None) -> None:
    """Forget the places of deployments, or of all, inside the transaction that forgets these."""
    statement = _places.delete().where(_places.c.workspace_id == workspace_id)
    if deployment_ids is not None:
        statement = statement.where(_places.c.deployment_id.in_(list(deployment_ids)))
    connection.execute(statement)


def _place(row: sa.Row[tuple[object, ...]]) -> Place:
    known = row.log_id is not None
    return Place(row.database, Boundary(row.log_id, row.first_sequence) if known else None)
