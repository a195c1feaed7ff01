"""Filling a new version of a table: what fails at a row that no probe came to is named as if one had."""

from __future__ import annotations

import pytest
from tests.engine.shared import shared_engine

from stonechat.deploy.filling import Filler, Filling, FillingFailed
from stonechat.deploy.plan import RewriteDataSource
from stonechat.project.live import Snapshot
from stonechat.project.model import Project
from stonechat.project.workspaces import Workspace

_EVENTS = """SCHEMA >
    `n` UInt32 `json:$.n`,
    `size` UInt8 `json:$.size`

ENGINE_SORTING_KEY n

FORWARD_QUERY >
    SELECT n,
        toUInt8(text) AS size
"""


def test_a_column_that_fails_while_rows_are_filled_in_is_named_at_its_place() -> None:
    engine = shared_engine()
    for name in ("filling_base", "filling_frozen", "filling_own"):
        engine.command(f"DROP DATABASE IF EXISTS {name}")
        engine.command(f"CREATE DATABASE {name}")
    engine.command("CREATE TABLE filling_frozen.events (n UInt32, text String) ORDER BY n")
    engine.command("SYSTEM STOP MERGES filling_frozen.events")
    engine.command(
        "INSERT INTO filling_frozen.events SELECT number, if(number = 1200000, 'many', '7') FROM numbers(1300000)"
    )
    project = Project.from_files({"events.datasource": _EVENTS})
    source = project.data_sources["events"]
    assert source.forward_query is not None
    filling = Filling("events", "filling_own", "filling_frozen", "filling_own")
    snapshot = Snapshot(Workspace("w", "w", "filling_base", "2026-01-01"), 1, project, {})
    filler = Filler(engine, snapshot, filling, noted=lambda: None, query_id="")
    with pytest.raises(FillingFailed) as raised:
        filler.fill(RewriteDataSource(source, source.forward_query), [])
    assert str(raised.value).startswith(
        "events.datasource:9:23: Error on datasource 'events': Error migrating data: "
        "The column 'size' of the data source 'events' does not convert: Cannot parse string 'many' as UInt8"
    )
    assert filling.done[""] > 0, "rows before it had been filled in"
