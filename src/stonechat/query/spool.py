"""Answers too large to hold: the engine writes them into a file without a name, and callers read behind it.

A file and not a queue between the two: the engine works at its own speed and gives its connection back, however slowly
callers read. So a slow reader takes disk, at most the limit of one answer, and neither memory nor a connection.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import BinaryIO

from stonechat.engine.contract import QueryLimits, QueryResult, QueryTooLarge, require_size
from stonechat.errors import Kind, StonechatError

STREAMED_FROM = 1_000_000
"""Bytes; an answer of no more is held in memory, has a length, and may be kept."""
_CHUNK = 256 * 1024
# The engine does not tell when it has written: look again after so many seconds, twice as many each time.
_FIRST_LOOK = 0.005
_LAST_LOOK = 0.16
# What fails in its first moments shall have a status: the engine writes a million bytes in less than one of them.
_HELD_BACK = 0.1


class TooManyLargeAnswers(StonechatError):
    """Large answers that wait for their readers take all the disk that they may."""

    code = "SC810"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("Too many large answers are on their way", hint="Try again in a moment.")


class Spool:
    """The files of large answers: a further one is made while all of them have less than `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._files: list[BinaryIO] = []

    def file(self, make: Callable[[], BinaryIO]) -> BinaryIO:
        """A new file, which counts until it is closed. Raises `TooManyLargeAnswers`."""
        self._files = [file for file in self._files if not file.closed]
        if sum(os.fstat(file.fileno()).st_size for file in self._files) >= self._most_bytes:
            raise TooManyLargeAnswers
        file = make()
        self._files.append(file)
        return file


class SpooledAnswer:
    """An answer in a file that may still grow. One event loop's own.

    `work` is the query that writes into `file` within `limits`, and `cancel` ends it. Whoever reads holds the answer
    until `release`; its maker is the first to hold it. When nobody does, the query is cancelled, and the file closed
    once that is done.
    """

    def __init__(
        self, file: BinaryIO, work: asyncio.Future[QueryResult], cancel: Callable[[], None], limits: QueryLimits
    ) -> None:
        self._file = file
        self._work = work
        self._cancel = cancel
        self._limits = limits
        self._holders = 1

    async def whole(self) -> QueryResult | None:
        """The answer when it is complete and small; None once it is larger and may be sent.

        That is when it is complete, or has had more than `STREAMED_FROM` bytes for a tenth of a second. Raises what the
        query does until then.
        """
        delay = _FIRST_LOOK
        while not self._work.done() and self._size() <= STREAMED_FROM:
            await asyncio.wait({self._work}, timeout=delay)
            delay = min(2 * delay, _LAST_LOOK)
        await asyncio.wait({self._work}, timeout=_HELD_BACK)
        # Past the limit by now, it fails here even if the engine has not come to that.
        size = self._size()
        if not self._work.done():
            return None
        cost = self._work.result()
        return replace(cost, data=self._read(STREAMED_FROM, 0)) if size <= STREAMED_FROM else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The answer from its beginning, as it is made. Raises what the query does; the answer is then not whole."""
        position = 0
        while True:
            complete = self._work.done()
            if complete:
                self._work.result()
            else:
                self._size()
            chunk = self._read(_CHUNK, position)
            position += len(chunk)
            if chunk:
                yield chunk
            elif complete:
                return
            else:
                await asyncio.wait({self._work}, timeout=_FIRST_LOOK)

    @property
    def cost(self) -> QueryResult | None:
        """What the query cost, without its bytes, once it has ended well."""
        ended = self._work.done() and not self._work.cancelled() and self._work.exception() is None
        return self._work.result() if ended else None

    def hold(self) -> bool:
        """Keep the answer for one reader more; False when it is gone already."""
        self._holders += self._holders > 0
        return self._holders > 0

    def release(self) -> None:
        """Give back what `hold` gave."""
        self._holders -= 1
        if self._holders:
            return
        if not self._work.done():
            self._cancel()
        # Never before: the engine knows the file by its number, which the next file gets.
        self._work.add_done_callback(self._close)

    def _close(self, work: asyncio.Future[QueryResult]) -> None:
        work.exception()  # nobody else may have asked for it
        self._file.close()

    def _size(self) -> int:
        size = os.fstat(self._file.fileno()).st_size
        try:
            require_size(size, self._limits)
        except QueryTooLarge:
            self._cancel()
            raise
        return size

    def _read(self, size: int, position: int) -> bytes:
        return os.pread(self._file.fileno(), size, position)
