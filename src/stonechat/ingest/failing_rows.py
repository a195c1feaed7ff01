"""Which rows of a block a materialized view cannot take.

A view fails for a block as a whole. The rows at fault are looked for on copies of the views behind a table, in a
database of their own, over tables that keep nothing. The copies are made from what the engine says of the views; where
they cannot be made, or do not behave like these, nothing is known, and nothing has happened. All data sources wait
meanwhile, so the search has a budget of time.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from stonechat.engine.contract import Engine, EngineFailure, Insert
from stonechat.ingest.destinations import is_transient, is_view_failure
from stonechat.sql.quoting import identifier, literal

_logger = structlog.get_logger(__name__)

_DATABASE: Final = "stonechat_failing_views"
_FIRST: Final = "t0"
_MOST_TRIALS: Final = 200
"""Some two seconds. What has not been tried by then counts as at fault."""
_MOST_SECONDS: Final = 10.0
_SHARE: Final = 0.1
"""The budget that grows in a second, in seconds."""
_Name = tuple[str, str]


class FailingRows:
    """Tries rows on copies of views. Serves one thread at a time."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._budget = _MOST_SECONDS
        self._seen = clock()
        self._trials = 0

    def taken(self, insert: Insert) -> Sequence[bytes] | None:
        """The lines of an insert but those that a view behind its table fails at; None where these are not known."""
        began = self._clock()
        self._budget = min(self._budget + (began - self._seen) * _SHARE, _MOST_SECONDS)
        self._seen = began
        if self._budget <= 0:
            return None
        try:
            return self._taken(insert)
        finally:
            self._seen = self._clock()
            self._budget -= self._seen - began

    def _taken(self, insert: Insert) -> Sequence[bytes] | None:
        lines = [line + b"\n" for line in b"".join(insert.data).split(b"\n") if line]
        self._trials = 0
        try:
            self._engine.command(f"DROP DATABASE IF EXISTS {_DATABASE} SYNC")
            self._engine.command(f"CREATE DATABASE {_DATABASE}")
            self._copy_views((insert.database, insert.table))
            return self._sound(replace(insert, database=_DATABASE, table=_FIRST, past_failing_views=False), lines)
        except EngineFailure as failure:
            _logger.warning("the rows that a view fails at are not known", table=insert.table, reason=failure.message)
            return None
        finally:
            self._engine.command(f"DROP DATABASE IF EXISTS {_DATABASE} SYNC")

    def _sound(self, insert: Insert, lines: Sequence[bytes]) -> list[bytes]:
        if not lines or self._trials >= _MOST_TRIALS:
            return []
        self._trials += 1
        try:
            self._engine.insert(replace(insert, data=lines, token=str(uuid.uuid4())))
        except EngineFailure as failure:
            if is_transient(failure) or not is_view_failure(failure):
                raise
            half = len(lines) // 2
            return [] if len(lines) == 1 else self._sound(insert, lines[:half]) + self._sound(insert, lines[half:])
        return list(lines)

    def _copy_views(self, table: _Name) -> None:
        """Copies of all tables that rows of a table come into, through views and views of views, and of these views."""
        copies: dict[_Name, str] = {table: _FIRST}
        views: list[tuple[str, str]] = []
        waiting = [table]
        while waiting:
            name = waiting.pop()
            self._copy_table(name, copies[name])
            for view in self._views_of(name):
                target = str(view["target_database"]), str(view["target_table"])
                if target not in copies:
                    copies[target] = f"t{len(copies)}"
                    waiting.append(target)
                views.append((copies[target], str(view["as_select"])))
        for number, (target_copy, statement) in enumerate(views):
            self._engine.command(
                f"CREATE MATERIALIZED VIEW {_DATABASE}.v{number} TO {_DATABASE}.{target_copy} AS "
                + _over_copies(statement, copies)
            )

    def _copy_table(self, name: _Name, copy: str) -> None:
        columns = self._engine.fetch(
            "SELECT name, type, default_kind, default_expression FROM system.columns "
            f"WHERE database = {literal(name[0])} AND table = {literal(name[1])} ORDER BY position"
        )
        listed = ", ".join(
            f"{identifier(str(each['name']))} {each['type']} {each['default_kind']} {each['default_expression']}"
            for each in columns
        )
        self._engine.command(f"CREATE TABLE {_DATABASE}.{copy} ({listed}) ENGINE = Null")

    def _views_of(self, name: _Name) -> Sequence[Mapping[str, object]]:
        return self._engine.fetch(
            "SELECT as_select, target_database, target_table FROM system.tables WHERE engine = 'MaterializedView' AND "
            "(database, name) IN (SELECT arrayJoin(arrayZip(dependencies_database, dependencies_table)) "
            f"FROM system.tables WHERE database = {literal(name[0])} AND name = {literal(name[1])}) ORDER BY name"
        )


def _over_copies(statement: str, copies: Mapping[_Name, str]) -> str:
    """A statement as the engine writes it, with the copies of tables in their places."""
    for (database, table), copy in copies.items():
        either = [rf"(?:{re.escape(text)}|{re.escape(identifier(text))})" for text in (database, table)]
        statement = re.sub(rf"(?<![\w`.]){either[0]}\.{either[1]}(?![\w`])", f"{_DATABASE}.{copy}", statement)
    return statement
