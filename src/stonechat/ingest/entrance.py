"""The way of checked rows into the log, and back to those who wait: bounded, in batches, each key once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from stonechat.errors import StonechatError
from stonechat.ingest.batching import Batches
from stonechat.ingest.checking import INLINE_BYTES
from stonechat.ingest.idempotency import Claim, IdempotencyKeys, Kept
from stonechat.ingest.log import Log
from stonechat.ingest.records import RequestKey, Rows, Settled
from stonechat.ingest.waiting import Mailbox, Pending

_LONGEST_PACE = 2.0
"""Seconds: the rows are kept by then, so an engine that stands still is no reason to hold their sender up."""


class Entrance:
    """In front of a log. `hand_in` and `release` may be called from any thread; the rest is the event loop's."""

    def __init__(self, log: Log, pending: Pending, keys: IdempotencyKeys) -> None:
        self._log = log
        self._pending = pending
        self._keys = keys
        self._mailbox: Mailbox | None = None
        self._batches: Batches

    async def append(self, rows: Rows, *, wait: bool) -> asyncio.Future[None] | None:
        """Put rows into the log; returns once they are kept, or for masses somewhat later while the engine is behind.

        With `wait`, the future that it gives ends with their commit.

        Raises `IngestionBusy`, `LogFull` and `LogWriteFailed`: nothing was kept, and their key is free again. Of a
        `LogOutcomeUnknown` only the next start knows, and then the key with it.
        """
        mailbox = self.mailbox
        synced, committed = mailbox.future(), mailbox.future() if wait else None
        if rows.key is None and rows.staged is None and rows.size <= INLINE_BYTES:
            self._batches.add(rows, synced, committed)
        else:
            self._hand_in_for(rows, [synced], [committed] if committed else [])
        await synced
        if committed is None and rows.size > INLINE_BYTES:
            await self._pace(mailbox)
        return committed

    async def _pace(self, mailbox: Mailbox) -> None:
        """Hold the answer to masses back while the engine is behind: a sender is slowed down before it is refused."""
        low = mailbox.future()
        if not self._pending.when_low(partial(mailbox.post, [low], None)):
            await asyncio.wait([low], timeout=_LONGEST_PACE)

    async def claimed(self, key: RequestKey) -> Kept | None:
        """Wait for a request under way with the same key; None once there is none, and the key is this request's."""
        mailbox = self.mailbox
        while True:
            ended = mailbox.future()
            found = self._keys.claim(key, partial(mailbox.post, [ended], None))
            if isinstance(found, Kept):
                return found
            if found is Claim.GO_ON:
                return None
            await ended

    def hand_in(self, rows: Rows, settled: Settled) -> None:
        """Give rows to the log. What raises was not given; what fails later is told to `settled`."""
        try:
            self._pending.add(rows.held)
            try:
                self._log.append(rows, partial(self._logged, rows, settled))
            except StonechatError:
                self._pending.remove(rows.held)
                raise
        except StonechatError:
            self.release(rows.key)
            raise

    def release(self, key: RequestKey | None) -> None:
        """Let a key go that nothing was kept under."""
        if key is not None:
            self._keys.release(key)

    @property
    def mailbox(self) -> Mailbox:
        """What brings outcomes to the running event loop."""
        loop = asyncio.get_running_loop()
        if self._mailbox is None or self._mailbox.loop is not loop:
            self._mailbox = Mailbox(loop)
            self._batches = Batches(loop, self._hand_in_for)
        return self._mailbox

    def _hand_in_for(
        self, rows: Rows, synced: Sequence[asyncio.Future[None]], committed: Sequence[asyncio.Future[None]]
    ) -> None:
        mailbox = self.mailbox
        if committed:
            rows.committed = partial(mailbox.post, committed)
        self.hand_in(rows, partial(mailbox.post, synced))

    def _logged(self, rows: Rows, settled: Settled, failure: StonechatError | None) -> None:
        if failure is not None:
            self._pending.remove(rows.held)
            self.release(rows.key)
        elif rows.key is not None:
            self._keys.keep(rows.key, rows.good_rows, rows.quarantined_rows)
        settled(failure)
