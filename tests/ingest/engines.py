"""Engines that misbehave on purpose, around a real one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import Capabilities, Fill, Insert, Query, QueryResult, Reading

Fault = Callable[[Insert], None]
"""Asked before each insert; may raise."""


@dataclass
class FaultyEngine:
    """The real engine, with a fault in front of every insert and a memory of the tokens that went through."""

    engine: ChdbEngine
    fault: Fault = lambda _insert: None
    tokens: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def capabilities(self) -> Capabilities:
        return self.engine.capabilities

    def insert(self, insert: Insert) -> int:
        self.entered.set()
        self.gate.wait(60)
        self.fault(insert)
        rows = self.engine.insert(insert)
        self.tokens.append(insert.token)
        return rows

    def query(self, query: Query, answered: Callable[[QueryResult], None] | None = None) -> QueryResult:
        return self.engine.query(query, answered)

    def scratch_file(self) -> BinaryIO:
        return self.engine.scratch_file()

    def query_into(self, query: Query, file: BinaryIO) -> QueryResult:
        return self.engine.query_into(query, file)

    def cancel(self, query_id: str) -> None:
        self.engine.cancel(query_id)

    def command(self, statement: str, *, database: str = "default", query_id: str = "") -> None:
        self.engine.command(statement, database=database, query_id=query_id)

    def fill(self, fill: Fill) -> QueryResult:
        return self.engine.fill(fill)

    def reading(self, query_id: str) -> Reading | None:
        return self.engine.reading(query_id)

    def fetch(self, statement: str, *, database: str = "default") -> list[dict[str, object]]:
        return self.engine.fetch(statement, database=database)

    def explain(self, statement: str) -> str:
        return self.engine.explain(statement)

    def close(self) -> None:
        self.engine.close()
