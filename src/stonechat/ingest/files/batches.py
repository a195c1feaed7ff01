"""What every kind of file comes apart into, and why one cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stonechat.errors import Kind, StonechatError
from stonechat.ingest.verdicts import Verdicts

BATCH_BYTES = 4_000_000
"""Bytes of a file that are checked and handed on as one. Imports that were interrupted count in batches."""

Judge = Callable[[], Verdicts]


class UnreadableFile(StonechatError):
    """The file is not what it should be: damaged, in another encoding, or no CSV, NDJSON or Parquet at all."""

    code = "SC650"
    kind = Kind.INVALID


class FileTooLarge(StonechatError):
    """The file, as it is or decompressed, is over the limit."""

    code = "SC651"
    kind = Kind.TOO_LARGE


@dataclass(frozen=True, slots=True)
class Batch:
    """Some consecutive rows of a file. `judge` checks them, which is left undone for batches that are in already.

    `position` is how much of the file has been read with them, from 0 to 1.
    """

    judge: Judge
    position: float = 0.0
