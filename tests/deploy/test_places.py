"""Readers find the tables of their deployment wherever they are, and what no deployment names is removed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.engine.shared import shared_engine

from stonechat.deploy.restore import remove_strays
from stonechat.engine.contract import Engine
from stonechat.project.model import Project
from stonechat.project.places import Place
from stonechat.project.snapshot import Snapshot, Table
from stonechat.project.workspaces import Workspace

_SOURCE = 'SCHEMA >\n    `x` UInt8 `json:$.x`\nENGINE "MergeTree"\nENGINE_SORTING_KEY "x"\n'
_WORKSPACE = Workspace("w", "w", "ws_places", "")
_PROJECT = Project.from_files({"a.datasource": _SOURCE, "b.datasource": _SOURCE})


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = shared_engine()
    for database in ("ws_places", "ws_places_d2", "ws_places_d3", "ws_placesx"):
        engine.command(f"CREATE DATABASE {database}")
        for name in ("a", "a_quarantine", "b", "stray"):
            engine.command(f"CREATE TABLE {database}.{name} (x UInt8) ENGINE = Memory")
    yield engine
    for database in ("ws_places", "ws_places_d2", "ws_places_d3", "ws_placesx"):
        engine.command(f"DROP DATABASE IF EXISTS {database}")


def _snapshot(**databases: str) -> Snapshot:
    return Snapshot(_WORKSPACE, 2, _PROJECT, {}, {name: Place(database) for name, database in databases.items()})


def test_a_table_lies_where_its_deployment_made_it() -> None:
    snapshot = _snapshot(a="ws_places_d2")
    assert snapshot.table("a") == Table("ws_places_d2", "a")
    assert snapshot.table("a_quarantine") == Table("ws_places_d2", "a_quarantine")
    assert str(snapshot.table("b")) == "`ws_places`.`b`"


def test_statements_find_tables_that_have_moved() -> None:
    snapshot = _snapshot(a="ws_places_d2")
    statement = "SELECT a.x FROM a, b, a_quarantine"
    assert snapshot.placed(statement) == "SELECT a.x FROM `ws_places_d2`.a, b, `ws_places_d2`.a_quarantine"
    assert _snapshot().placed(statement) is statement


def test_what_no_deployment_names_is_removed(engine: Engine) -> None:
    remove_strays(engine, [_snapshot(), _snapshot(a="ws_places_d2")])
    rows = engine.fetch("SELECT database, name FROM system.tables WHERE startsWith(database, 'ws_places')")
    tables = {f"{row['database']}.{row['name']}" for row in rows}
    kept = {f"ws_places.{name}" for name in ("a", "a_quarantine", "b")}
    others = {f"ws_placesx.{name}" for name in ("a", "a_quarantine", "b", "stray")}
    assert tables == kept | {"ws_places_d2.a", "ws_places_d2.a_quarantine"} | others
    assert not engine.fetch("SELECT 1 FROM system.databases WHERE name = 'ws_places_d3'")
