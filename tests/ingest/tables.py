"""Data sources with their tables in an engine, as a deployment would make them."""

from __future__ import annotations

from dataclasses import dataclass

from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import DataSource
from stonechat.engine.chdb import ChdbEngine
from stonechat.ingest.destinations import Destination
from stonechat.ingest.feeding import stored_form
from stonechat.ingest.rows import RowReader
from stonechat.project.quarantine import quarantine_columns
from stonechat.sql.quoting import identifier


@dataclass(frozen=True)
class Fed:
    """A data source whose tables stand in an engine."""

    engine: ChdbEngine
    database: str
    source: DataSource
    destination: Destination

    def rows(self, columns: str = "*") -> list[dict[str, object]]:
        return self.engine.fetch(f"SELECT {columns} FROM {self.database}.t ORDER BY ALL")

    def quarantined(self, columns: str = "*") -> list[dict[str, object]]:
        return self.engine.fetch(f"SELECT {columns} FROM {self.database}.t_quarantine ORDER BY ALL")

    def count(self, table: str = "t") -> int:
        (row,) = self.engine.fetch(f"SELECT count() AS n FROM {self.database}.{table}")
        return int(str(row["n"]))


def data_source(schema: str) -> DataSource:
    """A data source from the lines of its SCHEMA."""
    text = "SCHEMA >\n" + ",\n".join(f"    {line}" for line in schema.strip().splitlines()) + "\n"
    source = read_datafile("t.datasource", text)
    assert isinstance(source, DataSource)
    return source


def canonical(source: DataSource, rows: bytes) -> bytes:
    """Rows that the door let pass, in canonical form: it may have left them as they came."""
    return b"".join(RowReader(stored_form(source.columns)).canonical(rows))


def create_tables(engine: ChdbEngine, database: str, source: DataSource, settings: str = "") -> Fed:
    """The table `t` of a data source and its quarantine, as a deployment would make them."""
    columns = ", ".join(
        f"{identifier(column.name)} {column.type}" + (f" DEFAULT {column.default}" if column.default else "")
        for column in source.columns
    )
    window = "SETTINGS non_replicated_deduplication_window = 1000"
    engine.command(f"CREATE TABLE {database}.t ({columns}) ORDER BY tuple() {settings} {window}")
    copies = ", ".join(f"{identifier(name)} {kind}" for name, kind in quarantine_columns(source))
    engine.command(f"CREATE TABLE {database}.t_quarantine ({copies}) ORDER BY insertion_date {window}")
    return Fed(engine, database, source, Destination.of(source, database=database, table="t"))
