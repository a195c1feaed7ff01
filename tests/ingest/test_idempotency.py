"""A request that is sent again under its key counts once: at once, later, after a restart, and beside itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.ingest.conftest import Feed
from tests.ingest.engines import FaultyEngine
from tests.ingest.tables import Fed
from tests.ingest.test_ingestion import Open, events, numbers

from stonechat.engine.chdb import ChdbEngine
from stonechat.ingest.gathering import BlockLimits
from stonechat.ingest.idempotency import KEYS_FILE, Claim, IdempotencyKeys, Kept, KeyReused, request_key
from stonechat.ingest.ingestion import Ingestion, IngestionSettings
from stonechat.ingest.log import LogWriteFailed
from stonechat.ingest.receipts import Receipt
from stonechat.ingest.segments import LogCorrupt


@pytest.fixture
def fed(feed: Feed) -> Fed:
    return feed("n UInt32 `json:$.n`\ntext String `json:$.text` DEFAULT 'none'")


@pytest.fixture
def start(fed: Fed, engine: ChdbEngine, folder: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def opened(**settings: object) -> Ingestion:
            ingestion = Ingestion.open(
                folder,
                FaultyEngine(engine),
                lambda _identity: fed.destination,
                IngestionSettings(**settings),  # type: ignore[arg-type]  # each test names fields of the settings
            )
            stack.callback(ingestion.close)
            return ingestion

        yield opened


def send(
    ingestion: Ingestion, fed: Fed, body: bytes, *keys: str, wait: bool = True, source: str = "t_1"
) -> list[Receipt]:
    """The receipts of requests with one body, all under way at once."""

    async def send_all() -> list[Receipt]:
        calls = (ingestion.accept(source, fed.source, body, wait=wait, idempotency_key=key) for key in keys)
        return list(await asyncio.gather(*calls))

    return asyncio.run(send_all())


def test_a_repeated_request_counts_once_and_is_answered_as_before(start: Open, fed: Fed) -> None:
    ingestion = start()
    body = events(1, 2) + b'\n{"n":"many"}'
    (first,) = send(ingestion, fed, body, "a")
    (again,) = send(ingestion, fed, body, "a")
    assert (first.successful_rows, first.quarantined_rows, first.repeated) == (2, 1, False)
    assert (again.successful_rows, again.quarantined_rows, again.repeated) == (2, 1, True)
    assert (numbers(fed), fed.count("t_quarantine")) == ([1, 2], 1)


def test_requests_without_a_key_or_with_another_count_each_time(start: Open, fed: Fed) -> None:
    ingestion = start()
    send(ingestion, fed, events(1), "", "", "a", "b")
    send(ingestion, fed, events(1), "a", source="t_2")  # the key of another data source
    assert numbers(fed) == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("wait", [True, False])
def test_of_many_at_once_one_counts(start: Open, fed: Fed, wait: bool) -> None:
    ingestion = start()
    receipts = send(ingestion, fed, events(*range(5000)), *["a"] * 20, wait=wait)
    assert sorted(receipt.repeated for receipt in receipts) == [False, *[True] * 19]
    assert {receipt.successful_rows for receipt in receipts} == {5000}
    assert ingestion.flush(60)
    assert fed.count() == 5000


def test_a_repeated_request_that_waits_sees_its_rows(start: Open, fed: Fed) -> None:
    ingestion = start(blocks=BlockLimits(quiet_linger=30))
    send(ingestion, fed, events(1), "a", wait=False)
    (again,) = send(ingestion, fed, events(1), "a", wait=True)
    assert (again.committed, numbers(fed)) == (True, [1])


def test_another_body_under_a_key_is_refused(start: Open, fed: Fed) -> None:
    ingestion = start()
    send(ingestion, fed, events(1), "a")
    with pytest.raises(KeyReused):
        send(ingestion, fed, events(2), "a")
    assert numbers(fed) == [1]


def test_a_key_is_remembered_after_a_restart_with_and_without_its_segment(start: Open, fed: Fed, folder: Path) -> None:
    first = start(segment_bytes=200)
    for number in range(20):  # every one begins a segment of its own, and those before it are removed
        send(first, fed, events(number), f"k{number}")
    first.close()
    assert (folder / KEYS_FILE).exists()
    assert len(list(folder.glob("*.wal"))) < 20
    second = start(segment_bytes=200)
    for number in range(20):
        (again,) = send(second, fed, events(number), f"k{number}")
        assert again.repeated, number
    assert numbers(fed) == list(range(20))


def test_a_request_that_was_not_kept_may_come_again(start: Open, fed: Fed, monkeypatch: pytest.MonkeyPatch) -> None:
    ingestion = start()

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("stonechat.ingest.segment_writing.write_pieces", full)
        with pytest.raises(LogWriteFailed):
            send(ingestion, fed, events(1), "a")
    (receipt,) = send(ingestion, fed, events(1), "a")
    assert (receipt.repeated, numbers(fed)) == (False, [1])


def test_a_body_without_rows_takes_no_key(start: Open, fed: Fed) -> None:
    ingestion = start()
    send(ingestion, fed, b"\n", "a")
    send(ingestion, fed, events(1), "a")
    assert numbers(fed) == [1]


def test_the_oldest_keys_are_forgotten_first() -> None:
    keys = IdempotencyKeys(3)
    made = [request_key("t_1", str(number), b"") for number in range(5)]
    for key in made:
        assert keys.claim(key, lambda: None) is Claim.GO_ON
        keys.keep(key, 1, 0)
    assert len(keys) == 3
    found = [keys.claim(key, lambda: None) for key in made]
    assert [isinstance(each, Kept) for each in found] == [False, False, True, True, True]


def test_who_waits_is_told_when_the_first_one_ends() -> None:
    keys = IdempotencyKeys(3)
    key = request_key("t_1", "a", b"")
    told: list[int] = []
    assert keys.claim(key, lambda: None) is Claim.GO_ON
    assert keys.claim(key, lambda: told.append(1)) is Claim.WAIT
    keys.release(key)
    assert told == [1]
    assert keys.claim(key, lambda: None) is Claim.GO_ON


def test_a_damaged_file_of_keys_is_refused_loudly(tmp_path: Path) -> None:
    keys = IdempotencyKeys(10)
    keys.keep(request_key("t_1", "a", b"x"), 1, 2)
    keys.save(tmp_path)
    path = tmp_path / KEYS_FILE
    sound = path.read_bytes()
    IdempotencyKeys(10).load(tmp_path, ())
    for position in range(len(sound)):
        path.write_bytes(sound[:position] + bytes([sound[position] ^ 1]) + sound[position + 1 :])
        with pytest.raises(LogCorrupt):
            IdempotencyKeys(10).load(tmp_path, ())
        path.write_bytes(sound[:position])
        with pytest.raises(LogCorrupt):
            IdempotencyKeys(10).load(tmp_path, ())


def test_keys_that_cannot_be_saved_keep_their_segment(start: Open, fed: Fed, folder: Path) -> None:
    ingestion = start(segment_bytes=200)
    (folder / f"{KEYS_FILE}.new").mkdir()  # the file cannot be written
    for number in range(5):
        send(ingestion, fed, events(number), f"k{number}")
    assert len(list(folder.glob("*.wal"))) >= 5
    ingestion.close()
    (folder / f"{KEYS_FILE}.new").rmdir()
    again = start(segment_bytes=200)
    assert [send(again, fed, events(number), f"k{number}")[0].repeated for number in range(5)] == [True] * 5
