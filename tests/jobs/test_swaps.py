"""Tables change places all at once, or none does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from tests.engine.shared import shared_engine

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import EngineFailure
from stonechat.jobs import swaps
from stonechat.jobs.swaps import MIGRATIONS, complete_swaps, swap
from stonechat.project.snapshot import Table
from stonechat.state import StateStore

_LIVE, _STAGING = "swaps_live", "swaps_staging"
_FIRST, _SECOND = Table(_LIVE, "first"), Table(_LIVE, "second")


@pytest.fixture
def engine() -> Iterator[ChdbEngine]:
    """An engine with two live tables, and new ones beside them."""
    engine = shared_engine()
    for database in (_LIVE, _STAGING):
        engine.command(f"CREATE DATABASE {database}")
        for table in ("first", "second"):
            engine.command(f"CREATE TABLE {database}.{table} (n UInt8) ENGINE = MergeTree ORDER BY n")
    _add(engine, _FIRST, 1)
    _add(engine, Table(_STAGING, "first"), 2)
    yield engine
    for database in (_LIVE, _STAGING):
        engine.command(f"DROP DATABASE IF EXISTS {database} SYNC")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    store = StateStore(f"sqlite:///{tmp_path / 'state.sqlite'}", MIGRATIONS)
    yield store
    store.close()


def _add(engine: ChdbEngine, table: Table, number: int) -> None:
    engine.command(f"INSERT INTO {table} SELECT {number}")


def _numbers(engine: ChdbEngine, table: Table) -> list[int]:
    return [int(str(row["n"])) for row in engine.fetch(f"SELECT n FROM {table} ORDER BY n")]


def test_the_new_tables_take_the_places_of_the_live_ones(engine: ChdbEngine, store: StateStore) -> None:
    swap(store, engine, _STAGING, [_FIRST, _SECOND])
    assert _numbers(engine, _FIRST) == [2]
    complete_swaps(store, engine)
    assert _numbers(engine, _FIRST) == [2]


def test_what_the_engine_refuses_half_way_is_taken_back_and_takes_no_later_row_along(
    engine: ChdbEngine, store: StateStore
) -> None:
    engine.command(f"DROP TABLE {_STAGING}.second SYNC")
    told: list[bool] = []

    def note(_connection: sa.Connection, decided: bool) -> None:
        told.append(decided)

    with pytest.raises(EngineFailure):
        swap(store, engine, _STAGING, [_FIRST, _SECOND], note)
    assert told == [True, False]
    assert _numbers(engine, _FIRST) == [1]
    assert engine.fetch(f"SELECT 1 FROM system.databases WHERE name = '{_STAGING}'") == []
    _add(engine, _FIRST, 3)
    complete_swaps(store, engine)  # as the next start does
    assert _numbers(engine, _FIRST) == [1, 3]


@dataclass
class _Refusing:
    """An engine that carries out so many exchanges and refuses all further ones."""

    engine: ChdbEngine
    exchanges: int

    def command(self, statement: str, **arguments: str) -> None:
        if statement.startswith("EXCHANGE"):
            self.exchanges -= 1
            if self.exchanges < 0:
                raise EngineFailure("not now")
        self.engine.command(statement, **arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)


def test_what_cannot_be_taken_back_does_not_come_back_over_a_later_exchange(
    engine: ChdbEngine, store: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swaps, "_PAUSES", ())
    with pytest.raises(EngineFailure, match="not now"):
        swap(store, cast("ChdbEngine", _Refusing(engine, exchanges=1)), _STAGING, [_FIRST, _SECOND])
    later = f"{_STAGING}_later"
    engine.command(f"CREATE DATABASE {later}")
    try:
        engine.command(f"CREATE TABLE {later}.first AS {_FIRST}")
        _add(engine, Table(later, "first"), 9)
        swap(store, engine, later, [_FIRST])
        assert _numbers(engine, _FIRST) == [9]
        complete_swaps(store, engine)  # as the next start does
        assert _numbers(engine, _FIRST) == [9]
    finally:
        engine.command(f"DROP DATABASE {later} SYNC")
