"""A real engine for tests of SQL text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import chdb
import msgspec
import pytest

Row = Mapping[str, Any]
Ask = Callable[..., Row]


class _Engine:
    """One connection in one thread, thrown away after an exception: its buffer may hold another answer's bytes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection = chdb.connect(path)

    def ask(self, statement: str, **parameters: str) -> Row:
        try:
            answer = self._connection.query(statement, "JSONEachRow", params=parameters)
        except Exception:
            self.close()
            self._connection = chdb.connect(self._path)
            raise
        row: Row = msgspec.json.decode(answer.bytes())
        return row

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Runs a statement with bound parameters and gives its only row."""
    engine = _Engine(str(tmp_path_factory.mktemp("engine")))
    yield engine.ask
    engine.close()
