"""The process's engine, and a fresh database for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from tests.engine.shared import shared_engine

from stonechat.engine.chdb import ChdbEngine

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def engine() -> ChdbEngine:
    return shared_engine()


@pytest.fixture
def database(engine: ChdbEngine) -> Iterator[str]:
    name = f"test_{next(_NUMBERS)}"
    engine.command(f"CREATE DATABASE {name}")
    yield name
    engine.command(f"DROP DATABASE {name} SYNC")
