"""What is live after a start: the project of the last deployment, and tables for just its resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import structlog

from stonechat.datafile.resources import DataSource, NodeType
from stonechat.deploy.ddl import drop_table
from stonechat.deploy.filling import JOINING, Filling
from stonechat.deploy.history import DeploymentRecord, Status, deployments, record_status
from stonechat.deploy.plan import view_names
from stonechat.engine.contract import Engine
from stonechat.project.live import Candidate, LiveProject
from stonechat.project.model import Project, problems_between
from stonechat.project.places import forget_places, places
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.snapshot import Snapshot, Table
from stonechat.project.workspaces import Workspace, identities
from stonechat.sql.quoting import identifier, literal
from stonechat.sql.types import parse_type
from stonechat.state import StateStore

_log = structlog.get_logger(__name__)
_CUT_SHORT = "The server stopped while the deployment was under way"


def restore(workspace: Workspace, store: StateStore, engine: Engine, secrets: Mapping[str, str]) -> LiveProject:
    """The project that was live when the server stopped, its candidate, and an engine without traces of others."""
    engine.command(f"CREATE DATABASE IF NOT EXISTS {identifier(workspace.database)}")
    records = deployments(store, workspace.id)
    record = next((item for item in records if item.live), None)
    snapshot = snapshot_of(workspace, store, Project.empty(), 0)
    if record is not None:
        snapshot = _deployed(record, workspace, store, engine, secrets)
    record = next((item for item in records if item.is_candidate), None)
    if record is not None and record.progress.get(JOINING):
        _give_up(store, record, workspace)
        record = None
    if record is None:
        remove_strays(engine, [snapshot])
        return LiveProject(snapshot)
    ready = record.status is Status.DATA_READY
    staged = replace(_deployed(record, workspace, store, engine, secrets, has_tables=ready), staged=True)
    fillings = [Filling(**item) for item in record.progress.get("filling", [])]
    remove_strays(engine, [snapshot, staged], fillings)
    return LiveProject(snapshot, Candidate(staged, ready=ready))


def _deployed(
    record: DeploymentRecord,
    workspace: Workspace,
    store: StateStore,
    engine: Engine,
    secrets: Mapping[str, str],
    *,
    has_tables: bool = True,
) -> Snapshot:
    """What a deployment made, perhaps by an earlier version: as its tables are, and whatever is refused by now.

    Without `has_tables` these are still being made, as the project says.
    """
    project = Project.from_files(record.files, secrets, was_deployed=True)
    for problem in problems_between(project):
        _log.warning("what is deployed would be refused by now", workspace=workspace.name, problem=str(problem))
    snapshot = snapshot_of(workspace, store, project, record.id)
    if not has_tables:
        return snapshot
    sources = {name: _as_made(engine, snapshot, source) for name, source in project.data_sources.items()}
    return replace(snapshot, project=replace(project, data_sources=sources))


def _as_made(engine: Engine, snapshot: Snapshot, source: DataSource) -> DataSource:
    """A data source as its table is, where that may be another than its file would make by now.

    Columns of its connector that the table has not come with the next deployment, and so do types of other secrets.
    """
    if not source.connector_columns and not any(column.secret_type for column in source.columns):
        return source
    table = snapshot.table(source.name)
    place = f"database = {literal(table.database)} AND table = {literal(table.name)}"
    found = engine.fetch(f"SELECT name, type FROM system.columns WHERE {place}")
    types = {str(row["name"]): str(row["type"]) for row in found}
    own = [
        replace(column, type=parse_type(types[column.name])) if column.secret_type and column.name in types else column
        for column in source.schema_columns
    ]
    added = [column for column in source.columns[len(own) :] if column.name in types]
    if len(added) < source.connector_columns:
        _log.warning("a data source lacks columns of its connector until the next deployment", data_source=source.name)
    return replace(source, columns=(*own, *added), connector_columns=len(added))


def _give_up(store: StateStore, record: DeploymentRecord, workspace: Workspace) -> None:
    """Nobody can tell which rows a table has that was killed between two of its parts."""
    with store.transaction() as connection:
        record_status(connection, record.id, Status.FAILED, errors=[{"filename": "", "error": _CUT_SHORT}])
        forget_places(connection, workspace.id, [record.id])


def snapshot_of(workspace: Workspace, store: StateStore, project: Project, deployment_id: int) -> Snapshot:
    """A project with the identifiers that the store keeps for its resources."""
    with store.transaction() as connection:
        kept = places(connection, workspace.id, deployment_id)
        return Snapshot(workspace, deployment_id, project, identities(connection, workspace.id), kept)


def remove_strays(engine: Engine, snapshots: Sequence[Snapshot], fillings: Sequence[Filling] = ()) -> None:
    """Drop the tables of a workspace that no resource of its deployments stands for.

    They were left by a deployment that was killed half-way, or by one that nobody needs any more. What `fillings` are
    about stays, too.
    """
    base = snapshots[0].workspace.database
    known = {table for snapshot in snapshots for table in _tables(snapshot)}
    known |= {Table(filling.database, filling.name) for filling in fillings}
    frozen = {filling.frozen for filling in fillings}
    # Views first: a table cannot go while rows may still flow into it.
    query = (
        f"SELECT database, name FROM system.tables WHERE {_ours('database', base)} "
        "ORDER BY engine = 'MaterializedView' DESC, database, name"
    )
    for row in engine.fetch(query):
        table = Table(str(row["database"]), str(row["name"]))
        if table not in known and table.database not in frozen:
            _log.info("removing a table that no deployment names", table=str(table))
            engine.command(drop_table(table.name, table.database))
    kept = {base, *frozen, *(table.database for table in known)}
    for row in engine.fetch(f"SELECT name FROM system.databases WHERE {_ours('name', base)}"):
        if row["name"] not in kept:
            engine.command(f"DROP DATABASE IF EXISTS {identifier(str(row['name']))} SYNC")


def _ours(column: str, base: str) -> str:
    """The databases of a workspace's tables: its own, and those of its deployments."""
    return f"({column} = {literal(base)} OR startsWith({column}, {literal(base + '_d')}))"


def _tables(snapshot: Snapshot) -> Iterator[Table]:
    for name in snapshot.project.data_sources:
        yield snapshot.table(name)
        yield snapshot.table(name + QUARANTINE_SUFFIX)
    for pipe in snapshot.project.pipes_of_type(NodeType.MATERIALIZED):
        yield from map(snapshot.table, view_names(snapshot.project, pipe))
