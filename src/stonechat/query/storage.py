"""What the tables of a workspace hold, asked of the engine with one query for all of them."""

from __future__ import annotations

from collections.abc import Mapping

from stonechat.engine.contract import Engine
from stonechat.project.description import StoredTable
from stonechat.sql.quoting import literal


def stored_tables(engine: Engine, database: str) -> Mapping[str, StoredTable]:
    """Every table of a database by name, quarantines too. Blocks."""
    rows = engine.fetch(f"SELECT name, total_rows, total_bytes FROM system.tables WHERE database = {literal(database)}")
    return {str(row["name"]): StoredTable(_count(row["total_rows"]), _count(row["total_bytes"])) for row in rows}


def _count(value: object) -> int:
    """NULL stands for what the engine cannot tell without reading the table, as for a view."""
    return value if isinstance(value, int) else 0
