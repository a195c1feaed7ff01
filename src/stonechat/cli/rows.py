"""Rows for `append` and `dev --load`, in batches of whole lines: NDJSON files, compressed or not, and samples."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard

from stonechat.client import batches
from stonechat.errors import Kind, StonechatError
from stonechat.starters.generator import messages

SAMPLE = "sample"
_SAMPLE_ROWS = 100_000
SAMPLE_SEED = 1


class UnreadableRows(StonechatError):
    """The file to append cannot be read as NDJSON, `.gz` and `.zst` included."""

    code = "SC960"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class RowSource:
    """Where rows come from. `total` counts what `batches` reports as done: bytes of the file, or rows of a sample."""

    name: str
    total: int
    unit: str
    open: Callable[[], AbstractContextManager[Iterator[tuple[bytes, int]]]]


@dataclass(frozen=True, slots=True)
class FirstRows:
    """Rows for a data source that is still empty: the data source, and `sample`, `sample:ROWS` or a file."""

    data_source: str
    source: str


def row_source(text: str) -> RowSource:
    """`sample`, `sample:ROWS`, or the path of a file. Raises `UnreadableRows`."""
    name, _, count = text.partition(":")
    if name == SAMPLE and not Path(text).exists():
        if count and not count.isdigit():
            raise UnreadableRows(f"'{count}' is no number of sample rows", hint="Write sample:100000, for example.")
        rows = int(count) if count else _SAMPLE_ROWS
        return RowSource(f"{rows:,} sample messages", rows, "rows", lambda: _sample(rows))
    path = Path(text)
    if not path.is_file():
        raise UnreadableRows(f"There is no file {path}")
    return RowSource(path.name, path.stat().st_size, "bytes", lambda: _file(path))


@contextmanager
def _sample(rows: int) -> Iterator[Iterator[tuple[bytes, int]]]:
    yield ((batch, count) for batch, count in batches(messages(rows, SAMPLE_SEED)))


@contextmanager
def _file(path: Path) -> Iterator[Iterator[tuple[bytes, int]]]:
    try:
        with path.open("rb") as raw, _decompressed(path, raw) as lines:
            yield _file_batches(path, raw, lines)
    except OSError as error:
        raise UnreadableRows(f"Cannot read {path}: {error.strerror or error}") from error


def _file_batches(path: Path, raw: BinaryIO, lines: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    done = 0
    try:
        for batch, _ in batches(line if line.endswith(b"\n") else line + b"\n" for line in lines):
            position = raw.tell()
            yield batch, position - done
            done = position
    except (EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise UnreadableRows(f"{path} is damaged: {error}") from error


def _decompressed(path: Path, raw: BinaryIO) -> AbstractContextManager[Iterable[bytes]]:
    match path.suffix:
        case ".gz":
            return io.BufferedReader(gzip.GzipFile(fileobj=raw))
        case ".zst":
            reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(raw, read_across_frames=True)
            return io.BufferedReader(reader)
        case _:
            return raw
