"""Bodies that are files: streamed to the disk, raw or as a field of a form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from stonechat.errors import Kind, StonechatError
from stonechat.http.bodies import BodyTooLarge, InvalidEncoding
from stonechat.ingest.segments import sync_path

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_FILE_FIELDS = {"csv", "ndjson", "parquet", "file"}
_ENCODINGS = {"", "identity", "gzip", "x-gzip", "zstd"}
_WRITTEN_AT_ONCE = 1 << 20
_LARGEST_FIELDS = 64 * 1024
_MOST_HEADERS = 8 * 1024


class InvalidForm(StonechatError):
    """The body is no form of the kind that its Content-Type announces, or has more than one file."""

    code = "SC957"
    kind = Kind.INVALID


class NoRoomForFile(StonechatError):
    """The file cannot be written to the disk."""

    code = "SC958"
    kind = Kind.UNAVAILABLE


@dataclass
class Upload:
    """What a body holds: the fields of a form, and a file, whose `size` is 0 where there is none.

    `form_field` is the name of the form's field that the file came in; `name` what its sender calls it.
    """

    fields: dict[str, str] = field(default_factory=dict)
    size: int = 0
    form_field: str = ""
    name: str = ""
    media_type: str = ""


async def receive(request: Request, path: Path, limit: int) -> Upload:
    """Write the file of a request to `path`. Raises `BodyTooLarge`, `InvalidForm` and `NoRoomForFile`."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise InvalidEncoding(f"Unsupported Content-Encoding '{encoding}'", hint="Use gzip, zstd or none.")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    try:
        with path.open("wb") as file:
            if kind == b"multipart/form-data":
                upload = await _receive_form(request, file, limit, options.get(b"boundary", b""))
            else:
                upload = await _receive_raw(request, file, limit, kind.decode("latin-1").lower())
        if upload.size:
            await asyncio.to_thread(_sync, path)
    except OSError as error:
        raise NoRoomForFile(f"The file cannot be written to the disk: {error.strerror}") from error
    return upload


def _sync(path: Path) -> None:
    """A job that outlives a power loss must find the file whole."""
    sync_path(path)
    sync_path(path.parent)


async def _receive_raw(request: Request, file: BinaryIO, limit: int, media_type: str) -> Upload:
    upload = Upload(media_type=media_type)
    begin = b""
    async for pieces in _pieces(request, limit):
        upload.size += sum(map(len, pieces))
        begin = begin or b"".join(pieces)
        await asyncio.to_thread(file.writelines, pieces)
    if media_type == "application/x-www-form-urlencoded" and upload.size == len(begin) <= _LARGEST_FIELDS:
        upload.fields = _parameters(begin)
        upload.size = 0 if upload.fields else upload.size
    return upload


def _parameters(body: bytes) -> dict[str, str]:
    """The fields of a form without a file. Clients send files under this media type as well, where it means nothing."""
    try:
        fields = dict(parse_qsl(body.decode(), strict_parsing=True))
    except ValueError:
        return {}
    return fields if fields.keys() & {"url", "mode", "name"} else {}


async def _receive_form(request: Request, file: BinaryIO, limit: int, boundary: bytes) -> Upload:
    if not boundary:
        raise InvalidForm("The Content-Type of the form has no boundary")
    form = _Form()
    try:
        parser = MultipartParser(boundary, form.callbacks)
        async for pieces in _pieces(request, limit):
            for piece in pieces:
                parser.write(piece)
            written, form.pending = form.pending, []
            await asyncio.to_thread(file.writelines, written)
        parser.finalize()
    except FormParserError as error:
        raise InvalidForm(f"The body is not valid multipart/form-data: {error}") from error
    if not form.complete:
        raise InvalidForm("The body ends before the form does")
    await asyncio.to_thread(file.writelines, form.pending)
    return form.upload


class _Form:
    """Takes a form apart. What belongs to the file gathers in `pending`."""

    def __init__(self) -> None:
        self.upload = Upload()
        self.pending: list[bytes] = []
        self.complete = False
        self._headers: dict[bytes, bytes] = {}
        self._name = b""
        self._value = b""
        self._size = 0
        self._field: str | None = None
        self._text = bytearray()

    @property
    def callbacks(self) -> MultipartCallbacks:
        """What the parser is to call."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._headers, self._name, self._value = {}, b"", b""
        self._size = 0
        self._field = None
        self._text.clear()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]
        self._bound(end - start)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bound(end - start)

    def _bound(self, size: int) -> None:
        self._size += size
        if self._size > _MOST_HEADERS:
            raise InvalidForm("The headers of a field are too long")

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name not in _FILE_FIELDS and b"filename" not in options:
            self._field = name
            return
        if self.upload.form_field:
            raise InvalidForm("The form has more than one file", hint="Send one file in a request.")
        media_type, _ = parse_options_header(self._headers.get(b"content-type", b""))
        self.upload.form_field = name
        self.upload.name = options.get(b"filename", b"").decode("utf-8", "replace")
        self.upload.media_type = media_type.decode("latin-1").lower()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self.upload.size += end - start
            self.pending.append(data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > _LARGEST_FIELDS:
            raise InvalidForm(f"The field '{self._field}' is too long")

    def _end(self) -> None:
        if self._field is not None:
            self.upload.fields[self._field] = self._text.decode("utf-8", "replace")

    def _finish(self) -> None:
        self.complete = True


async def _pieces(request: Request, limit: int) -> AsyncIterator[list[bytes]]:
    gathered: list[bytes] = []
    size = waiting = 0
    async for chunk in request.stream():
        size += len(chunk)
        waiting += len(chunk)
        if size > limit:
            raise _too_large(limit)
        gathered.append(chunk)
        if waiting >= _WRITTEN_AT_ONCE:
            yield gathered
            gathered, waiting = [], 0
    if gathered:
        yield gathered


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The request body is larger than {limit} bytes",
        hint="Compress the file, split it, give a URL instead, or raise max_upload_bytes.",
    )
