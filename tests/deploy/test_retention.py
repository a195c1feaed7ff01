"""Rows go when their time has come: those of a data source by its ENGINE_TTL, quarantined ones by the setting."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.engine.shared import shared_engine

from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import DataSource
from stonechat.deploy.ddl import clone_table, create_quarantine, create_table
from stonechat.deploy.retention import QuarantineRetention
from stonechat.engine.contract import Insert
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.snapshot import Table
from stonechat.project.workspaces import DATABASE_PREFIX

_EVENTS = """SCHEMA >
    at DateTime `json:$.at`,
    n UInt8 `json:$.n`,
    text String `json:$.text` DEFAULT ''

ENGINE MergeTree
ENGINE_PARTITION_KEY toYYYYMM(at)
ENGINE_SORTING_KEY n
ENGINE_TTL at + toIntervalDay(10)
"""
_NOW = datetime.now(UTC)
_NUMBERS = itertools.count()
_QUARANTINE = f"events{QUARANTINE_SUFFIX}"


@pytest.fixture
def database() -> Iterator[str]:
    """The database of a workspace with a data source and its quarantine, both empty."""
    name = f"{DATABASE_PREFIX}retention{next(_NUMBERS)}"
    source = read_datafile("events.datasource", _EVENTS)
    assert isinstance(source, DataSource)
    engine = shared_engine()
    engine.command(f"CREATE DATABASE {name}")
    engine.command(create_table(source, name))
    engine.command(create_quarantine(source, name))
    yield name
    engine.command(f"DROP DATABASE {name} SYNC")


def _days_ago(days: int) -> str:
    return (_NOW - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S")


def _quarantine(database: str, *days: int) -> None:
    for number in days:
        shared_engine().command(
            f"INSERT INTO {Table(database, _QUARANTINE)} (insertion_date, n) "
            f"SELECT toDateTime('{_days_ago(number)}'), '{number}'"
        )


def _kept(database: str, name: str) -> list[int]:
    table = Table(database, name)
    end = time.monotonic() + 60
    while shared_engine().fetch(f"SELECT 1 FROM system.mutations WHERE database = '{database}' AND NOT is_done"):
        assert time.monotonic() < end
        time.sleep(0.05)
    shared_engine().command(f"OPTIMIZE TABLE {table} FINAL SETTINGS alter_sync = 2, mutations_sync = 2")
    rows = shared_engine().fetch(f"SELECT toInt64(n) AS n FROM {table} ORDER BY n")
    return [int(str(row["n"])) for row in rows]


def test_rows_of_a_data_source_go_by_its_ttl(database: str) -> None:
    lines = [json.dumps({"at": _days_ago(days), "n": days, "text": "ü"}) + "\n" for days in (1, 9, 11, 40)]
    data = ["".join(lines).encode()]
    shared_engine().insert(Insert(database, "events", ("at", "n", "text"), "JSONEachRow", data, "token"))
    assert _kept(database, "events") == [1, 9]


def test_quarantined_rows_go_after_the_days_of_the_setting(database: str) -> None:
    retention = QuarantineRetention(shared_engine(), 5)
    assert retention.apply() == 1
    assert retention.apply() == 0
    _quarantine(database, 1, 4, 6, 40)
    assert _kept(database, _QUARANTINE) == [1, 4]


def test_a_change_of_the_setting_holds_for_rows_that_are_there(database: str) -> None:
    QuarantineRetention(shared_engine(), 0).apply()
    _quarantine(database, 1, 20, 400)
    assert _kept(database, _QUARANTINE) == [1, 20, 400]
    QuarantineRetention(shared_engine(), 30).apply()
    assert _kept(database, _QUARANTINE) == [1, 20]


def test_the_quarantine_of_another_version_is_found_too(database: str) -> None:
    QuarantineRetention(shared_engine(), 5).apply()
    engine, other = shared_engine(), f"{database}_d2"
    engine.command(f"CREATE DATABASE {other}")
    try:
        _quarantine(database, 1, 4)
        engine.command(clone_table(_QUARANTINE, database, other))
        assert QuarantineRetention(engine, 3).apply() == 2
        assert _kept(other, _QUARANTINE) == _kept(database, _QUARANTINE) == [1]
    finally:
        engine.command(f"DROP DATABASE {other} SYNC")


@pytest.mark.usefixtures("database")
def test_it_looks_when_it_starts() -> None:
    retention = QuarantineRetention(shared_engine(), 7)
    retention.start()
    retention.close()
    assert retention.apply() == 0
