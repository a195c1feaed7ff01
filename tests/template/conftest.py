"""A real engine for tests of rendered SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from tests.engine.shared import shared_engine

from stonechat.engine.contract import Query

Ask = Callable[..., Mapping[str, Any]]


@pytest.fixture(scope="session")
def ask() -> Ask:
    """Runs a statement with bound parameters and gives its only row."""

    def run(statement: str, parameters: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        if parameters is None:
            (found,) = shared_engine().fetch(statement)
            return found
        query = Query(statement, "default", "JSONEachRow", dict(parameters))
        row: Mapping[str, Any] = msgspec.json.decode(shared_engine().query(query).data)
        return row

    return run
