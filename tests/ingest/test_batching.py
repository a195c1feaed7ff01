"""Small requests that come at one moment share a record of the log, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.conftest import Feed
from tests.ingest.engines import FaultyEngine
from tests.ingest.tables import Fed

from stonechat.engine.chdb import ChdbEngine
from stonechat.ingest.ingestion import Ingestion, IngestionSettings
from stonechat.ingest.receipts import Receipt
from stonechat.ingest.recovery import recover
from stonechat.ingest.waiting import IngestionBusy

_PENDING = 20_000


@pytest.fixture
def fed(feed: Feed) -> Fed:
    return feed("n UInt32 `json:$.n`")


@pytest.fixture
def faulty(engine: ChdbEngine) -> FaultyEngine:
    """An engine that commits nothing until its gate is opened, so that the log keeps its records."""
    faulty = FaultyEngine(engine)
    faulty.gate.clear()
    return faulty


@pytest.fixture
def ingestion(fed: Fed, faulty: FaultyEngine, folder: Path) -> Iterator[Ingestion]:
    settings = IngestionSettings(pending_bytes=_PENDING)
    ingestion = Ingestion.open(folder, faulty, lambda _identity: fed.destination, settings)
    yield ingestion
    faulty.gate.set()
    ingestion.close()


def _at_once(*requests: Coroutine[Any, Any, Receipt]) -> Sequence[Receipt | BaseException]:
    async def gathered() -> Sequence[Receipt | BaseException]:
        outcomes: Sequence[Receipt | BaseException] = await asyncio.gather(*requests, return_exceptions=True)
        return outcomes

    return asyncio.run(gathered())


def _event(number: int | str) -> bytes:
    return f'{{"n":{number}}}'.encode()


def test_requests_of_one_moment_share_a_record(ingestion: Ingestion, fed: Fed, folder: Path) -> None:
    receipts = _at_once(*(ingestion.accept("t_1", fed.source, _event(number)) for number in range(50)))
    assert [(each.successful_rows, each.committed) for each in receipts if isinstance(each, Receipt)] == [
        (1, False)
    ] * 50
    (rows,) = [rows for rows, _ in recover(folder).undone()]
    assert rows.good == b"".join(_event(number) + b"\n" for number in range(50))


def test_each_request_hears_of_its_own_rows(ingestion: Ingestion, fed: Fed, faulty: FaultyEngine, folder: Path) -> None:
    bodies = [_event(1), _event(-1), _event(2) + b"\n" + _event('"x"') + b"\n" + _event(3), b""]
    receipts = _at_once(*(ingestion.accept("t_1", fed.source, body) for body in bodies))
    counts = [(each.successful_rows, each.quarantined_rows) for each in receipts if isinstance(each, Receipt)]
    assert counts == [(1, 0), (0, 1), (2, 1), (0, 0)]
    (rows,) = [rows for rows, _ in recover(folder).undone()]
    assert (rows.good_rows, rows.quarantined_rows) == (3, 2)
    faulty.gate.set()
    assert ingestion.flush(60)
    assert [row["n"] for row in fed.rows("n")] == [1, 2, 3]
    assert fed.count("t_quarantine") == 2


def test_those_who_wait_hear_of_the_commit(ingestion: Ingestion, fed: Fed, faulty: FaultyEngine) -> None:
    faulty.gate.set()
    receipts = _at_once(*(ingestion.accept("t_1", fed.source, _event(n), wait=n % 2 == 0) for n in range(10)))
    assert [each.committed for each in receipts if isinstance(each, Receipt)] == [True, False] * 5


def test_data_sources_and_keys_have_records_of_their_own(ingestion: Ingestion, fed: Fed, folder: Path) -> None:
    _at_once(
        ingestion.accept("t_1", fed.source, _event(1)),
        ingestion.accept("t_2", fed.source, _event(2)),
        ingestion.accept("t_1", fed.source, _event(3), idempotency_key="a"),
        ingestion.accept("t_1", fed.source, _event(4)),
    )
    records = {(rows.data_source, rows.good, rows.key is None) for rows, _ in recover(folder).undone()}
    assert records == {
        ("t_1", _event(1) + b"\n" + _event(4) + b"\n", True),
        ("t_2", _event(2) + b"\n", True),
        ("t_1", _event(3) + b"\n", False),
    }


def test_all_of_them_hear_that_they_are_refused(ingestion: Ingestion, fed: Fed, folder: Path) -> None:
    filling = b"\n".join([_event(1)] * (_PENDING // 8))
    assert isinstance(_at_once(ingestion.accept("t_1", fed.source, filling))[0], Receipt)
    refused = _at_once(*(ingestion.accept("t_1", fed.source, _event(number)) for number in range(3)))
    assert [type(each) for each in refused] == [IngestionBusy] * 3
    assert len(list(recover(folder).undone())) == 1


def test_a_sender_that_goes_away_takes_nobody_along(ingestion: Ingestion, fed: Fed, faulty: FaultyEngine) -> None:
    async def abandoned() -> list[Receipt | BaseException]:
        tasks = [asyncio.create_task(ingestion.accept("t_1", fed.source, _event(number))) for number in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, gone, last = asyncio.run(abandoned())
    assert isinstance(first, Receipt)
    assert isinstance(gone, asyncio.CancelledError)
    assert isinstance(last, Receipt)
    faulty.gate.set()
    assert ingestion.flush(60)
    assert [row["n"] for row in fed.rows("n")] == [0, 1, 2]
