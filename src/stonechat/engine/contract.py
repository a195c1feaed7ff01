"""What the rest of the program knows of an analytical engine, whichever one runs behind it.

Every method blocks and may be called from any thread; callers on an event loop go through a thread of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from stonechat.errors import Kind, StonechatError


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do beyond the contract. Frozen: it is decided when the engine starts."""

    name: str
    version: str
    embedded: bool


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Bounds of one query. Connections are pooled by these values, so keep the number of distinct ones small.

    `seconds` is wall time, `memory_bytes` the peak of the query, `result_bytes` the size of the answer, `threads` per
    query.
    """

    seconds: float = 10.0
    memory_bytes: int = 1_000_000_000
    result_bytes: int = 100_000_000
    threads: int = 1


@dataclass(frozen=True, slots=True)
class QueryResult:
    """One complete answer: its bytes in the asked format, how many `rows` they are, and what it cost.

    The cost is rows and bytes scanned, and seconds.
    """

    data: bytes
    rows_read: int
    bytes_read: int
    elapsed: float
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """One read-only statement.

    `parameters` are bound server-side as `{name:Type}`; values are text as `sql.quoting.parameter_text` writes it.
    `settings` may name those of `sql.gate.HARMLESS_SETTINGS`. `query_id` names the running query for `Engine.cancel`:
    give each query one of its own, or none.
    """

    statement: str
    database: str
    format: str = "JSON"
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    limits: QueryLimits = field(default_factory=QueryLimits)
    query_id: str = ""


@dataclass(frozen=True, slots=True)
class Insert:
    """One block of rows. The same `token` on the same table again is acknowledged and changes nothing, views included.

    `data` is a sequence of chunks which together are text of `format`; `columns` names the columns that the rows may
    have. With `past_failing_views` views that fail are passed over; else the first that fails ends the insert, and the
    views behind it miss the rows that the table has taken.
    """

    database: str
    table: str
    columns: Sequence[str]
    format: str
    data: Sequence[bytes]
    token: str
    past_failing_views: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """The rows of a statement that only reads, to be put into a table inside the engine.

    `columns` are those of the statement's rows, by the names that they have in the table too. With a `token` all rows
    are one block, held in memory, which is in or not: the same token again changes nothing, views included. Without
    one, a fill that fails may have left a part of its rows. `past_failing_views` is that of `Insert`.
    """

    database: str
    table: str
    columns: Sequence[str]
    query: Query
    token: str = ""
    past_failing_views: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a running statement is: rows read, and how many those will be as far as the engine knows, else 0."""

    rows: int
    expected: int


class Engine(Protocol):
    """A ClickHouse: embedded in this process, or remote."""

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do."""
        ...

    def query(self, query: Query, answered: Callable[[QueryResult], None] | None = None) -> QueryResult:
        """Run one read-only statement within its limits. Raises `EngineFailure` or a subclass.

        `answered` is called with the result as soon as that is there: what ran the statement is put in order after it.
        """
        ...

    def scratch_file(self) -> BinaryIO:
        """An empty file for `query_into`: on the disk of the data, without a name, gone when it is closed."""
        ...

    def query_into(self, query: Query, file: BinaryIO) -> QueryResult:
        """Run a statement as `query` does, and write its answer to the end of a file as it is made.

        `data` of the result is empty. What failed may have left a part of an answer in the file. The statement has no
        FORMAT clause, and the file stays open until this returns.
        """
        ...

    def cancel(self, query_id: str) -> None:
        """End the query of that id, whether it runs, waits, or is still to come. Its caller gets `QueryCancelled`."""
        ...

    def command(self, statement: str, *, database: str = "default", query_id: str = "") -> None:
        """Run one statement that changes something and gives no rows (DDL, INSERT SELECT, ALTER ...).

        `query_id` names it for `cancel`.
        """
        ...

    def insert(self, insert: Insert) -> int:
        """Commit a block and return the rows that the engine took, those of materialized views included.

        The number is the same when the token was seen before. A block that does not fit its table commits nothing. When
        a materialized view fails, the table may hold the block already: send it again with its token, and only what is
        missing is written. All of this asks for a deduplication window on the table and on the targets of its views.

        Raises `FailureUntold` for a block that is not in JSONEachRow where others get their failure, and where it may
        have been committed; any other `EngineFailure` says what is wrong.
        """
        ...

    def fill(self, fill: Fill) -> QueryResult:
        """Put the rows of a statement into a table; `rows` of the result are those written, in views too.

        The statement has no SETTINGS or FORMAT clause; see `insert` for views that fail. Raises `EngineFailure`.
        """
        ...

    def reading(self, query_id: str) -> Reading | None:
        """How far the statement of that id is; None when it does not run."""
        ...

    def fetch(self, statement: str, *, database: str = "default") -> list[dict[str, object]]:
        """Run a statement of the program's own (never a caller's) with full rights; rows as dictionaries."""
        ...

    def explain(self, statement: str) -> str:
        """The plain text that a statement without tables answers: `EXPLAIN ...`, `SELECT parseQueryToJSON(...)`."""
        ...

    def close(self) -> None:
        """Cancel what runs, wait for it, and release the data folder or the sockets."""
        ...


class EngineFailure(StonechatError):
    """The engine refused or failed: ClickHouse's error `number` and `name`, 0 and UNKNOWN when it gave none."""

    code = "SC800"
    kind = Kind.INVALID

    def __init__(self, message: str, *, number: int = 0, name: str = "UNKNOWN", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.number = number
        self.name = name


class QueryTimeout(EngineFailure):
    """The query ran into its time limit (ClickHouse 159)."""

    code = "SC801"
    kind = Kind.TIMEOUT


class QueryTooLarge(EngineFailure):
    """The query ran into its memory, scan or result limit (ClickHouse 241, 158, 396, 307)."""

    code = "SC802"
    kind = Kind.TOO_LARGE


def require_size(size: int, limits: QueryLimits) -> None:
    """Raise `QueryTooLarge` for an answer of more bytes than its limit."""
    if size > limits.result_bytes:
        raise QueryTooLarge(
            f"The answer has {size} bytes, more than the limit of {limits.result_bytes}.",
            number=396,
            name="TOO_MANY_ROWS_OR_BYTES",
        )


class QueryCancelled(EngineFailure):
    """The query was cancelled, for instance because its caller went away (ClickHouse 394)."""

    code = "SC803"
    kind = Kind.UNAVAILABLE


class EngineBusy(EngineFailure):
    """All connections were taken for too long, or too many callers wait already."""

    code = "SC804"
    kind = Kind.UNAVAILABLE


class StorageFull(EngineFailure):
    """The disk has no room for the write (ClickHouse 243)."""

    code = "SC805"
    kind = Kind.UNAVAILABLE


class SystemFailure(EngineFailure):
    """The system refused the engine something: a file, as too many are open, or a disk that failed."""

    code = "SC809"
    kind = Kind.UNAVAILABLE


class FailureUntold(EngineFailure):
    """A block failed, and the engine can say why only of rows in JSONEachRow: send the same rows so."""

    code = "SC808"
    kind = Kind.UNAVAILABLE


class DataFolderLocked(EngineFailure):
    """Another process owns the data folder."""

    code = "SC806"
    kind = Kind.CONFLICT


class NotReadOnly(EngineFailure):
    """A reader got what is not one statement that only reads."""

    code = "SC807"
    kind = Kind.FORBIDDEN


#: ClickHouse error number -> class; every other number is a plain EngineFailure.
FAILURES_BY_NUMBER: Mapping[int, type[EngineFailure]] = {
    159: QueryTimeout,
    158: QueryTooLarge,
    241: QueryTooLarge,
    307: QueryTooLarge,
    396: QueryTooLarge,
    394: QueryCancelled,
    243: StorageFull,
    76: DataFolderLocked,
}
