"""The embedded engine: ClickHouse inside this process, through chDB. DESIGN.md has the facts it rests on."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import chdb

from stonechat.engine.contract import (
    Capabilities,
    Engine,
    EngineFailure,
    Insert,
    NotReadOnly,
    Query,
    QueryLimits,
    QueryResult,
    QueryTooLarge,
)
from stonechat.engine.deduplication import forget_lost_parts
from stonechat.engine.failures import translated
from stonechat.engine.folder import FolderLock
from stonechat.engine.inserts import Writer
from stonechat.engine.pools import Profile, Reader, ReaderPool
from stonechat.engine.running import RunningStatements
from stonechat.sql.gate import check_settings
from stonechat.sql.quoting import identifier, literal

#: Every connection: plain SQL as a server reads it, no functions that look into the process, statements of up to 16 MB.
_COMMON: Final = {
    "implicit_select": "0",
    "allow_introspection_functions": "0",
    "max_query_size": "16777216",
    "session_timezone": "UTC",
}
#: Readers: endpoints want few rows of many columns from few parts, where reading columns late costs more than it saves.
_READER: Final = {
    "readonly": "1",
    "query_plan_optimize_lazy_materialization": "0",
    "result_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "http_max_tries": "1",
}
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
        self._anchor_lock = threading.Lock()
        self._writer = Writer(self._connect)
        self._close_lock = threading.Lock()
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        """Name and version of the ClickHouse inside."""
        return self._capabilities

    def query(self, query: Query) -> QueryResult:
        """Run one read-only statement within its limits; see `Engine.query`."""
        check_settings(query.settings)
        with self._running.run(query.query_id) as run:
            run.check()
            with self._readers.borrow(Profile.of(query), query.database, check=run.check) as reader:
                _use(reader, query.database)
                run.check()
                return _read(reader, query, run.tag)

    def cancel(self, query_id: str) -> None:
        """End the query of that id; see `Engine.cancel`."""
        self._running.cancel(query_id)

    def command(self, statement: str, *, database: str = "default") -> None:
        """Run one statement that changes something, on a connection of its own."""
        self._run_alone(statement, "Null", database)

    def fetch(self, statement: str, *, database: str = "default") -> list[dict[str, object]]:
        """Rows of a statement of the program's own, as dictionaries."""
        return [json.loads(line) for line in self._run_alone(statement, "JSONEachRow", database).splitlines()]

    def explain(self, statement: str) -> str:
        """The plain text that a statement without tables answers."""
        query = Query(statement, "default", "TabSeparatedRaw", limits=_EXPLAIN.limits)
        return self.query(query).data.decode()

    def insert(self, insert: Insert) -> int:
        """Commit a block; see `Engine.insert`. Inserts run one after the other, on one connection."""
        with self._running.run():
            return self._writer.insert(insert)

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

    def _run_alone(self, statement: str, output: str, database: str) -> bytes:
        with self._running.run() as run:
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
        limits = profile.limits
        bounds = {
            "max_execution_time": f"{limits.seconds:g}",
            "max_memory_usage": str(limits.memory_bytes),
            "max_result_bytes": str(limits.result_bytes),
            "max_threads": str(limits.threads),
        }
        return self._connect({**dict(profile.settings), **_READER, **bounds})

    def _connect(self, options: Mapping[str, str]) -> Any:
        pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in {**_COMMON, **options}.items())
        with translated():
            return chdb.connect(f"{self._folder}?{pairs}")


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


def _require_read_only(connection: Any, statement: str) -> None:
    """A read-only connection still runs KILL QUERY, SYSTEM, INTO OUTFILE, and several statements: it must not."""
    verdict = connection._conn.classify_query(statement)  # noqa: SLF001 - chDB has no public name for it
    if verdict["statement_count"] == 0:
        connection.query(f"SELECT formatQuery({literal(statement)})")  # says what is wrong, and runs nothing
    if verdict["statement_count"] != 1:
        raise NotReadOnly("Exactly one statement is expected.")
    if verdict["query_class"].name != "READ_ONLY":
        raise NotReadOnly("Only statements that read are allowed.")


def _read(reader: Reader, query: Query, tag: str) -> QueryResult:
    """The mark stands behind the statement, so that the positions in syntax errors are the caller's own."""
    with translated():
        _require_read_only(reader.connection, query.statement)
        output = reader.connection.query(
            f"{query.statement}\n{_mark(tag)}", query.format, params=dict(query.parameters)
        )
    data = output.bytes()
    if len(data) > query.limits.result_bytes:
        raise QueryTooLarge(
            f"The answer has {len(data)} bytes, more than the limit of {query.limits.result_bytes}.",
            number=396,
            name="TOO_MANY_ROWS_OR_BYTES",
        )
    return QueryResult(data, output.storage_rows_read(), output.storage_bytes_read(), output.elapsed())


if TYPE_CHECKING:
    _: type[Engine] = ChdbEngine
