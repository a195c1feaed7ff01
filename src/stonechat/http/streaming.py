"""Large answers on their way out: sent as they are made, as fast as the caller reads, and no longer than it does."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import structlog
import zstandard
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stonechat.errors import StonechatError
from stonechat.http.scanned import streamed_without_scanned
from stonechat.query.spool import SpooledAnswer

_PATIENCE = 30.0
_GZIP = 31  # zlib's window of 2^15 with a gzip header
_log = structlog.get_logger(__name__)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class StreamedResponse(Response):
    """An answer in chunks, compressed with `encoding` if any; `narrowed` ones do not tell how much was scanned.

    It releases the answer at its end, or when the caller hangs up or takes no byte for `patience` seconds. What cannot
    be finished has no end: the connection is closed before the last chunk, so that no part passes for the whole.
    """

    def __init__(
        self,
        answer: SpooledAnswer,
        headers: Mapping[str, str],
        media_type: str,
        encoding: str | None,
        *,
        narrowed: bool = False,
        patience: float = _PATIENCE,
    ) -> None:
        super().__init__(headers=headers, media_type=media_type)
        del self.headers["Content-Length"]
        if encoding is not None:
            self.headers["Content-Encoding"] = encoding
        self._answer = answer
        self._encoding = encoding
        self._narrowed = narrowed
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; only the headers for HEAD."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body"})
                return
            await self._send_while_there(receive, send)
        finally:
            self._answer.release()

    async def _send_while_there(self, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send(send))
        watch = asyncio.ensure_future(until_disconnect(receive))
        try:
            await asyncio.wait({sending, watch}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, watch):
                task.cancel()
            await asyncio.gather(sending, watch, return_exceptions=True)
        if not sending.cancelled() and (error := sending.exception()) is not None:
            if not isinstance(error, StonechatError | TimeoutError):
                raise error
            # Returning without a last chunk has the server close the connection.
            _log.warning("answer cut short", error=str(error) or "the caller stopped reading")

    async def _send(self, send: Send) -> None:
        chunks = self._answer.chunks()
        chunks = streamed_without_scanned(chunks) if self._narrowed else chunks
        async for chunk in _compressed(chunks, self._encoding):
            async with asyncio.timeout(self._patience):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})


async def until_disconnect(receive: Receive) -> None:
    """Return when the caller has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _compressed(chunks: AsyncIterator[bytes], encoding: str | None) -> AsyncIterator[bytes]:
    if encoding is None:
        async for chunk in chunks:
            yield chunk
        return
    compressor = _compressor(encoding)
    async for chunk in chunks:
        if data := await asyncio.to_thread(compressor.compress, chunk):
            yield data
    yield compressor.flush()


def _compressor(encoding: str) -> _Compressor:
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=1).compressobj()
    return zlib.compressobj(level=1, wbits=_GZIP)
