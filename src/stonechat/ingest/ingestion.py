"""The write path from a request's bytes to its answer.

`Ingestion.accept` reads as the list of its stages: check, log, commit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.ingest.batching import Batches
from stonechat.ingest.blocks import BlockCommitter, BlockCounters
from stonechat.ingest.destinations import Destinations
from stonechat.ingest.idempotency import Claim, IdempotencyKeys, Kept, request_key
from stonechat.ingest.log import Log, LogCounters
from stonechat.ingest.records import RequestKey, Rows, Settled, Staged
from stonechat.ingest.rows import Format, RowReader, slices
from stonechat.ingest.spanning import on_single_lines
from stonechat.ingest.unknown_fields import UnknownFields
from stonechat.ingest.verdicts import Verdicts
from stonechat.ingest.waiting import Mailbox, Pending
from stonechat.ingest.writer import BlockLimits, CommitDelayed, Writer
from stonechat.project.places import Boundary

_logger = structlog.get_logger(__name__)

_SLICE_BYTES = 256 * 1024
_INLINE_BYTES = 32 * 1024
"""Bodies up to this size are checked on the event loop: it takes less than handing them over costs under load."""
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


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request's rows. `committed`: they are in the engine, not only in the log.

    `repeated`: they came with an earlier request of the same idempotency key. `timings` are seconds by stage.
    """

    successful_rows: int
    quarantined_rows: int
    committed: bool
    repeated: bool = False
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def timing(self) -> str:
        """The stages as a `Server-Timing` value, in milliseconds."""
        return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in self.timings.items())


class Ingestion:
    """The write path of one server. `accept` belongs to the event loop; the rest may be called from any thread."""

    def __init__(
        self, log: Log, writer: Writer, committer: BlockCommitter, pending: Pending, keys: IdempotencyKeys
    ) -> None:
        self._log = log
        self._keys = keys
        self.unknown_fields = UnknownFields()
        self._writer = writer
        self._committer = committer
        self._pending = pending
        self._readers: dict[str, tuple[DataSource, RowReader]] = {}
        self._checkers = ThreadPoolExecutor(1, "check")
        self._mailbox: Mailbox | None = None
        self._batches: Batches

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
        `LogFull`, `LogWriteFailed` and `KeyReused` (nothing was kept); with `wait` also `CommitDelayed`, `ViewFailed`
        and `DataSourceGone` (everything was).
        """
        if not idempotency_key:
            return await self._accept(data_source_id, data_source, body, format, wait=wait, staged=staged)
        key = await self._key(data_source_id, idempotency_key, body)
        kept = await self._claimed(key)
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
        reader = self._reader(data_source_id, data_source)
        other = None
        try:
            verdicts = await self._check(reader, body, form)
            if staged is not None:
                other = await self._staged(self._reader(f"{data_source_id} staged", staged), reader, body, form)
        except BaseException:
            self._release(key)
            raise
        checked = time.perf_counter()
        timings = {"check": checked - began}
        if not verdicts.good_rows and not verdicts.quarantined_rows:
            self._release(key)
            return Receipt(0, 0, committed=True, timings=timings)
        rows = Rows(
            data_source_id,
            verdicts.good,
            verdicts.good_rows,
            verdicts.quarantined,
            verdicts.quarantined_rows,
            key=key,
            schema=reader.schema,
            staged=other,
        )
        committed = await self._append(rows, wait=wait)
        self.unknown_fields.add(data_source_id, verdicts.unknown)
        logged = time.perf_counter()
        timings["log"] = logged - checked
        if committed is not None:
            await committed
            timings["commit"] = time.perf_counter() - logged
        return Receipt(verdicts.good_rows, verdicts.quarantined_rows, committed=wait, timings=timings)

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
        )
        try:
            self._hand_in(rows, partial(self._logged, rows, partial(_settle, synced)))
        except StonechatError:
            self._release(claimed)
            raise
        synced.result()
        return committed

    def flush(self, timeout: float | None = None) -> bool:
        """Commit everything accepted so far; False if it took longer than `timeout` seconds."""
        return self._writer.flush(timeout)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within it no block is in flight, so that tables can be exchanged. Events go on to be accepted."""
        with self._writer.paused():
            yield

    @contextmanager
    def beside(self) -> Iterator[None]:
        """For others who write to tables: within it nobody pauses the writing. Short, for it holds deployments up."""
        with self._writer.beside():
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Paused, and every block that was committed is known to be: no replay can bring it into another table.

        Raises `LogWriteFailed`.
        """
        with self._writer.paused():
            self._log.settle()
            yield

    @contextmanager
    def settled(self, timeout: float) -> Iterator[None]:
        """`alone`, with everything committed that was accepted before, so that rows may be removed.

        Raises `WritingBusy` or `LogWriteFailed`.
        """
        if self.flush(timeout):
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
        self._checkers.shutdown()
        self._writer.close(timeout)
        self._log.close()

    def _reader(self, data_source_id: str, data_source: DataSource) -> RowReader:
        known = self._readers.get(data_source_id)
        if known is None or known[0] is not data_source:
            known = self._readers[data_source_id] = (data_source, RowReader.for_data_source(data_source))
        return known[1]

    async def _check(self, reader: RowReader, body: bytes, form: Format) -> Verdicts:
        if len(body) <= _INLINE_BYTES:
            return _check_body(reader, body, form)
        return await asyncio.get_running_loop().run_in_executor(self._checkers, _check_body, reader, body, form)

    async def _staged(self, reader: RowReader, live: RowReader, body: bytes, form: Format) -> Staged | None:
        if reader.schema == live.schema:
            return None
        verdicts = await self._check(reader, body, form)
        return Staged(reader.schema, verdicts.good, verdicts.good_rows, verdicts.quarantined, verdicts.quarantined_rows)

    async def _key(self, data_source_id: str, text: str, body: bytes) -> RequestKey:
        if len(body) <= _INLINE_BYTES:
            return request_key(data_source_id, text, body)
        return await asyncio.get_running_loop().run_in_executor(self._checkers, request_key, data_source_id, text, body)

    async def _claimed(self, key: RequestKey) -> Kept | None:
        """Wait for a request under way with the same key; None once there is none, and the key is this request's."""
        mailbox = self._mailbox_of(asyncio.get_running_loop())
        while True:
            ended = mailbox.future()
            found = self._keys.claim(key, partial(mailbox.post, [ended], None))
            if isinstance(found, Kept):
                return found
            if found is Claim.GO_ON:
                return None
            await ended

    async def _repeated(self, kept: Kept, *, wait: bool) -> Receipt:
        """The answer to a request that was kept before; with `wait`, once it is committed."""
        if wait:
            mailbox = self._mailbox_of(asyncio.get_running_loop())
            flushed = mailbox.future()
            self._writer.when_flushed(partial(mailbox.post, [flushed], None))
            try:
                await asyncio.wait_for(flushed, _LONGEST_FLUSH)
            except TimeoutError:
                raise CommitDelayed("The rows are kept in the log and will be committed later") from None
        return Receipt(kept.good_rows, kept.quarantined_rows, committed=wait, repeated=True)

    def _release(self, key: RequestKey | None) -> None:
        if key is not None:
            self._keys.release(key)

    async def _append(self, rows: Rows, *, wait: bool) -> asyncio.Future[None] | None:
        """Put the rows into the log; returns once they are kept. The future that it gives ends with their commit."""
        mailbox = self._mailbox_of(asyncio.get_running_loop())
        synced, committed = mailbox.future(), mailbox.future() if wait else None
        if rows.key is None and rows.staged is None and rows.size <= _INLINE_BYTES:
            self._batches.add(rows, synced, committed)
        else:
            self._hand_in_for(rows, [synced], [committed] if committed else [])
        await synced
        return committed

    def _hand_in_for(
        self, rows: Rows, synced: Sequence[asyncio.Future[None]], committed: Sequence[asyncio.Future[None]]
    ) -> None:
        """Give rows to the log for those who wait for these futures."""
        mailbox = self._mailbox_of(asyncio.get_running_loop())
        if committed:
            rows.committed = partial(mailbox.post, committed)
        try:
            self._hand_in(rows, partial(self._logged, rows, partial(mailbox.post, synced)))
        except StonechatError:
            self._release(rows.key)
            raise

    def _hand_in(self, rows: Rows, settled: Settled) -> None:
        """Give rows to the log. What raises was not given; what fails later is told to `settled`."""
        self._pending.add(rows.size)
        try:
            self._log.append(rows, settled)
        except StonechatError:
            self._pending.remove(rows.size)
            raise

    def _logged(self, rows: Rows, settled: Settled, failure: StonechatError | None) -> None:
        if failure is not None:
            self._pending.remove(rows.size)
            self._release(rows.key)
        elif rows.key is not None:
            self._keys.keep(rows.key, rows.good_rows, rows.quarantined_rows)
        settled(failure)

    def _mailbox_of(self, loop: asyncio.AbstractEventLoop) -> Mailbox:
        if self._mailbox is None or self._mailbox.loop is not loop:
            self._mailbox = Mailbox(loop)
            self._batches = Batches(loop, self._hand_in_for)
        return self._mailbox


def _check_body(reader: RowReader, body: bytes, form: Format) -> Verdicts:
    if form == "json":
        return reader.read(body, form)
    lines = on_single_lines(body)
    if len(lines) <= _INLINE_BYTES:
        return reader.read(lines)
    verdicts = []
    for piece in slices(lines, _SLICE_BYTES):
        verdicts.append(reader.read(piece))
        time.sleep(0)  # lets the event loop have the interpreter between two slices
    return Verdicts.joined(verdicts)


def _settle(future: Future[None], failure: StonechatError | None) -> None:
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)
