"""Bringing the rows of a file into a data source, batch by batch, through the write-ahead log like all others."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import EngineFailure
from stonechat.errors import StonechatError
from stonechat.ingest.blocks import ViewFailed
from stonechat.ingest.destinations import is_transient
from stonechat.ingest.feeding import fingerprint
from stonechat.ingest.files.batches import Batch
from stonechat.ingest.ingestion import Ingestion
from stonechat.ingest.log import LogFull, LogWriteFailed
from stonechat.ingest.verdicts import Verdicts
from stonechat.ingest.waiting import IngestionBusy
from stonechat.ingest.writer import CommitDelayed

_IN_FLIGHT = 2
_PAUSE = 0.2
_PATIENCE = 60.0

Take = Callable[[str, Verdicts], "Future[None]"]
"""Keeps the rows of a batch under a key that is its own for ever; the future ends when queries see them."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the rows of a file so far. `batches` are taken; `trouble` is what went wrong behind them.

    `views_failed`: the rows are in the data source, but a view could not take all of them.
    `bytes` and `quarantined_bytes` are those of the rows as lines of JSON, as the write-ahead log has them.
    """

    batches: int = 0
    successful_rows: int = 0
    quarantined_rows: int = 0
    invalid_lines: int = 0
    trouble: str | None = None
    bytes: int = 0
    quarantined_bytes: int = 0
    views_failed: bool = False

    def plus(self, verdicts: Verdicts) -> Tally:
        """With one batch more."""
        return replace(
            self,
            batches=self.batches + 1,
            successful_rows=self.successful_rows + verdicts.good_rows,
            quarantined_rows=self.quarantined_rows + verdicts.quarantined_rows,
            invalid_lines=self.invalid_lines + verdicts.invalid_rows,
            bytes=self.bytes + len(verdicts.good),
            quarantined_bytes=self.quarantined_bytes + len(verdicts.quarantined),
        )

    @classmethod
    def of(cls, noted: dict[str, Any]) -> Self:
        """The tally that `noted` gave."""
        return cls(**noted)

    @property
    def noted(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @property
    def error(self) -> str | None:
        """What clients are told of rows that did not fit, in the words that they know."""
        parts = []
        if self.quarantined_rows:
            parts.append(f"{self.quarantined_rows} {_plural('row', self.quarantined_rows)} in quarantine")
        if self.invalid_lines:
            parts.append(f"{self.invalid_lines} invalid {_plural('line', self.invalid_lines)}")
        texts = [f"There was an error with file contents: {' and '.join(parts)}."] if parts else []
        return " ".join([*texts, *([self.trouble] if self.trouble else [])]) or None


def append_batches(
    batches: Iterable[Batch],
    take: Take,
    key: str,
    *,
    tally: Tally = Tally(),
    taken: Callable[[Tally, float], None] = lambda _tally, _position: None,
    waiting: Callable[[], None] | None = None,
) -> Tally:
    """Hand every batch to `take`, those before `tally` excepted. Returns when queries see all of them. Blocks.

    `taken` hears after each batch that is kept for good, and how much of the file that is; it may raise to end it: what
    it has heard of is in. Equal keys name equal batches. A batch that cannot be taken at the moment is tried again for
    a minute, then its error is raised; with `waiting`, which is called before each further try and may raise to end it,
    as long as it takes.
    """
    in_flight: deque[Future[None]] = deque()
    try:
        for number, batch in enumerate(batches):
            if number < tally.batches:
                continue
            verdicts = batch.judge()
            if verdicts.good_rows or verdicts.quarantined_rows:
                in_flight.append(_patiently(take, f"{key}/{number}", verdicts, waiting))
            tally = tally.plus(verdicts)
            taken(tally, batch.position)
            if len(in_flight) >= _IN_FLIGHT:
                tally = _settled(in_flight.popleft(), tally)
    finally:
        while in_flight:
            tally = _settled(in_flight.popleft(), tally)
    return tally


def into_data_source(ingestion: Ingestion, data_source_id: str, source: DataSource) -> Take:
    """Rows that were checked against a data source go to it, and to its quarantine."""
    schema = fingerprint(source.columns)

    def take(key: str, verdicts: Verdicts) -> Future[None]:
        return ingestion.take(data_source_id, verdicts, key, schema)

    return take


def _patiently(take: Take, key: str, verdicts: Verdicts, waiting: Callable[[], None] | None) -> Future[None]:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return take(key, verdicts)
        except StonechatError as failure:
            if not _passes(failure) or (waiting is None and time.monotonic() > end):
                raise
            if waiting is not None:
                waiting()
            time.sleep(_PAUSE)


def _passes(failure: StonechatError) -> bool:
    if isinstance(failure, EngineFailure):
        return is_transient(failure)
    return isinstance(failure, IngestionBusy | LogFull | LogWriteFailed)


def _settled(future: Future[None], tally: Tally) -> Tally:
    """The tally after a batch's rows are in the tables, or are known to come there later."""
    try:
        future.result()
    except (ViewFailed, CommitDelayed) as error:
        failed = tally.views_failed or isinstance(error, ViewFailed)
        return replace(tally, trouble=error.message, views_failed=failed)
    return tally


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
