"""A real engine for tests of SQL text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from tests.engine.shared import shared_engine

from stonechat.engine.contract import Query

Row = Mapping[str, Any]
Ask = Callable[..., Row]


@pytest.fixture(scope="session")
def ask() -> Ask:
    """Runs a statement with bound parameters and gives its only row."""

    def run(statement: str, **parameters: str) -> Row:
        query = Query(statement, "default", "JSONEachRow", parameters)
        row: Row = msgspec.json.decode(shared_engine().query(query).data)
        return row

    return run
