"""Blocks into tables, one after the other, each committed or known to have failed.

chDB's streaming insert is the fastest way in, but its `finish` reports success for failures behind the parser: a
violated constraint, too many partitions, a view that throws, a full disk. ClickHouse counts every failed insert, so
the count is read after each block. When it moved, the block is sent again by the way that does report, under the same
token: what was committed is skipped, what was not gets its exception. That way ends binary rows at the first byte that
is a newline, and calls the rows before it the block, so it is for JSONEachRow alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from stonechat.engine.contract import EngineFailure, FailureUntold, Insert
from stonechat.engine.failures import translated
from stonechat.engine.windows import Windows, exceeds_window
from stonechat.sql.quoting import identifier, literal

#: One insert is one block, so that its token covers it whole; views run in one thread and repeat exactly. A key that
#: comes again in a row is refused, also behind the last column's, where the engine would look no further.
OPTIONS: Final = {
    "async_insert": "0",
    "input_format_json_ignore_unnecessary_fields": "0",
    "insert_deduplicate": "1",
    "deduplicate_blocks_in_dependent_materialized_views": "1",
    "materialized_views_ignore_errors": "0",
    "max_insert_block_size": "1000000000",
    "min_insert_block_size_rows": "0",
    "min_insert_block_size_bytes": "0",
    "max_insert_threads": "1",
    "max_partitions_per_insert_block": "0",
    "max_threads": "1",
    "parallel_view_processing": "0",
    "min_free_disk_bytes_to_perform_insert": "268435456",
}
_REPORTED: Final = "JSONEachRow"
_FAILED: Final = "SELECT value FROM system.events WHERE event = 'FailedInsertQuery' LIMIT 1"


class Writer:
    """The one writer of an engine. `connect` opens a connection with the options given."""

    def __init__(self, connect: Callable[[Mapping[str, str]], Any], windows: Windows) -> None:
        self._connect = connect
        self._windows = windows
        self._lock = threading.Lock()
        self._connection: Any = None
        self._counter: Any = None
        self._failed: int | None = None

    def insert(self, insert: Insert) -> int:
        """Commit a block; see `Engine.insert`. Other callers wait."""
        with self._lock:
            while True:
                try:
                    return self._insert(insert)
                except EngineFailure as failure:
                    if not exceeds_window(failure):
                        raise
                self._windows.widen(insert.database, insert.table)

    def expect_failures(self) -> None:
        """Somebody else's insert failed: do not take it for one of the writer's."""
        self._failed = None

    def close(self) -> None:
        """Close the connections; a block under way is finished first."""
        with self._lock:
            for connection in (self._connection, self._counter):
                if connection is not None:
                    connection.close()
            self._connection = self._counter = None

    def _insert(self, insert: Insert) -> int:
        expected = self._count_failed() if self._failed is None else self._failed
        self._failed = None
        rows = self._send(insert)
        failed = self._count_failed()
        if failed != expected:
            if insert.format != _REPORTED:
                raise FailureUntold(f"An insert failed that was not in {_REPORTED}")
            return self._send_reporting(insert)
        self._failed = failed
        return rows

    def _send(self, insert: Insert) -> int:
        connection = self._connection or self._connect(OPTIONS)
        self._connection = None  # until it has served well: after an exception it must not serve again
        try:
            with translated(), connection.send_insert(self._statement(insert), insert.format) as stream:
                for chunk in insert.data:
                    stream.append(chunk)
                rows = int(stream.finish().rows_written)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return rows

    def _send_reporting(self, insert: Insert) -> int:
        connection = self._connect(OPTIONS)
        head = f"{self._statement(insert)} FORMAT {insert.format}\n".encode()
        try:
            with translated():
                return int(connection.query(b"".join([head, *insert.data])).rows_written())
        finally:
            connection.close()

    def _count_failed(self) -> int:
        if self._counter is None:
            self._counter = self._connect({"max_threads": "1"})
        with translated():
            return int(self._counter.query(_FAILED, "TabSeparated").bytes() or 0)

    def _statement(self, insert: Insert) -> str:
        columns = ", ".join(map(identifier, insert.columns))
        settings = {"insert_deduplication_token": literal(insert.token)}
        if insert.past_failing_views:  # one that this were too many partitions for would count as failing
            settings["materialized_views_ignore_errors"] = "1"
        else:
            settings["max_partitions_per_insert_block"] = str(self._windows.limit(insert.database, insert.table))
        listed = ", ".join(f"{name} = {value}" for name, value in settings.items())
        return f"INSERT INTO {identifier(insert.database)}.{identifier(insert.table)} ({columns}) SETTINGS {listed}"
