"""How much the tables of what is live hold, for whoever wants to know what a deployment moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stonechat.engine.contract import Engine
from stonechat.project.snapshot import Snapshot, Table
from stonechat.sql.quoting import literal


@dataclass(frozen=True, slots=True)
class Held:
    """What a table holds, in rows and in bytes on the disk."""

    rows: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        if not self.rows:
            return "no rows"
        return f"{self.rows:,} row{'s' if self.rows > 1 else ''} ({_size(self.bytes)})"


def held_by_tables(engine: Engine, snapshot: Snapshot) -> Mapping[str, Held]:
    """What each table of a deployment holds that has rows, quarantines too, by name. Blocks."""
    rows = engine.fetch(
        "SELECT database, table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts "
        f"WHERE active AND database IN ({', '.join(map(literal, snapshot.databases))}) GROUP BY database, table"
    )
    held: dict[str, Held] = {}
    for row in rows:
        table = Table(str(row["database"]), str(row["table"]))
        if table == snapshot.table(table.name):
            held[table.name] = Held(int(str(row["rows"])), int(str(row["bytes"])))
    return held


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
