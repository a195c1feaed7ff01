"""What the tables of a deployment hold, asked of the engine with one query for all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from stonechat.engine.contract import Engine
from stonechat.project.description import StoredTable
from stonechat.project.live import LiveProjects
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.snapshot import Snapshot, Table
from stonechat.sql.quoting import literal
from stonechat.telemetry.events import StoredRows


def stored_tables(engine: Engine, snapshot: Snapshot) -> Mapping[str, StoredTable]:
    """Every table of a deployment by name, quarantines and those that other workspaces share too. Blocks."""
    shared = {snapshot.table(name): name for name in snapshot.project.shared}
    databases = {*snapshot.databases, *(table.database for table in shared)}
    rows = engine.fetch(
        "SELECT database, name, total_rows, total_bytes FROM system.tables "
        f"WHERE database IN ({', '.join(map(literal, sorted(databases)))})"
    )
    stored: dict[str, StoredTable] = {}
    for row in rows:
        table = Table(str(row["database"]), str(row["name"]))
        if table in shared or table == snapshot.table(table.name):
            stored[shared.get(table, table.name)] = StoredTable(_count(row["total_rows"]), _count(row["total_bytes"]))
    return stored


def storage_readings(engine: Engine, projects: LiveProjects, database: str) -> Iterator[StoredRows]:
    """What each data source of a workspace holds now, by the workspace's database; nothing if it is gone. Blocks."""
    snapshots = (project.snapshot for project in projects.all())
    snapshot = next((item for item in snapshots if item.workspace.database == database), None)
    if snapshot is None:
        return
    tables, now = stored_tables(engine, snapshot), int(time.time())
    for name in snapshot.project.data_sources:
        stored, quarantine = tables.get(name), tables.get(name + QUARANTINE_SUFFIX)
        if stored is not None and quarantine is not None:
            yield StoredRows(
                timestamp=now,
                datasource_id=snapshot.identities[name].id,
                datasource_name=name,
                bytes=stored.bytes,
                rows=stored.rows,
                bytes_quarantine=quarantine.bytes,
                rows_quarantine=quarantine.rows,
            )


def _count(value: object) -> int:
    """NULL stands for what the engine cannot tell without reading the table, as for a view."""
    return value if isinstance(value, int) else 0
