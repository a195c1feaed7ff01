"""Data sources with their tables in the process's engine, and the parts of the write path over throw-away folders."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.engine.shared import shared_engine
from tests.ingest.tables import Fed, create_tables, data_source

from stonechat.engine.chdb import ChdbEngine

_NUMBERS = itertools.count()


Feed = Callable[[str], Fed]


@pytest.fixture(scope="session")
def engine() -> ChdbEngine:
    return shared_engine()


@pytest.fixture
def database(engine: ChdbEngine) -> Iterator[str]:
    name = f"ingest_{next(_NUMBERS)}"
    engine.command(f"CREATE DATABASE {name}")
    yield name
    engine.command(f"DROP DATABASE {name} SYNC")


@pytest.fixture
def feed(engine: ChdbEngine, database: str) -> Feed:
    """Make the tables of a schema, given as one column a line."""
    return lambda schema: create_tables(engine, database, data_source(schema))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"
