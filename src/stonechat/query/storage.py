"""What the tables of a deployment hold, asked of the engine with one query for all of them."""

from __future__ import annotations

from collections.abc import Mapping

from stonechat.engine.contract import Engine
from stonechat.project.description import StoredTable
from stonechat.project.live import Snapshot, Table
from stonechat.sql.quoting import literal


def stored_tables(engine: Engine, snapshot: Snapshot) -> Mapping[str, StoredTable]:
    """Every table of a deployment by name, quarantines too. Blocks."""
    databases = sorted({snapshot.workspace.database, *snapshot.databases.values()})
    rows = engine.fetch(
        "SELECT database, name, total_rows, total_bytes FROM system.tables "
        f"WHERE database IN ({', '.join(map(literal, databases))})"
    )
    return {
        table.name: StoredTable(_count(row["total_rows"]), _count(row["total_bytes"]))
        for row in rows
        if (table := Table(str(row["database"]), str(row["name"]))) == snapshot.table(table.name)
    }


def _count(value: object) -> int:
    """NULL stands for what the engine cannot tell without reading the table, as for a view."""
    return value if isinstance(value, int) else 0
