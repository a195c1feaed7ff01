"""Where the rows of a data source go, and what the engine's refusals mean for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO

from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import (
    DataFolderLocked,
    Engine,
    EngineBusy,
    EngineFailure,
    FailureUntold,
    Insert,
    QueryCancelled,
    QueryTimeout,
    QueryTooLarge,
    StorageFull,
    SystemFailure,
)
from stonechat.ingest.feeding import fingerprint, stored_form
from stonechat.ingest.records import Block, Rows
from stonechat.ingest.rows import RowReader
from stonechat.ingest.types import codec_of
from stonechat.ingest.verdicts import Verdicts
from stonechat.project.places import Boundary
from stonechat.project.quarantine import QUARANTINE_SUFFIX, quarantine_columns


@dataclass(frozen=True, slots=True)
class Destination:
    """The two tables of a data source, with the columns that rows for them may have.

    `changed` is called after every commit to one of them, whether it succeeded or not, before its senders hear of it.
    Rows before the `boundary` came with the table. `version` tells the parts of a block from those that it has in other
    versions of the tables; `beside` has the destinations that take the same rows, of a deployment that is not live yet.
    """

    database: str
    table: str
    columns: tuple[str, ...]
    quarantine_table: str
    quarantine_columns: tuple[str, ...]
    changed: Callable[[], None] = lambda: None
    boundary: Boundary | None = None
    version: str = ""
    beside: tuple[Destination, ...] = ()
    schema: bytes = b""
    stored: RowReader | None = None

    @classmethod
    def of(
        cls,
        data_source: DataSource,
        *,
        database: str,
        table: str,
        changed: Callable[[], None] = lambda: None,
        boundary: Boundary | None = None,
        version: str = "",
    ) -> Destination:
        """The destination of a data source whose rows live in a table and in `<table>_quarantine`."""
        return cls(
            database,
            table,
            tuple(column.name for column in data_source.columns if codec_of(column.type) is not None),
            f"{table}{QUARANTINE_SUFFIX}",
            tuple(name for name, _ in quarantine_columns(data_source)),
            changed,
            boundary,
            version,
            schema=fingerprint(data_source.columns),
            stored=RowReader(stored_form(data_source.columns)),
        )

    def verdicts(self, rows: Rows) -> Verdicts:
        """What of a request goes where in these tables: as it was judged at the door for them, or is judged now."""
        judged = Verdicts(rows.good, rows.good_rows, rows.quarantined, rows.quarantined_rows)
        if rows.schema == self.schema:
            return replace(judged, binary=rows.binary)
        if not rows.schema or self.stored is None:
            return judged
        staged = rows.staged
        if staged is not None and staged.schema == self.schema:
            return Verdicts(staged.good, staged.good_rows, staged.quarantined, staged.quarantined_rows)
        again = self.stored.read(rows.good)
        return Verdicts.joined([again, Verdicts(b"", 0, rows.quarantined, rows.quarantined_rows)])

    def lines(self, rows: Sequence[bytes]) -> Sequence[bytes]:
        """Rows for the table in canonical form, one by one."""
        joined = b"".join(rows)
        return list(BytesIO(joined)) if self.stored is None else self.stored.canonical(joined)

    def began_with(self, log_id: str, block: Block) -> bool:
        """Whether the rows of a block came with the table."""
        return self.boundary is not None and self.boundary.is_after(log_id, block.first)


Destinations = Callable[[str], Destination | None]
"""The destination of a data source's id as it is now; None for an id that no longer exists. Called on the writer's
thread."""


def insert_rows(engine: Engine, insert: Insert, destination: Destination, binary: Sequence[bytes] = ()) -> None:
    """Insert rows in the first form that the engine takes, under one token: `binary` if they are there in that form
    too, as they were checked, in canonical form.

    Raises `EngineFailure`: that of the last form, or one that no other form would mend.
    """
    for form in _forms(insert, destination, binary):
        try:
            engine.insert(form)
        except EngineFailure as failure:
            if not isinstance(failure, FailureUntold) and (is_transient(failure) or is_view_failure(failure)):
                raise
            refusal = failure
        else:
            return
    raise refusal


def _forms(insert: Insert, destination: Destination, binary: Sequence[bytes]) -> Iterator[Insert]:
    bulk = destination.stored.bulk if destination.stored is not None else None
    if binary and bulk is not None:
        yield replace(insert, format=bulk.format, data=[bulk.head, *binary])
    yield insert
    lines = destination.lines(insert.data)
    if b"".join(lines) != b"".join(insert.data):
        yield replace(insert, data=lines)


_TRANSIENT = (
    StorageFull,
    SystemFailure,
    EngineBusy,
    QueryTooLarge,
    QueryTimeout,
    QueryCancelled,
    DataFolderLocked,
)
_TRANSIENT_NUMBERS = frozenset({
    0,  # no number: the connection to the engine broke
    49,  # LOGICAL_ERROR
    60, 81,  # UNKNOWN_TABLE, UNKNOWN_DATABASE: a deployment is between two of its steps
    74, 75,  # CANNOT_READ_FROM_, CANNOT_WRITE_TO_FILE_DESCRIPTOR
    202, 203, 209, 210, 236, 242, 279,  # too many queries, no free connection, network, aborted, table is read-only
    252,  # TOO_MANY_PARTS
    425, 439, 473, 999, 1000, 1001, 1002,  # system error, no thread, deadlock, keeper, Poco, std, unknown exception
})  # fmt: skip
_TOO_MANY_PARTITIONS = "partitions for single INSERT block"
_VIEW = "while pushing to view"


def is_transient(failure: EngineFailure) -> bool:
    """Whether the same rows may be taken later. Everything else is a refusal for what the rows hold."""
    if failure.number == 252 and _TOO_MANY_PARTITIONS in failure.message:
        return False
    return isinstance(failure, _TRANSIENT) or failure.number in _TRANSIENT_NUMBERS


def is_view_failure(failure: EngineFailure) -> bool:
    """Whether the table took the rows and a materialized view behind it did not."""
    return _VIEW in failure.message


def view_of(failure: EngineFailure) -> str:
    """The name of the view that failed: the first that is named, and behind it those that its rows came through."""
    named = failure.message.partition(_VIEW)[2].partition(f": {_VIEW}")[0]
    return named.strip().rstrip(".").partition(".")[2].strip("`").partition(":")[0]
