"""The check of request bodies: small ones on the event loop, large ones in a thread, a slice at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from stonechat.datafile.resources import DataSource
from stonechat.ingest.idempotency import request_key
from stonechat.ingest.records import RequestKey, Rows, Staged
from stonechat.ingest.rows import Format, RowReader, slices
from stonechat.ingest.spanning import on_single_lines
from stonechat.ingest.verdicts import Verdicts, require_size

INLINE_BYTES = 32 * 1024
"""Bodies up to this size are checked on the event loop: it takes less than handing them over costs under load."""
_INLINE_BULK_BYTES = 128 * 1024
"""The same for what is read in bulk, where the rest is left to a thread."""
_SLICE_BYTES = 256 * 1024


class Checks:
    """Checks events against the data sources that they are for. One event loop's own, but for `close`."""

    def __init__(self) -> None:
        self._readers: dict[str, tuple[DataSource, RowReader]] = {}
        self._threads = ThreadPoolExecutor(1, "check")

    async def rows(
        self, data_source_id: str, data_source: DataSource, body: bytes, form: Format, staged: DataSource | None
    ) -> tuple[Rows, Mapping[str, int]]:
        """What a body is for the log, and how many of its events have each field that no column is fed from.

        `staged` judges the body, too, unless its columns are the same.
        """
        reader = self._reader(data_source_id, data_source)
        verdicts = await self._verdicts(reader, body, form)
        rows = Rows(
            data_source_id,
            verdicts.good,
            verdicts.good_rows,
            verdicts.quarantined,
            verdicts.quarantined_rows,
            schema=reader.schema,
            binary=verdicts.binary,
        )
        if staged is not None:
            other = self._reader(f"{data_source_id} staged", staged)
            if other.schema != reader.schema:
                rows.staged = _staged(other.schema, await self._verdicts(other, body, form))
        return rows, verdicts.unknown

    async def key(self, data_source_id: str, text: str, body: bytes) -> RequestKey:
        """What stands for a sender's idempotency key and the body that came with it."""
        if len(body) <= INLINE_BYTES:
            return request_key(data_source_id, text, body)
        return await asyncio.get_running_loop().run_in_executor(self._threads, request_key, data_source_id, text, body)

    def close(self) -> None:
        """Finish what is being checked, and take no more."""
        self._threads.shutdown()

    def _reader(self, data_source_id: str, data_source: DataSource) -> RowReader:
        known = self._readers.get(data_source_id)
        if known is None or known[0] is not data_source:
            known = self._readers[data_source_id] = (data_source, RowReader.for_data_source(data_source))
        return known[1]

    async def _verdicts(self, reader: RowReader, body: bytes, form: Format) -> Verdicts:
        if len(body) <= INLINE_BYTES:
            return _check(reader, body, form)
        small = form == "ndjson" and len(body) <= _INLINE_BULK_BYTES
        if small and (verdicts := reader.read_in_bulk(body)) is not None:
            return verdicts
        return await asyncio.get_running_loop().run_in_executor(self._threads, _check, reader, body, form)


def _staged(schema: bytes, verdicts: Verdicts) -> Staged:
    return Staged(schema, verdicts.good, verdicts.good_rows, verdicts.quarantined, verdicts.quarantined_rows)


def _check(reader: RowReader, body: bytes, form: Format) -> Verdicts:
    if form == "json":
        return reader.read(body, form)
    if len(body) > _INLINE_BULK_BYTES and (in_bulk := reader.read_in_bulk(body)) is not None:
        return in_bulk
    lines = on_single_lines(body)
    if len(lines) <= INLINE_BYTES:
        return reader.read(lines)
    lines = lines if lines.endswith(b"\n") else lines + b"\n"
    verdicts, unchanged, size = [], True, 0
    for piece in slices(lines, _SLICE_BYTES):
        verdict = reader.read(piece)
        unchanged = unchanged and verdict.good is piece
        verdicts.append(verdict)
        size += verdict.size
        require_size(size)
        time.sleep(0)  # lets the event loop have the interpreter between two slices
    return Verdicts(lines, sum(each.good_rows for each in verdicts), b"", 0) if unchanged else Verdicts.joined(verdicts)
