"""Committing one block: its good rows and its quarantined rows, each once, whatever was interrupted before.

The engine ignores a token that it has seen, so every insert may be repeated as long as equal tokens mean equal rows.
That is why a block's composition is in the log before its first insert, and why every decision that changes what is
inserted (a part is split, a part goes to the quarantine) is in the log before it is acted upon.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import structlog

from stonechat.engine.contract import Engine, EngineFailure, Insert, QueryTooLarge
from stonechat.errors import Kind, StonechatError
from stonechat.ingest.destinations import (
    Destination,
    Destinations,
    insert_rows,
    is_transient,
    is_view_failure,
    view_of,
)
from stonechat.ingest.events import shown
from stonechat.ingest.failing_rows import FailingRows
from stonechat.ingest.log import Log
from stonechat.ingest.quarantine import REFUSED, quarantine_row
from stonechat.ingest.records import Fate, Refused, Rows, Taken
from stonechat.ingest.recovery import PlannedBlock
from stonechat.ingest.segments import sync_path
from stonechat.ingest.verdicts import Reason, Verdicts
from stonechat.project.quarantine import RAW_COLUMN

_logger = structlog.get_logger(__name__)

MOST_REFUSALS = 2000
"""Refusals after which the search of a block for the rows at fault ends, which is some ten seconds: the parts that are
refused from then on go to the quarantine whole."""
_VIEW_ATTEMPTS = 3
_ATTEMPTS_BEFORE_SPLIT = 3


class ViewFailed(StonechatError):
    """The rows are in the data source, but a materialized view behind it could not take them."""

    code = "SC622"
    kind = Kind.HALF_DONE

    def __init__(self, view: str, reason: str) -> None:
        # A block has rows of several senders. What the engine says would show the values of one to all of them.
        super().__init__(
            f"The rows are in the data source, but the materialized view '{view}' cannot take all of them ({reason})",
            hint="Do not send them again. The server's log has the reason. "
            "Once the view's query is mended and deployed, what it fills is computed again from all rows.",
        )


class DataSourceGone(StonechatError):
    """The data source was removed before its rows were committed; they are kept in a file beside the log."""

    code = "SC623"
    kind = Kind.MISSING


@dataclass(slots=True)
class BlockCounters:
    """What the commits have done since the start, for the metrics."""

    blocks: int = 0
    rows: int = 0
    quarantined_rows: int = 0
    refused_rows: int = 0
    refusals: int = 0
    view_failures: int = 0
    orphaned_rows: int = 0


class BlockCommitter:
    """Brings planned blocks into the engine. Serves one thread at a time."""

    def __init__(
        self, engine: Engine, log: Log, destinations: Destinations, folder: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._log = log
        self._destinations = destinations
        self._folder = folder
        self._clock = clock
        self._failing_rows = FailingRows(engine)
        self.counters = BlockCounters()

    def commit(self, planned: PlannedBlock, rows: Sequence[Rows], *, attempt: int = 0) -> StonechatError | None:
        """Bring every row into the table, the quarantine or, for a data source that is gone, an orphans' file.

        Returns what the senders must know although nothing is lost: `ViewFailed` or `DataSourceGone`. Raises
        `EngineFailure` or `LogWriteFailed` where the same call, with `attempt` counted up, may succeed later.
        """
        destination = self._destinations(planned.block.data_source)
        if destination is None:
            return self._orphan(planned, rows)
        told = self._commit_to(destination, planned, rows, attempt)
        for other in destination.beside:
            self._commit_to(other, planned, rows, attempt)
        self.counters.blocks += 1
        self.counters.rows += sum(each.good_rows for each in rows)
        self.counters.quarantined_rows += sum(each.quarantined_rows for each in rows)
        return told

    def _commit_to(
        self, destination: Destination, planned: PlannedBlock, rows: Sequence[Rows], attempt: int
    ) -> StonechatError | None:
        if destination.began_with(self._log.id, planned.block):
            return None
        commit = _Commit(self, destination, planned, attempt)
        verdicts = [destination.verdicts(each) for each in rows]
        good = [each for each in verdicts if each.good_rows]
        quarantined = [each.quarantined for each in verdicts if each.quarantined_rows]
        try:
            if good:
                commit.insert_whole(good)
            if quarantined:
                commit.quarantine(destination.version, quarantined)
        finally:
            destination.changed()
        return commit.view_failure

    def insert(self, insert: Insert) -> None:
        """One insert into the engine."""
        self._engine.insert(insert)

    def insert_whole(self, insert: Insert, destination: Destination, binary: Sequence[bytes]) -> None:
        """One insert of the rows of a block, in the form in which the engine takes them."""
        insert_rows(self._engine, insert, destination, binary)

    def complete_views(self, insert: Insert) -> None:
        """Give the views that failed the rows that all views take, after the others have had all of them.

        The token is the same. So the table and the views that have the rows take none of these for new ones.
        """
        rest = self._failing_rows.taken(insert)
        if rest:
            self._engine.insert(replace(insert, data=rest))

    def token(self, planned: PlannedBlock, part: str) -> str:
        """The token of a part of a block: the block and who planned it name the rows, the part which of them."""
        block = planned.block
        return f"{block.epoch or self._log.id}-{block.data_source}-{block.first}-{block.last}/{part}"

    def refuse(self, planned: PlannedBlock, path: str, fate: Fate, reason: str) -> Refused:
        """Record, before anything follows from it, what becomes of a part that the engine refused."""
        refused = Refused(planned.block, path, fate, reason)
        self._log.note(refused)
        planned.refusals[path] = refused
        self.counters.refusals += 1
        return refused

    def take(self, planned: PlannedBlock, part: str) -> None:
        """Record that a part is in the engine, once there are several: it may forget the first before the last."""
        if planned.refusals:
            self._log.report(Taken(planned.block, part))
            planned.taken.add(part)

    def rejected(self, lines: Sequence[bytes], reason: str) -> bytes:
        """Canonical rows that the engine refused, as rows of the quarantine."""
        self.counters.refused_rows += len(lines)
        return b"".join(_rejected(line, reason, self._clock()) for line in lines)

    def keep_orphans(self, planned: PlannedBlock, part: str, lines: Sequence[bytes], reason: str) -> Path:
        """Write rows that no table takes to a file beside the log, synced. The same rows always go to the same file."""
        path = self._folder / f"orphaned-{planned.block.first:016x}{part and '-' + part}.ndjson"
        with path.open("wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        sync_path(self._folder)
        _logger.error("kept rows in a file", file=str(path), data_source=planned.block.data_source, reason=reason)
        return path

    def _orphan(self, planned: PlannedBlock, rows: Sequence[Rows]) -> StonechatError:
        path = self.keep_orphans(
            planned, "", [piece for each in rows for piece in (each.good, each.quarantined)], "the data source is gone"
        )
        self.counters.orphaned_rows += sum(each.good_rows + each.quarantined_rows for each in rows)
        return DataSourceGone(f"The data source was removed; its last rows are in {path.name}")


class _Commit:
    """One attempt at one block."""

    def __init__(
        self, committer: BlockCommitter, destination: Destination, planned: PlannedBlock, attempt: int
    ) -> None:
        self._committer = committer
        self._destination = destination
        self._planned = planned
        self._attempt = attempt
        self._binary: Sequence[bytes] = ()
        self.view_failure: ViewFailed | None = None

    def insert_whole(self, good: Sequence[Verdicts]) -> None:
        """Bring all good rows into the table, in binary form if all of them have it."""
        if all(each.binary for each in good):
            self._binary = [each.binary for each in good]
        self.insert(self._destination.version, [each.good for each in good], sum(each.good_rows for each in good))

    def insert(self, path: str, chunks: Sequence[bytes], count: int) -> None:
        """Bring a part into the table; what the engine refuses is halved until the rows at fault stand alone."""
        if path in self._planned.taken:
            return
        refused = self._planned.refusals.get(path) or self._try(path, chunks, count)
        if refused is None:
            return
        lines = self._destination.lines(chunks)
        if refused.fate is Fate.QUARANTINE:
            self.quarantine(path, [self._committer.rejected(lines, refused.reason)])
            return
        half = len(lines) // 2
        self.insert(f"{path}0", lines[:half], half)
        self.insert(f"{path}1", lines[half:], len(lines) - half)

    def quarantine(self, path: str, chunks: Sequence[bytes]) -> None:
        """Bring rows into the quarantine; if even that refuses them, into a file."""
        part = f"{path}q"
        if part in self._planned.taken:
            return
        target = self._destination
        token = self._committer.token(self._planned, part)
        insert = Insert(
            target.database, target.quarantine_table, target.quarantine_columns, "JSONEachRow", chunks, token
        )
        try:
            self._committer.insert(insert)
        except EngineFailure as failure:
            if is_transient(failure):
                raise
            self._committer.keep_orphans(self._planned, part, chunks, failure.message)
        self._committer.take(self._planned, part)

    def _try(self, path: str, chunks: Sequence[bytes], count: int) -> Refused | None:
        target = self._destination
        token = self._committer.token(self._planned, path)
        insert = Insert(target.database, target.table, target.columns, "JSONEachRow", chunks, token)
        for _ in range(_VIEW_ATTEMPTS):
            try:
                if path == target.version:
                    self._committer.insert_whole(insert, target, self._binary)
                else:
                    self._committer.insert(insert)
                break
            except EngineFailure as failure:
                if not self._is_of_a_view(failure):
                    return self._committer.refuse(self._planned, path, self._fate(failure, count), failure.message)
                failed = failure
        else:
            # The table has the rows already: to send parts of them again, under other tokens, would double them.
            insert = replace(insert, past_failing_views=True, data=target.lines(chunks))
            self._committer.insert(insert)
            self._committer.complete_views(insert)
            self._note_view_failure(failed)
        self._committer.take(self._planned, path)
        return None

    def _is_of_a_view(self, failure: EngineFailure) -> bool:
        """Whether the table has the rows, and waiting does not help a view behind it to take them."""
        patient = isinstance(failure, QueryTooLarge) and self._attempt >= _ATTEMPTS_BEFORE_SPLIT
        return is_view_failure(failure) and (patient or not is_transient(failure))

    def _fate(self, failure: EngineFailure, count: int) -> Fate:
        """What to do with a refused part. Raises the failure where waiting is the better answer."""
        if is_transient(failure):
            if isinstance(failure, QueryTooLarge) and count > 1 and self._attempt >= _ATTEMPTS_BEFORE_SPLIT:
                return Fate.SPLIT
            raise failure
        hopeless = len(self._planned.refusals) >= MOST_REFUSALS
        return Fate.QUARANTINE if count == 1 or hopeless else Fate.SPLIT

    def _note_view_failure(self, failure: EngineFailure) -> None:
        self._committer.counters.view_failures += 1
        _logger.error("a materialized view failed", table=self._destination.table, reason=failure.message)
        self.view_failure = ViewFailed(view_of(failure), failure.name)


def _rejected(line: bytes, reason: str, now: float) -> bytes:
    values = {name: shown(bytes(value)) for name, value in _OBJECT.decode(line).items()}
    return quarantine_row(values, [Reason(RAW_COLUMN, f"{REFUSED}: {reason}")], line.rstrip(b"\n"), now)


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
