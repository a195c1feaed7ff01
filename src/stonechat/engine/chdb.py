"""The embedded engine: ClickHouse inside this process, through chDB. DESIGN.md has the facts it rests on."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from stonechat.engine.connecting import address, reader_options
from stonechat.engine.contract import (
    Capabilities,
    Engine,
    EngineFailure,
    Fill,
    Insert,
    Query,
    QueryLimits,
    QueryResult,
    Reading,
    require_size,
)
from stonechat.engine.deduplication import forget_lost_parts
from stonechat.engine.failures import translated
from stonechat.engine.fills import fill_options, fill_statement
from stonechat.engine.folder import FolderLock
from stonechat.engine.inserts import Writer
from stonechat.engine.library import connect
from stonechat.engine.pools import Profile, Reader, ReaderPool
from stonechat.engine.readonly import ReadOnlyStatements
from stonechat.engine.running import RunningStatements
from stonechat.engine.token_logs import TokenLogs
from stonechat.engine.windows import Windows, exceeds_window
from stonechat.sql.gate import check_settings
from stonechat.sql.quoting import identifier, literal

_WITHOUT_ROWS: Final = ("CREATE ", "DROP ")
_OTHER_TABLES: Final = ("CREATE ", "RENAME ", "EXCHANGE ")
_EXPLAIN: Final = Profile(QueryLimits(seconds=5.0, memory_bytes=500_000_000, result_bytes=100_000_000))


class ChdbEngine:
    """ClickHouse over one data folder, which this process then owns.

    `server_memory_bytes` caps all statements and merges together. At most `reader_connections` queries run at once;
    `waiting_limit` more wait, each for `wait_seconds`; the next gets `EngineBusy`.
    """

    def __init__(
        self,
        path: Path,
        *,
        server_memory_bytes: int,
        reader_connections: int = 4,
        waiting_limit: int = 64,
        wait_seconds: float = 10.0,
        mark_cache_bytes: int = 256_000_000,
        merge_threads: int = 2,
    ) -> None:
        self._folder = _plain_path(path)
        self._lock = FolderLock(self._folder)
        try:
            forget_lost_parts(self._folder)
            self._token_logs = TokenLogs(self._folder)
            self._token_logs.sync_new()
            self._anchor = self._connect(
                {
                    "max_server_memory_usage": str(server_memory_bytes),
                    "mark_cache_size": str(mark_cache_bytes),
                    "background_pool_size": str(merge_threads),
                }
            )
            version = self._anchor.query("SELECT version()", "TabSeparatedRaw").data().strip()
        except BaseException:
            self._lock.release()
            raise
        self._capabilities = Capabilities(name="chDB", version=version, embedded=True)
        self._readers = ReaderPool(
            self._connect_reader, size=reader_connections, waiting_limit=waiting_limit, wait_seconds=wait_seconds
        )
        self._running = RunningStatements(kill=self._kill, wake=self._readers.wake)
        self._read_only = ReadOnlyStatements()
        self._anchor_lock = threading.Lock()
        self._windows = Windows(self.fetch, self.command)
        self._writer = Writer(self._connect, self._windows)
        self._close_lock = threading.Lock()
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        """Name and version of the ClickHouse inside."""
        return self._capabilities

    def query(self, query: Query, answered: Callable[[QueryResult], None] | None = None) -> QueryResult:
        """Run one read-only statement within its limits; see `Engine.query`."""

        def held(output: Any) -> QueryResult:
            data = output.bytes()
            require_size(len(data), query.limits)
            result = _result(data, output)
            if answered is not None:
                answered(result)
            return result

        return self._read(query, held)

    def scratch_file(self) -> BinaryIO:
        """An empty file without a name in the data folder."""
        return tempfile.TemporaryFile(dir=self._folder, buffering=0)

    def query_into(self, query: Query, file: BinaryIO) -> QueryResult:
        """Run one read-only statement and write its answer to a file as it is made; see `Engine.query_into`."""

        def written(output: Any) -> QueryResult:
            require_size(os.fstat(file.fileno()).st_size, query.limits)
            return _result(b"", output)

        # Through the descriptor, appending: a name would be written beside and moved, and APPEND writes in place.
        return self._read(query, written, f"INTO OUTFILE '/dev/fd/{file.fileno()}' APPEND ")

    def cancel(self, query_id: str) -> None:
        """End the query of that id; see `Engine.cancel`."""
        self._running.cancel(query_id)

    def command(self, statement: str, *, database: str = "default", query_id: str = "") -> None:
        """Run one statement that changes something, on a connection of its own."""
        if not statement.startswith(_WITHOUT_ROWS):
            self._token_logs.sync_new()
        self._run_alone(statement, "Null", database, query_id)
        if statement.startswith(_OTHER_TABLES):
            self._windows.forget()
        if statement.startswith("CREATE TABLE "):
            self._token_logs.expect_new()

    def fetch(self, statement: str, *, database: str = "default") -> list[dict[str, object]]:
        """Rows of a statement of the program's own, as dictionaries."""
        return [json.loads(line) for line in self._run_alone(statement, "JSONEachRow", database).splitlines()]

    def explain(self, statement: str) -> str:
        """The plain text that a statement without tables answers."""
        query = Query(statement, "default", "TabSeparatedRaw", limits=_EXPLAIN.limits)
        return self.query(query).data.decode(errors="surrogateescape")

    def insert(self, insert: Insert) -> int:
        """Commit a block; see `Engine.insert`. Inserts run one after the other, on one connection."""
        self._token_logs.sync_new()
        with self._running.run():
            return self._writer.insert(insert)

    def fill(self, fill: Fill) -> QueryResult:
        """Put the rows of a statement into a table, on a connection of its own; see `Engine.fill`."""
        check_settings(fill.query.settings)
        self._token_logs.sync_new()
        while True:
            try:
                return self._fill(fill)
            except EngineFailure as failure:
                if not (fill.token and exceeds_window(failure)):
                    raise
            self._windows.widen(fill.database, fill.table)

    def reading(self, query_id: str) -> Reading | None:
        """How far the statement of that id is; see `Engine.reading`."""
        tag = self._running.tag(query_id)
        if tag is None:
            return None
        mark = literal(_mark(tag))
        query = f"SELECT read_rows AS r, total_rows_approx AS e FROM system.processes WHERE startsWith(query, {mark})"
        rows = [json.loads(line) for line in self._run_alone(query, "JSONEachRow", "default").splitlines()]
        return Reading(rows[0]["r"], rows[0]["e"]) if rows else None

    def close(self) -> None:
        """Cancel what runs, wait for it, and release the data folder. Harmless when it was closed already."""
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
            self._running.close()
            self._readers.close()
            self._writer.close()
            self._anchor.close()
            self._lock.release()

    def _fill(self, fill: Fill) -> QueryResult:
        query = fill.query
        with self._running.run(query.query_id) as run:
            connection = self._connect(fill_options(fill, self._windows.limit(fill.database, fill.table)))
            try:
                with translated(query.parameters):
                    self._read_only.require(connection, query.statement)
                    connection.query(f"USE {identifier(query.database)}")
                    run.check()
                    statement = f"{_mark(run.tag)}\n{fill_statement(fill)}"
                    output = connection.query(statement, "Null", params=dict(query.parameters))
                    scanned = output.storage_rows_read(), output.storage_bytes_read()
                    return QueryResult(b"", *scanned, output.elapsed(), rows=output.rows_written())
            except EngineFailure:
                self._writer.expect_failures()
                raise
            finally:
                connection.close()

    def _read(self, query: Query, outcome: Callable[[Any], QueryResult], clause: str = "") -> QueryResult:
        """What becomes of the output of a query, run on a connection of the pool with another clause at its end."""
        check_settings(query.settings)
        with self._running.run(query.query_id) as run:
            run.check()
            with self._readers.borrow(Profile.of(query), query.database, check=run.check) as reader:
                _use(reader, query.database)
                run.check()
                # Behind the statement, so that the positions in syntax errors are the caller's own.
                marked = f"{query.statement}\n{clause}{_mark(run.tag)}"
                with translated(query.parameters):
                    self._read_only.require(reader.connection, query.statement)
                    output = reader.connection.query(marked, query.format, params=dict(query.parameters))
                return outcome(output)

    def _run_alone(self, statement: str, output: str, database: str, query_id: str = "") -> bytes:
        with self._running.run(query_id) as run:
            connection = self._connect({})
            try:
                with translated():
                    if database != "default":
                        connection.query(f"USE {identifier(database)}")
                    run.check()
                    data: bytes = connection.query(f"{_mark(run.tag)}\n{statement}", output).bytes()
                    return data
            except EngineFailure:
                self._writer.expect_failures()
                raise
            finally:
                connection.close()

    def _kill(self, tag: str) -> bool:
        mark = literal(_mark(tag))
        with self._anchor_lock:
            killed = self._anchor.query(
                f"KILL QUERY WHERE startsWith(query, {mark}) OR endsWith(query, {mark}) ASYNC", "TabSeparated"
            )
            return bool(killed.bytes())

    def _connect_reader(self, profile: Profile) -> Any:
        return self._connect(reader_options(profile))

    def _connect(self, options: Mapping[str, str]) -> Any:
        with translated():
            return connect(address(self._folder, options))


def _plain_path(path: Path) -> Path:
    folder = path.absolute()
    if "?" in str(folder):
        raise EngineFailure(f"The data folder's name must not have a question mark in it: {folder}.")
    return folder


def _mark(tag: str) -> str:
    return f"/* {tag} */"


def _use(reader: Reader, database: str) -> None:
    if reader.database != database:
        with translated():
            reader.connection.query(f"USE {identifier(database)}")
        reader.database = database


def _result(data: bytes, output: Any) -> QueryResult:
    """`rows_read` of chDB are the rows of the answer."""
    scanned = output.storage_rows_read(), output.storage_bytes_read()
    return QueryResult(data, *scanned, output.elapsed(), rows=output.rows_read())


if TYPE_CHECKING:
    _: type[Engine] = ChdbEngine
