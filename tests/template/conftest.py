"""A real engine for tests of rendered SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import chdb
import msgspec
import pytest

Ask = Callable[..., Mapping[str, Any]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Runs a statement with bound parameters and gives its only row; one connection, so no statement may fail."""
    connection = chdb.connect(str(tmp_path_factory.mktemp("engine")))

    def run(statement: str, parameters: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        row: Mapping[str, Any] = msgspec.json.decode(
            connection.query(statement, "JSONEachRow", params=dict(parameters or {})).bytes()
        )
        return row

    yield run
    connection.close()
