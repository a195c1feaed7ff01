"""What is live after a start: the project of the last deployment, and tables for just its resources."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from stonechat.deploy.ddl import drop_table
from stonechat.deploy.history import deployments
from stonechat.deploy.rehearsal import remove_leftovers
from stonechat.engine.contract import Engine
from stonechat.project.live import LiveProject, Snapshot
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.workspaces import Workspace, identities
from stonechat.sql.quoting import identifier, literal
from stonechat.state import StateStore

_log = structlog.get_logger(__name__)


def restore(workspace: Workspace, store: StateStore, engine: Engine, secrets: Mapping[str, str]) -> LiveProject:
    """The project that was live when the server stopped, and an engine without traces of what did not become live."""
    engine.command(f"CREATE DATABASE IF NOT EXISTS {identifier(workspace.database)}")
    remove_leftovers(engine)
    record = next((item for item in deployments(store, workspace.id) if item.live), None)
    project = Project.from_files(record.files, secrets) if record else Project.empty()
    remove_strays(workspace, engine, project)
    return LiveProject(snapshot_of(workspace, store, project, record.id if record else 0))


def snapshot_of(workspace: Workspace, store: StateStore, project: Project, deployment_id: int) -> Snapshot:
    """A project with the identifiers that the store keeps for its resources."""
    with store.transaction() as connection:
        return Snapshot(workspace, deployment_id, project, identities(connection, workspace.id))


def remove_strays(workspace: Workspace, engine: Engine, project: Project) -> None:
    """Drop tables that no resource of the project stands for: left by a deployment that was killed half-way."""
    known = {*project.data_sources, *(name + QUARANTINE_SUFFIX for name in project.data_sources), *project.pipes}
    # Views first: a table cannot go while rows may still flow into it.
    query = (
        f"SELECT name FROM system.tables WHERE database = {literal(workspace.database)} "
        "ORDER BY engine = 'MaterializedView' DESC, name"
    )
    for row in engine.fetch(query):
        if row["name"] not in known:
            _log.warning("removing a table that no live resource stands for", table=row["name"])
            engine.command(drop_table(str(row["name"]), workspace.database))
