"""Rows go when their time has come: those of a data source by its ENGINE_TTL, quarantined ones by the setting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stonechat.deploy.retention import QuarantineRetention
from stonechat.project.live import Table
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.server import Server
from stonechat.settings import Settings

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
Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def started(**settings: int) -> Server:
            stack.close()
            server = Server(Settings(home=tmp_path / "home", **settings))  # type: ignore[arg-type]  # some of its fields
            return stack.enter_context(server)

        yield started


def _deploy(server: Server, **files: str) -> None:
    workspace = server.workspaces.default.snapshot.workspace.id
    server.workspaces.deployer(workspace).deploy({f"{name}.datasource": text for name, text in files.items()})


def _table(server: Server, name: str) -> Table:
    return server.workspaces.default.snapshot.table(name)


def _days_ago(days: int) -> str:
    return (_NOW - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S")


def _quarantine(server: Server, name: str, *days: int) -> None:
    table = _table(server, name + QUARANTINE_SUFFIX)
    for number in days:
        moment = f"toDateTime('{_days_ago(number)}')"
        server.engine.command(f"INSERT INTO {table} (insertion_date, n) SELECT {moment}, '{number}'")


def _kept(server: Server, table: Table, column: str = "n") -> list[int]:
    server.engine.command(f"OPTIMIZE TABLE {table} FINAL SETTINGS alter_sync = 2, mutations_sync = 2")
    rows = server.engine.fetch(f"SELECT toInt64({column}) AS n FROM {table} ORDER BY n")
    return [int(str(row["n"])) for row in rows]


def test_rows_of_a_data_source_go_by_its_ttl(start: Start) -> None:
    server = start()
    _deploy(server, events=_EVENTS)
    snapshot = server.workspaces.default.snapshot
    identity, source = snapshot.identities["events"].id, snapshot.data_source("events")
    lines = [json.dumps({"at": _days_ago(days), "n": days, "text": "ü"}) for days in (1, 9, 11, 40)]
    asyncio.run(server.ingestion.accept(identity, source, "\n".join(lines).encode(), wait=True))
    assert _kept(server, _table(server, "events")) == [1, 9]


def test_quarantined_rows_go_after_the_days_of_the_setting(start: Start) -> None:
    server = start(quarantine_days=5)
    _deploy(server, events=_EVENTS)
    assert QuarantineRetention(server.engine, 5).apply() == 1
    assert QuarantineRetention(server.engine, 5).apply() == 0
    _quarantine(server, "events", 1, 4, 6, 40)
    assert _kept(server, _table(server, "events_quarantine")) == [1, 4]


def test_a_change_of_the_setting_holds_for_rows_that_are_there(start: Start) -> None:
    server = start(quarantine_days=0)
    _deploy(server, events=_EVENTS)
    QuarantineRetention(server.engine, 0).apply()
    _quarantine(server, "events", 1, 20, 400)
    assert _kept(server, _table(server, "events_quarantine")) == [1, 20, 400]
    server = start(quarantine_days=30)
    QuarantineRetention(server.engine, 30).apply()
    assert _kept(server, _table(server, "events_quarantine")) == [1, 20]
    assert _kept(server, _table(server, "events")) == []


def test_the_quarantine_of_a_new_version_has_the_days_too(start: Start) -> None:
    server = start(quarantine_days=5)
    _deploy(server, events=_EVENTS)
    QuarantineRetention(server.engine, 5).apply()
    _deploy(server, events=_EVENTS.replace("n UInt8", "n UInt16"), more=_EVENTS)
    QuarantineRetention(server.engine, 5).apply()
    for name in ("events", "more"):
        _quarantine(server, name, 1, 6)
        assert _kept(server, _table(server, name + QUARANTINE_SUFFIX)) == [1]
