"""Batches of a file wait for what will pass, and end with what will not."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from tests.ingest.conftest import Feed
from tests.ingest.engines import FaultyEngine

from stonechat.engine.contract import EngineFailure, Insert, StorageFull
from stonechat.ingest.destinations import insert_rows
from stonechat.ingest.files.batches import Batch
from stonechat.ingest.imports import append_batches
from stonechat.ingest.log import LogFull
from stonechat.ingest.rows import RowReader
from stonechat.ingest.verdicts import Verdicts
from stonechat.jobs.kinds import JobInterrupted


@pytest.mark.parametrize(
    ("failure", "stored"),
    [(StorageFull("the disk is full"), 3), (EngineFailure("no such row", number=469), 1)],
    ids=["a full disk", "a refusal"],
)
def test_rows_beside_the_live_ones_wait_for_the_engine_as_others_do(
    feed: Feed, failure: EngineFailure, stored: int
) -> None:
    fed = feed("n UInt8 `json:$.n`")
    reader = RowReader.for_data_source(fed.source)
    failures = [failure]

    def fault(insert: Insert) -> None:
        if b"2" in b"".join(insert.data) and failures:
            raise failures.pop()

    def take(key: str, verdicts: Verdicts) -> Future[None]:
        insert = Insert(fed.database, "t", fed.destination.columns, "JSONEachRow", [verdicts.good], key)
        insert_rows(FaultyEngine(fed.engine, fault), insert, fed.destination)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    batches = [Batch(lambda n=n: reader.read(b'{"n":%d}' % n)) for n in (1, 2, 3)]  # type: ignore[misc]
    if stored == 3:
        assert append_batches(batches, take, "key").successful_rows == 3
    else:
        with pytest.raises(EngineFailure, match="no such row"):
            append_batches(batches, take, "key")
    assert fed.count() == stored


@pytest.mark.parametrize("ends", [False, True])
def test_who_waits_is_asked_before_each_further_try_and_goes_on_without_an_end(
    monkeypatch: pytest.MonkeyPatch, *, ends: bool
) -> None:
    monkeypatch.setattr("stonechat.ingest.imports._PATIENCE", -1)
    asked: list[str] = []

    def take(_key: str, _verdicts: Verdicts) -> Future[None]:
        if len(asked) < 2:
            raise LogFull("the log is full")
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def waiting() -> None:
        asked.append("again")
        if ends:
            raise JobInterrupted("The server stops")

    batch = Batch(lambda: Verdicts(b"{}\n", 1, b"", 0))
    with pytest.raises(LogFull):
        append_batches([batch], take, "key")
    if ends:
        with pytest.raises(JobInterrupted):
            append_batches([batch], take, "key", waiting=waiting)
    else:
        assert append_batches([batch], take, "key", waiting=waiting).successful_rows == 1
        assert len(asked) == 2
