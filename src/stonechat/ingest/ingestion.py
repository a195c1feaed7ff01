"""The write path from a request's bytes to its answer.

`Ingestion.accept` reads as the list of its stages: check, log, commit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.ingest.blocks import BlockCommitter, BlockCounters
from stonechat.ingest.checking import Checks
from stonechat.ingest.destinations import Destinations
from stonechat.ingest.entrance import Entrance
from stonechat.ingest.gathering import BlockLimits
from stonechat.ingest.idempotency import Claim, IdempotencyKeys, Kept, request_key
from stonechat.ingest.log import Log, LogCounters
from stonechat.ingest.receipts import Receipt
from stonechat.ingest.records import RequestKey, Rows
from stonechat.ingest.rows import Format
from stonechat.ingest.unknown_fields import UnknownFields
from stonechat.ingest.verdicts import Verdicts
from stonechat.ingest.waiting import Pending
from stonechat.ingest.writer import CommitDelayed, Writer
from stonechat.project.places import Boundary

_logger = structlog.get_logger(__name__)

_LONGEST_FLUSH = 10.0
_LEAST_KEYS = 1000
"""Imports need theirs, however few those of requests are to be: one for each that is interrupted."""


class WritingBusy(StonechatError):
    """Rows that were accepted cannot be committed soon enough for tables to be exchanged. Nothing was changed."""

    code = "SC660"
    kind = Kind.UNAVAILABLE
    retry_after = 5


@dataclass(frozen=True, slots=True)
class IngestionSettings:
    """How the write path runs. `sync`: an acknowledged row survives a power loss, not only the end of the process.

    `idempotency_keys` is how many of the last ones are remembered.
    """

    sync: bool = True
    pending_bytes: int = 256_000_000
    log_bytes: int = 2_000_000_000
    segment_bytes: int = 64 * 1024 * 1024
    idempotency_keys: int = 100_000
    blocks: BlockLimits = field(default_factory=BlockLimits)


class Ingestion:
    """The write path of one server. `accept` belongs to the event loop; the rest may be called from any thread."""

    def __init__(
        self, log: Log, writer: Writer, committer: BlockCommitter, pending: Pending, keys: IdempotencyKeys
    ) -> None:
        self.unknown_fields = UnknownFields()
        self._log = log
        self._keys = keys
        self._writer = writer
        self._committer = committer
        self._pending = pending
        self._checks = Checks()
        self._entrance = Entrance(log, pending, keys)

    @classmethod
    def open(
        cls, folder: Path, engine: Engine, destinations: Destinations, settings: IngestionSettings | None = None
    ) -> Ingestion:
        """The write path over a log's folder. What the log still holds is committed before this returns.

        The caller owns the folder alone. Raises `LogCorrupt` and `ReplayFailed`.
        """
        settings = settings or IngestionSettings()
        log, recovery = Log.open(
            folder,
            sync=settings.sync,
            segment_bytes=min(settings.segment_bytes, settings.log_bytes // 4),
            limit_bytes=settings.log_bytes,
        )
        committer = BlockCommitter(engine, log, destinations, folder)
        pending = Pending(settings.pending_bytes)
        writer = Writer(log, committer, limits=settings.blocks, released=pending.remove_rows)
        keys = IdempotencyKeys(max(settings.idempotency_keys, _LEAST_KEYS))
        keys.load(folder, recovery.keys())
        ingestion = cls(log, writer, committer, pending, keys)
        log.start(writer.offer, keys.save)
        try:
            replayed = writer.replay(recovery)
        except BaseException:
            log.close()
            raise
        if replayed:
            _logger.info("replayed the log", rows=replayed)
        writer.start()
        return ingestion

    async def accept(
        self,
        data_source_id: str,
        data_source: DataSource,
        body: bytes,
        *,
        format: Format = "ndjson",  # noqa: A002 - the parameter's name in the API
        wait: bool = False,
        idempotency_key: str = "",
        staged: DataSource | None = None,
    ) -> Receipt:
        """Check the events of a body, keep them in the log and, with `wait`, see them committed.

        `staged` is the data source as a deployment that is not live yet has it: its table gets the events, too.

        A request with a key that was kept before is answered as it was, and counts once. Raises `IngestionBusy`,
        `LogFull`, `LogWriteFailed` and `KeyReused` (nothing was kept), `LogOutcomeUnknown` (see there); with `wait`
        also `CommitDelayed`, `ViewFailed` and `DataSourceGone` (everything was).
        """
        if not idempotency_key:
            return await self._accept(data_source_id, data_source, body, format, wait=wait, staged=staged)
        key = await self._checks.key(data_source_id, idempotency_key, body)
        kept = await self._entrance.claimed(key)
        if kept is not None:
            return await self._repeated(kept, wait=wait)
        return await self._accept(data_source_id, data_source, body, format, wait=wait, key=key, staged=staged)

    async def _accept(
        self,
        data_source_id: str,
        data_source: DataSource,
        body: bytes,
        form: Format,
        *,
        wait: bool,
        key: RequestKey | None = None,
        staged: DataSource | None = None,
    ) -> Receipt:
        began = time.perf_counter()
        try:
            rows, unknown = await self._checks.rows(data_source_id, data_source, body, form, staged)
        except BaseException:
            self._entrance.release(key)
            raise
        checked = time.perf_counter()
        timings = {"check": checked - began}
        if not rows.good_rows and not rows.quarantined_rows:
            self._entrance.release(key)
            return Receipt(0, 0, committed=True, timings=timings)
        rows.key = key
        committed = await self._entrance.append(rows, wait=wait)
        self.unknown_fields.add(data_source_id, unknown)
        logged = time.perf_counter()
        timings["log"] = logged - checked
        if committed is not None:
            await committed
            timings["commit"] = time.perf_counter() - logged
        return Receipt(rows.good_rows, rows.quarantined_rows, committed=wait, timings=timings)

    def take(self, data_source_id: str, verdicts: Verdicts, key: str, schema: bytes = b"") -> Future[None]:
        """Keep rows that are checked already in the log. The future ends with their commit. Blocks.

        `schema` is the fingerprint of the columns that they were checked against.
        Rows that were kept under the same key before are not kept again. Raises, by itself and through the future, what
        `accept` raises.
        """
        synced: Future[None] = Future()
        committed: Future[None] = Future()
        claimed = request_key(data_source_id, key, b"")
        if self._keys.claim(claimed, lambda: None) is not Claim.GO_ON:
            self._writer.when_flushed(partial(committed.set_result, None))
            return committed
        rows = Rows(
            data_source_id,
            verdicts.good,
            verdicts.good_rows,
            verdicts.quarantined,
            verdicts.quarantined_rows,
            committed=partial(_settle, committed),
            key=claimed,
            schema=schema,
            binary=verdicts.binary,
        )
        self._entrance.hand_in(rows, partial(_settle, synced))
        synced.result()
        return committed

    def flush(self, timeout: float | None = None) -> bool:
        """Commit everything accepted so far; False if it took longer than `timeout` seconds."""
        return self._writer.flush(timeout)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within it no block is in flight, so that tables can be exchanged. Events go on to be accepted."""
        with self._writer.turns.paused():
            yield

    @contextmanager
    def beside(self) -> Iterator[None]:
        """For others who write to tables: within it nobody pauses the writing. Short, for it holds deployments up."""
        with self._writer.turns.beside():
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Paused, and every block that was committed is known to be: no replay can bring it into another table.

        Raises `LogWriteFailed`.
        """
        with self._writer.turns.paused():
            self._log.settle()
            yield

    @contextmanager
    def settled(self, timeout: float) -> Iterator[None]:
        """`alone`, with everything committed that was accepted before, so that rows may be removed.

        Raises `WritingBusy`, at once where a block has failed again and again, or `LogWriteFailed`.
        """
        if self._writer.flush(timeout, patiently=False):
            with self.alone():
                if not self._writer.has_broken_block:
                    yield
                    return
        raise WritingBusy(
            "Rows that were accepted before cannot be committed at the moment", hint="Nothing was changed. Try again."
        )

    def boundary(self, data_source_id: str) -> Boundary | None:
        """Where the rows of a data source begin that are not committed; None while it has a block half-way.

        Call it within `paused`, where it stays as it is.
        """
        return self._writer.boundary(data_source_id)

    @property
    def log_counters(self) -> LogCounters:
        """What the log has done."""
        return self._log.counters

    @property
    def block_counters(self) -> BlockCounters:
        """What the commits have done."""
        return self._committer.counters

    @property
    def log_bytes(self) -> int:
        """Size of the log on the disk."""
        return self._log.size

    @property
    def pending_bytes(self) -> int:
        """Bytes accepted and not yet committed."""
        return self._pending.bytes

    def close(self, timeout: float = 10.0) -> None:
        """Commit what can be committed within the time and stop. What cannot stays in the log for the next start."""
        self._checks.close()
        self._writer.close(timeout)
        self._log.close()

    async def _repeated(self, kept: Kept, *, wait: bool) -> Receipt:
        """The answer to a request that was kept before; with `wait`, once it is committed."""
        if wait:
            mailbox = self._entrance.mailbox
            flushed = mailbox.future()
            self._writer.when_flushed(partial(mailbox.post, [flushed], None))
            try:
                await asyncio.wait_for(flushed, _LONGEST_FLUSH)
            except TimeoutError:
                raise CommitDelayed("The rows are kept in the log and will be committed later") from None
        return Receipt(kept.good_rows, kept.quarantined_rows, committed=wait, repeated=True)


def _settle(future: Future[None], failure: StonechatError | None) -> None:
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)
