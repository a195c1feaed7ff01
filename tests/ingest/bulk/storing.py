"""What a table holds of rows that were read in bulk."""

from __future__ import annotations

from tests.ingest.engines import FaultyEngine
from tests.ingest.tables import Fed

from stonechat.engine.contract import Insert
from stonechat.ingest.destinations import insert_rows
from stonechat.ingest.verdicts import Verdicts


def stored(fed: Fed, verdicts: Verdicts, columns: str = "*", *, binary: bool) -> list[dict[str, object]]:
    """What the table has once it has the rows, in the form that is asked for and no other."""
    formats: list[str] = []
    engine = FaultyEngine(fed.engine, fault=lambda insert: formats.append(insert.format))
    insert = Insert(fed.database, "t", fed.destination.columns, "JSONEachRow", [verdicts.good], f"binary: {binary}")
    insert_rows(engine, insert, fed.destination, [verdicts.binary] if binary else [])
    assert [form.startswith("RowBinary") for form in formats] == [binary]
    rows = fed.rows(columns)
    fed.engine.command(f"TRUNCATE TABLE {fed.database}.t")
    return rows
