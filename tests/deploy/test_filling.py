"""Filling a new version of a table: what fails at a row that no probe came to is named as if one had, and a step that
is repeated counts once.
"""

from __future__ import annotations

import pytest
from tests.engine.shared import shared_engine

from stonechat.deploy.ddl import create_table
from stonechat.deploy.filling import Filler, Filling, FillingFailed
from stonechat.deploy.plan import RewriteDataSource
from stonechat.engine import windows
from stonechat.engine.chdb import ChdbEngine
from stonechat.project.model import Project
from stonechat.project.snapshot import Snapshot
from stonechat.project.workspaces import Workspace

_EVENTS = """SCHEMA >
    `n` UInt32 `json:$.n`,
    `size` UInt8 `json:$.size`

ENGINE_SORTING_KEY n

FORWARD_QUERY >
    SELECT n,
        toUInt8(text) AS size
"""


def _frozen_table(created: str, rows: str) -> ChdbEngine:
    engine = shared_engine()
    for name in ("filling_base", "filling_frozen", "filling_own"):
        engine.command(f"DROP DATABASE IF EXISTS {name}")
        engine.command(f"CREATE DATABASE {name}")
    engine.command(f"CREATE TABLE filling_frozen.events {created}")
    engine.command("SYSTEM STOP MERGES filling_frozen.events")
    engine.command(f"INSERT INTO filling_frozen.events {rows}")
    return engine


def _filler(engine: ChdbEngine, text: str, filling: Filling) -> tuple[Filler, RewriteDataSource]:
    project = Project.from_files({"events.datasource": text})
    source = project.data_sources["events"]
    assert source.forward_query is not None
    snapshot = Snapshot(Workspace("w", "w", "filling_base", "2026-01-01"), 1, project, {})
    filler = Filler(engine, snapshot, filling, noted=lambda: None, query_id="")
    return filler, RewriteDataSource(source, source.forward_query)


def test_a_column_that_fails_while_rows_are_filled_in_is_named_at_its_place() -> None:
    engine = _frozen_table(
        "(n UInt32, text String) ORDER BY n",
        "SELECT number, if(number = 1200000, 'many', '7') FROM numbers(1300000)",
    )
    filling = Filling("events", "filling_own", "filling_frozen", "filling_own")
    filler, step = _filler(engine, _EVENTS, filling)
    with pytest.raises(FillingFailed) as raised:
        filler.fill(step, [])
    assert str(raised.value).startswith(
        "events.datasource:9:23: Error on datasource 'events': Error migrating data: "
        "The column 'size' of the data source 'events' does not convert: Cannot parse string 'many' as UInt8"
    )
    assert filling.done[""] > 0, "rows before it had been filled in"
    (counted,) = engine.fetch("SELECT count() AS every, uniqExact(n) AS different FROM filling_own.events")
    (first,) = engine.fetch(
        "SELECT rows FROM system.parts WHERE database = 'filling_frozen' AND active ORDER BY name LIMIT 1"
    )
    assert counted["every"] == counted["different"] == first["rows"], "step by step, each its own"


def test_a_step_of_more_partitions_than_a_window_has_places_counts_once_when_it_is_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows, "DEDUPLICATION_WINDOW", 20)
    engine = _frozen_table("(n UInt32) ORDER BY n", "SELECT number FROM numbers(30)")
    keys = "ENGINE_PARTITION_KEY n\nENGINE_SORTING_KEY n"
    text = f"SCHEMA >\n    `n` UInt32 `json:$.n`\n\n{keys}\n\nFORWARD_QUERY >\n    SELECT n\n"
    filling = Filling("events", "filling_own", "filling_frozen", "filling_own", done={"": 0})
    filler, step = _filler(engine, text, filling)
    made = create_table(step.source, "filling_own")
    smaller = made.replace("deduplication_window = 1000", "deduplication_window = 20")
    assert smaller != made
    engine.command(smaller)
    for _ in range(2):
        filler.fill(step, [])
        assert filling.done == {"": 1}
        filling.done[""] = 0  # killed before the note of it
    assert engine.fetch("SELECT count() AS n FROM filling_own.events") == [{"n": 30}]
