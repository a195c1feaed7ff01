"""Has tables remember every block that may come again, however many partitions it has.

A deduplication window counts parts, and a block makes one for each of its partitions. Of one with more than the window,
a table has forgotten the first parts by the time that it has the last: each repetition would double all of them. So a
block may have a share of the window alone. One with more is refused before anything of it is written; then the windows
of its table and of the tables behind it, through views, grow tenfold, and it is sent again.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from stonechat.engine.contract import EngineFailure
from stonechat.sql.quoting import identifier, literal

#: How many parts a table remembers by their tokens from its beginning on. A list of so many is a small file.
DEDUPLICATION_WINDOW: Final = 1000
_BLOCKS: Final = 4
"""Blocks of the most partitions that a window has room for: a view's target may be fed from several tables, and of a
block that was split several parts may come again."""
_GROWTH: Final = 10
_TOO_MANY_PARTS: Final = 252
_REFUSED: Final = "partitions for single INSERT block"
_WINDOW: Final = re.compile(r"\bnon_replicated_deduplication_window = (\d+)")
_Name = tuple[str, str]


class Windows:
    """The most partitions that a block for a table may have. Any thread may call."""

    def __init__(self, fetch: Callable[[str], Sequence[Mapping[str, object]]], command: Callable[[str], None]) -> None:
        self._fetch = fetch
        self._command = command
        self._lock = threading.Lock()
        self._limits: dict[_Name, int] = {}

    def limit(self, database: str, table: str) -> int:
        """The most partitions of a block for a table."""
        return self._limits.get((database, table), DEDUPLICATION_WINDOW // _BLOCKS)

    def widen(self, database: str, table: str) -> None:
        """Allow ten times as many, and have the table and those behind it remember them. Raises `EngineFailure`."""
        with self._lock:
            limit = self.limit(database, table) * _GROWTH
            for name, window in self._reached((database, table)):
                if 0 < window < limit * _BLOCKS:
                    place = ".".join(map(identifier, name))
                    self._command(
                        f"ALTER TABLE {place} MODIFY SETTING non_replicated_deduplication_window = {limit * _BLOCKS}"
                    )
            self._limits[database, table] = limit

    def forget(self) -> None:
        """There is a new table, perhaps with the name of an earlier one, or behind a known one."""
        with self._lock:
            self._limits.clear()

    def _reached(self, table: _Name) -> Iterator[tuple[_Name, int]]:
        """The tables that rows for a table come into, with their windows; 0 for none."""
        found = [table]
        for name in found:
            place = f"database = {literal(name[0])} AND name = {literal(name[1])}"
            for row in self._fetch(f"SELECT engine_full FROM system.tables WHERE {place}"):
                window = _WINDOW.search(str(row["engine_full"]))
                yield name, int(window[1]) if window else 0
            found += [target for target in self._targets_of(name) if target not in found]

    def _targets_of(self, name: _Name) -> Sequence[_Name]:
        rows = self._fetch(
            "SELECT DISTINCT target_database, target_table FROM system.tables WHERE engine = 'MaterializedView' AND "
            "(database, name) IN (SELECT arrayJoin(arrayZip(dependencies_database, dependencies_table)) "
            f"FROM system.tables WHERE database = {literal(name[0])} AND name = {literal(name[1])})"
        )
        return [(str(row["target_database"]), str(row["target_table"])) for row in rows]


def exceeds_window(failure: EngineFailure) -> bool:
    """Whether a block was refused for the number of its partitions, or of those in the target of a view."""
    return failure.number == _TOO_MANY_PARTS and _REFUSED in failure.message
