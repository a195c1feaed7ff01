"""Events go from bytes to committed rows, once, whatever the engine says on the way."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ingest.conftest import Feed
from tests.ingest.disks import SyncedLog
from tests.ingest.engines import Fault, FaultyEngine
from tests.ingest.tables import Fed, create_tables, data_source

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import EngineFailure, Insert, QueryTooLarge, StorageFull
from stonechat.errors import Kind
from stonechat.ingest import blocks, entrance, verdicts, writer
from stonechat.ingest.blocks import DataSourceGone, ViewFailed
from stonechat.ingest.failing_rows import FailingRows
from stonechat.ingest.gathering import BlockLimits
from stonechat.ingest.ingestion import Ingestion, IngestionSettings, WritingBusy
from stonechat.ingest.log import Log
from stonechat.ingest.receipts import Receipt
from stonechat.ingest.records import Rows
from stonechat.ingest.recovery import recover
from stonechat.ingest.rows import Format, RowReader
from stonechat.ingest.segments import SegmentFile
from stonechat.ingest.verdicts import VerdictsTooLarge
from stonechat.ingest.waiting import IngestionBusy
from stonechat.ingest.writer import CommitDelayed, ReplayFailed

SCHEMA = "n UInt32 `json:$.n`\ntext String `json:$.text` DEFAULT 'none'"
Open = Callable[..., Ingestion]


@pytest.fixture
def fed(feed: Feed) -> Fed:
    return feed(SCHEMA)


@pytest.fixture
def faulty(engine: ChdbEngine) -> FaultyEngine:
    return FaultyEngine(engine)


@pytest.fixture
def start(fed: Fed, faulty: FaultyEngine, folder: Path) -> Iterator[Open]:
    """Open the write path over the test's folder and tables; closed at the end."""
    with ExitStack() as stack:

        def opened(
            *, gone: bool = False, in_folder: Path = folder, beside: Sequence[Fed] = (), **settings: object
        ) -> Ingestion:
            others = [replace(each.destination, version=f"_d{number}") for number, each in enumerate(beside)]
            destination = replace(fed.destination, beside=tuple(others))
            ingestion = Ingestion.open(
                in_folder,
                faulty,
                lambda identity: None if gone or identity != "t_1" else destination,
                IngestionSettings(**settings),  # type: ignore[arg-type]  # each test names fields of the settings
            )
            stack.callback(ingestion.close)
            return ingestion

        yield opened


@pytest.fixture
def staged(fed: Fed) -> Iterator[Fed]:
    """Tables of another deployment for the same data source."""
    database = f"{fed.database}_staged"
    fed.engine.command(f"CREATE DATABASE {database}")
    yield create_tables(fed.engine, database, fed.source)
    fed.engine.command(f"DROP DATABASE {database} SYNC")


def events(*numbers: int) -> bytes:
    return b"\n".join(b'{"n":%d,"text":"e%d"}' % (number, number) for number in numbers)


_MASSES = events(*range(4000))


def send(ingestion: Ingestion, fed: Fed, body: bytes, *, wait: bool = True) -> Receipt:
    return asyncio.run(ingestion.accept("t_1", fed.source, body, wait=wait))


def numbers(fed: Fed) -> list[object]:
    return [row["n"] for row in fed.rows("n")]


def failing(failure: Exception, times: int = 1) -> Fault:
    """A fault that raises so many times."""
    left = [failure] * times

    def fault(_insert: Insert) -> None:
        if left:
            raise left.pop()

    return fault


def test_with_wait_the_rows_are_there_when_the_receipt_comes(start: Open, fed: Fed) -> None:
    receipt = send(start(), fed, events(1, 2) + b'\n{"n":-1}\nbroken')
    assert (receipt.successful_rows, receipt.quarantined_rows, receipt.committed) == (2, 2, True)
    assert fed.rows() == [{"n": 1, "text": "e1"}, {"n": 2, "text": "e2"}]
    assert [row["c__error"] for row in fed.quarantined("c__error")] == [
        ["the line is not JSON: invalid character (byte 0)"],
        ["value '-1' on column 'n' is not UInt32"],
    ]


def test_a_receipt_says_how_long_each_stage_took(start: Open, fed: Fed) -> None:
    receipt = send(start(), fed, events(1))
    assert list(receipt.timings) == ["check", "log", "commit"]
    assert receipt.timing.startswith("check;dur=")
    assert receipt.timing.count("dur=") == 3


def test_without_wait_the_rows_are_in_the_log_when_the_receipt_comes(
    start: Open, fed: Fed, faulty: FaultyEngine, folder: Path
) -> None:
    faulty.gate.clear()
    ingestion = start()
    receipt = send(ingestion, fed, events(1), wait=False)
    assert (receipt.successful_rows, receipt.committed) == (1, False)
    assert [rows.good for rows, _ in recover(folder).undone()] == [b'{"n":1,"text":"e1"}\n']
    assert numbers(fed) == []
    faulty.gate.set()
    assert ingestion.flush(60)
    assert numbers(fed) == [1]


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n \n"])
def test_a_body_without_rows_is_committed_at_once(start: Open, fed: Fed, body: bytes) -> None:
    ingestion = start()
    receipt = send(ingestion, fed, body, wait=False)
    assert (receipt.successful_rows, receipt.quarantined_rows, receipt.committed) == (0, 0, True)
    assert ingestion.log_counters.groups == 0


def test_many_small_requests_share_blocks(start: Open, fed: Fed) -> None:
    ingestion = start()

    async def burst() -> None:
        requests = [ingestion.accept("t_1", fed.source, events(number), wait=True) for number in range(1000)]
        await asyncio.gather(*requests)

    asyncio.run(burst())
    assert numbers(fed) == list(range(1000))
    assert ingestion.block_counters.blocks < 100
    assert ingestion.pending_bytes == 0


def test_a_large_body_is_checked_in_slices_and_kept_in_order(start: Open, fed: Fed) -> None:
    ingestion = start()
    body = b"\n".join(events(number) if number % 1000 else b'{"n":"x"}' for number in range(40_000))
    receipt = send(ingestion, fed, body)
    assert (receipt.successful_rows, receipt.quarantined_rows) == (39_960, 40)
    assert (fed.count(), fed.count("t_quarantine")) == (39_960, 40)


@pytest.mark.parametrize(("body", "form"), [(b"1\n" * 40_000, "ndjson"), (b"[" + b"1," * 40_000 + b"1]", "json")])
def test_a_request_that_would_take_too_much_in_the_quarantine_is_refused_whole(
    start: Open, fed: Fed, monkeypatch: pytest.MonkeyPatch, body: bytes, form: Format
) -> None:
    monkeypatch.setattr(verdicts, "LARGEST_VERDICTS", 1_000_000)
    ingestion = start()
    sent = ingestion.accept("t_1", fed.source, body, format=form, wait=True, idempotency_key="once")
    with pytest.raises(VerdictsTooLarge):
        asyncio.run(sent)
    assert ingestion.log_counters.groups == 0
    monkeypatch.undo()
    assert send(ingestion, fed, body[:2000]).quarantined_rows > 0
    again = ingestion.accept("t_1", fed.source, body, format=form, wait=True, idempotency_key="once")
    assert not asyncio.run(again).repeated, "its key is free again"
    assert fed.count() == 0


def test_the_event_loop_runs_on_while_a_large_body_is_checked(start: Open, fed: Fed) -> None:
    ingestion = start()
    body = events(*range(1_000_000))

    async def measured() -> float:
        longest, task = 0.0, asyncio.create_task(ingestion.accept("t_1", fed.source, body))
        while not task.done():
            began = time.process_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.process_time() - began)
        return longest

    # In time of the processor: how long it takes says what else the machine does.
    began = time.process_time()
    longest = asyncio.run(measured())
    assert longest < (time.process_time() - began) / 2


def test_blocks_stay_within_their_limits(start: Open, fed: Fed, faulty: FaultyEngine) -> None:
    ingestion = start(blocks=BlockLimits(rows=100))
    faulty.gate.clear()

    async def one_after_the_other() -> None:
        for n in range(0, 900, 30):
            await ingestion.accept("t_1", fed.source, events(*range(n, n + 30)))

    asyncio.run(one_after_the_other())
    faulty.gate.set()
    assert ingestion.flush(60)
    assert numbers(fed) == list(range(900))
    assert 7 <= len(faulty.tokens) <= 9


def test_masses_of_rows_that_nobody_waits_for_gather_in_larger_blocks(
    start: Open, fed: Fed, faulty: FaultyEngine
) -> None:
    ingestion = start(blocks=BlockLimits(quiet_linger=0.001, bulk_linger=60))
    faulty.fault = lambda _insert: time.sleep(2)  # the next block waits for ten times as long
    send(ingestion, fed, events(*range(10_000)), wait=False)
    assert ingestion.flush(60)
    faulty.fault = lambda _insert: None
    for first in range(10_000, 50_000, 10_000):
        send(ingestion, fed, events(*range(first, first + 10_000)), wait=False)
    assert len(faulty.tokens) == 1
    assert ingestion.flush(60)
    assert len(faulty.tokens) == 2
    assert fed.count() == 50_000


def test_a_restart_commits_what_the_log_holds(start: Open, fed: Fed, faulty: FaultyEngine, folder: Path) -> None:
    log, _ = Log.open(folder)
    log.start(lambda _rows: None)
    reader = RowReader.for_data_source(fed.source)
    for number in range(5):
        verdicts = reader.read(events(number) + b"\nbroken")
        log.append(Rows("t_1", verdicts.good, 1, verdicts.quarantined, 1), lambda _failure: None)
    log.close()
    start()
    assert numbers(fed) == [0, 1, 2, 3, 4]
    assert fed.count("t_quarantine") == 5
    assert len(faulty.tokens) == 2


def test_a_replay_loses_nothing_when_segments_go_while_it_reads_on(start: Open, fed: Fed, folder: Path) -> None:
    log, _ = Log.open(folder, segment_bytes=200)
    log.start(lambda _rows: None)
    for number in range(40):
        log.append(Rows("t_1", events(number, *range(100, 110)), 11, b"", 0), lambda _failure: None)
        log.settle()
    log.close()
    assert len(list(folder.glob("*.wal"))) == 40
    start(segment_bytes=200, blocks=BlockLimits(rows=22))
    assert [number for number in numbers(fed) if number not in range(100, 110)] == list(range(40))
    assert min(int(path.stem, 16) for path in folder.glob("*.wal")) > 20


def test_a_replay_from_any_point_of_the_log_adds_nothing_twice(
    start: Open, fed: Fed, staged: Fed, faulty: FaultyEngine, folder: Path
) -> None:
    """The log as it would be after a kill behind each of its records, against an engine that has seen all tokens.

    The rows go to a second table, too, as they do while a deployment is staged.
    """
    ingestion = start(beside=[staged])
    _refuse_over(faulty, 1000)
    for body in (events(1, 2), events(3, 2000, 4, 3000, 5) + b"\nbroken", events(6)):
        send(ingestion, fed, body)
    (path,) = sorted(folder.glob("*.wal"))
    whole = path.read_bytes()
    stored = [1, 2, 3, 4, 5, 6]
    for each in (fed, staged):
        assert (numbers(each), each.count("t_quarantine")) == (stored, 3)
    replayed = 0
    for index, end in enumerate(_record_ends(path)):
        copy = folder.with_name(f"copy{index}")
        copy.mkdir()
        (copy / path.name).write_bytes(whole[:end])
        if any(planned is None for _, planned in recover(copy).undone()):
            continue  # a block is planned, and that is synced, before the engine gets any of it
        replayed += 1
        start(in_folder=copy, beside=[staged]).close()
        for each in (fed, staged):
            assert (numbers(each), each.count("t_quarantine")) == (stored, 3)
        assert not list(recover(copy).undone())
        shutil.rmtree(copy)
    assert replayed > 10


def test_rows_and_what_is_decided_about_them_are_on_the_disk_before_the_engine_gets_them(
    start: Open, fed: Fed, staged: Fed, faulty: FaultyEngine, folder: Path
) -> None:
    """A power loss before each insert: the log's end that is not synced goes, and what the engine has stays."""
    _refuse_over(faulty, 1000)
    refuse, kept = faulty.fault, SyncedLog(folder)
    copies: list[Path] = []

    def fault(insert: Insert) -> None:
        copies.append(folder.with_name(f"copy{len(copies)}"))
        kept.copy_to(copies[-1])
        refuse(insert)

    with kept:
        faulty.fault = fault
        ingestion = start(beside=[staged])
        for body in (events(1, 2), events(3, 2000, 4) + b"\nbroken", events(6)):
            send(ingestion, fed, body)
        faulty.fault = refuse
    assert len(copies) > 10
    for copy in copies:
        assert all(planned for _, planned in recover(copy).undone())
        start(in_folder=copy, beside=[staged]).close()
        for each in (fed, staged):
            assert (numbers(each), each.count("t_quarantine")) == ([1, 2, 3, 4, 6], 2)


@pytest.mark.parametrize("done", range(4))
def test_a_start_completes_a_block_whose_process_ended_between_two_of_its_tables(
    start: Open, fed: Fed, staged: Fed, faulty: FaultyEngine, done: int
) -> None:
    def fault(_insert: Insert) -> None:
        if len(faulty.tokens) >= done:
            raise StorageFull("no space", number=243)

    faulty.fault = fault
    ingestion = start(beside=[staged])
    send(ingestion, fed, events(1, 2) + b"\nbroken", wait=False)
    ingestion.close(timeout=0.1)
    assert len(faulty.tokens) == done
    faulty.fault = lambda _insert: None
    start(beside=[staged])
    for each in (fed, staged):
        assert (numbers(each), each.count("t_quarantine")) == ([1, 2], 1)


def test_a_table_that_was_cloned_gets_no_block_again_that_it_began_with(
    start: Open, fed: Fed, staged: Fed, folder: Path, tmp_path: Path
) -> None:
    ingestion = start()
    send(ingestion, fed, events(1, 2))
    with ingestion.paused():
        boundary = ingestion.boundary("t_1")
    fed.engine.command(f"INSERT INTO {staged.database}.t SELECT * FROM {fed.database}.t")
    clone = replace(staged, destination=replace(staged.destination, boundary=boundary))
    (path,) = sorted(folder.glob("*.wal"))
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / path.name).write_bytes(path.read_bytes()[: _record_ends(path)[1]])  # the rows and their plan
    second = start(in_folder=cut, beside=[clone])
    send(second, fed, events(3))
    assert numbers(fed) == numbers(staged) == [1, 2, 3]


def test_a_log_that_lost_its_end_gives_later_rows_tokens_of_their_own(
    start: Open, fed: Fed, folder: Path, tmp_path: Path
) -> None:
    first = start()
    send(first, fed, events(1))
    send(first, fed, events(2))
    (path,) = sorted(folder.glob("*.wal"))
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / path.name).write_bytes(path.read_bytes()[: _record_ends(path)[1]])  # row 1 and its plan
    second = start(in_folder=cut)
    for number in (3, 4, 5):  # some of them have the sequence number that row 2 had
        send(second, fed, events(number))
    assert numbers(fed) == [1, 2, 3, 4, 5]


def test_only_the_rows_that_the_engine_refuses_go_to_the_quarantine(
    start: Open, fed: Fed, faulty: FaultyEngine
) -> None:
    _refuse_over(faulty, 1000)
    ingestion = start()
    receipt = send(ingestion, fed, events(*range(990, 1003)))
    assert receipt.successful_rows == 13, "they fitted at the door"
    assert numbers(fed) == list(range(990, 1001))
    rejected = fed.quarantined("n, text, c__error_column, c__error, c__raw")
    assert [row["n"] for row in rejected] == ["1001", "1002"]
    assert rejected[0]["c__error_column"] == ["c__raw"]
    assert rejected[0]["c__error"] == ["the engine refused the row: too large"]
    assert json.loads(str(rejected[0]["c__raw"])) == {"n": 1001, "text": "e1001"}
    assert ingestion.block_counters.refused_rows == 2
    send(ingestion, fed, events(7))
    assert 7 in numbers(fed), "the writer goes on"


def test_the_engine_itself_refuses_a_row_of_a_column_that_was_narrowed(start: Open, fed: Fed) -> None:
    fed.engine.command(f"ALTER TABLE {fed.database}.t MODIFY COLUMN text UInt8 DEFAULT 0")
    ingestion = start()
    body = b"\n".join(b'{"n":%d,"text":"%s"}' % (n, b"x" if n == 3 else b"5") for n in range(8))
    send(ingestion, fed, body)
    assert numbers(fed) == [0, 1, 2, 4, 5, 6, 7]
    (rejected,) = fed.quarantined("n, c__error")
    assert rejected["n"] == "3"
    assert "Cannot parse" in str(rejected["c__error"])


def test_a_block_that_is_refused_whole_is_not_searched_for_ever(
    start: Open, fed: Fed, faulty: FaultyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "MOST_REFUSALS", 20)
    _refuse_over(faulty, 0)
    ingestion = start()
    send(ingestion, fed, events(*range(1, 501)))
    assert fed.count() == 0
    assert fed.count("t_quarantine") == 500
    assert ingestion.block_counters.refusals < 60


def test_an_interrupted_search_goes_on_where_it_was(start: Open, fed: Fed, faulty: FaultyEngine) -> None:
    _refuse_over(faulty, 1000)
    refuse, calls = faulty.fault, 0

    def fault(insert: Insert) -> None:
        nonlocal calls
        calls += 1
        if calls % 4 == 0:
            raise StorageFull("no space", number=243)
        refuse(insert)

    faulty.fault = fault
    ingestion = start()
    send(ingestion, fed, events(*range(995, 1005)), wait=False)
    assert ingestion.flush(60)
    assert numbers(fed) == list(range(995, 1001))
    assert fed.count("t_quarantine") == 4
    assert len(faulty.tokens) == len(set(faulty.tokens)), "a part was sent again"


def test_rows_that_even_the_quarantine_refuses_are_kept_in_a_file(
    start: Open, fed: Fed, faulty: FaultyEngine, folder: Path
) -> None:
    def fault(insert: Insert) -> None:
        if insert.table == "t_quarantine":
            raise EngineFailure("no such column", number=16)

    faulty.fault = fault
    send(start(), fed, events(1) + b"\nbroken")
    assert numbers(fed) == [1]
    (path,) = folder.glob("orphaned-*.ndjson")
    assert json.loads(path.read_bytes())["c__raw"] == "broken"


def test_rows_wait_in_the_log_while_the_engine_cannot_write(start: Open, fed: Fed, faulty: FaultyEngine) -> None:
    ingestion = start()
    faulty.fault = failing(StorageFull("no space", number=243), times=3)
    with pytest.raises(CommitDelayed, match="kept in the log and will be committed later: no space") as caught:
        send(ingestion, fed, events(1))
    assert caught.value.kind is Kind.UNAVAILABLE
    send(ingestion, fed, events(2), wait=False)
    assert ingestion.flush(60)
    assert numbers(fed) == [1, 2]
    assert ingestion.pending_bytes == 0


def _full(_insert: Insert) -> None:
    raise StorageFull("no space", number=243)


def test_who_waits_behind_a_block_that_the_engine_does_not_take_hears_of_it(
    start: Open, fed: Fed, faulty: FaultyEngine
) -> None:
    ingestion = start()
    faulty.fault = _full
    for number in (1, 2, 3):
        with pytest.raises(CommitDelayed, match="no space"):
            send(ingestion, fed, events(number))
    faulty.fault = lambda _insert: None
    assert ingestion.flush(60)
    assert numbers(fed) == [1, 2, 3]


def test_who_wants_to_remove_rows_behind_such_a_block_is_told_before_the_time_is_over(
    start: Open, fed: Fed, faulty: FaultyEngine
) -> None:
    ingestion = start()
    faulty.fault = _full
    send(ingestion, fed, events(1), wait=False)
    for _ in range(2):  # who comes while it is tried, and who comes later
        with pytest.raises(WritingBusy), ingestion.settled(timeout=3600):
            pass
    faulty.fault = lambda _insert: None
    assert ingestion.flush(60)
    with ingestion.settled(timeout=10):
        assert numbers(fed) == [1]


def test_an_unforeseen_error_does_not_end_the_writer(start: Open, fed: Fed, faulty: FaultyEngine) -> None:
    ingestion = start()
    faulty.fault = failing(ZeroDivisionError("surprise"))
    with pytest.raises(CommitDelayed, match="surprise"):
        send(ingestion, fed, events(1))
    assert ingestion.flush(60)
    assert numbers(fed) == [1]


def test_one_data_source_that_waits_does_not_hold_up_another(
    fed: Fed, faulty: FaultyEngine, folder: Path, database: str
) -> None:
    fed.engine.command(f"CREATE TABLE {database}.u AS {database}.t")
    other = fed.destination.of(fed.source, database=database, table="u")
    faulty.fault = lambda insert: _fail_for(insert, "t")
    ingestion = Ingestion.open(folder, faulty, {"t_1": fed.destination, "t_2": other}.get)
    send(ingestion, fed, events(1), wait=False)
    asyncio.run(ingestion.accept("t_2", fed.source, events(2), wait=True))
    assert fed.count("u") == 1
    faulty.fault = lambda _insert: None
    ingestion.close()
    assert fed.count() == 1


def test_a_block_too_large_for_the_memory_is_split_in_the_end(
    start: Open, fed: Fed, faulty: FaultyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_LAST_RETRY", 0.01)

    def fault(insert: Insert) -> None:
        if sum(chunk.count(b"\n") for chunk in insert.data) > 3:
            raise QueryTooLarge("memory limit", number=241)

    faulty.fault = fault
    ingestion = start()
    with pytest.raises(CommitDelayed):
        send(ingestion, fed, events(*range(10)))
    assert ingestion.flush(60)
    assert numbers(fed) == list(range(10))
    assert fed.count("t_quarantine") == 0


@pytest.mark.parametrize("size", [2, 50_000])
def test_a_failing_view_is_told_and_the_table_and_all_other_views_have_the_rows(
    start: Open, fed: Fed, size: int
) -> None:
    engine, database = fed.engine, fed.database
    window = "SETTINGS non_replicated_deduplication_window = 1000"
    for view, query in {
        "u1": f"SELECT toUInt32(text) AS m FROM {database}.t",
        "u2": f"SELECT n AS m FROM {database}.t",
        "u3": f"SELECT m FROM {database}.u2",
    }.items():
        engine.command(f"CREATE TABLE {database}.{view} (m UInt32) ORDER BY tuple() {window}")
        engine.command(f"CREATE MATERIALIZED VIEW {database}.to_{view} TO {database}.{view} AS {query}")
    ingestion = start()
    told = r"^The rows are in the data source, but the .* view 'to_u1' cannot take all of them \(CANNOT_PARSE_TEXT\)$"
    with pytest.raises(ViewFailed, match=told):
        send(ingestion, fed, events(*range(size)))
    assert [fed.count(), fed.count("u1"), fed.count("u2"), fed.count("u3")] == [size, 0, size, size]
    assert fed.count("t_quarantine") == 0
    assert ingestion.block_counters.view_failures == 1


def test_a_failing_view_ends_no_block_that_the_engine_takes_in_canonical_form_alone(start: Open, fed: Fed) -> None:
    engine, database = fed.engine, fed.database
    window = "SETTINGS non_replicated_deduplication_window = 1000"
    engine.command(f"CREATE TABLE {database}.u (m UInt32) ORDER BY tuple() {window}")
    query = f"SELECT toUInt32(text) AS m FROM {database}.t"
    engine.command(f"CREATE MATERIALIZED VIEW {database}.to_u TO {database}.u AS {query}")
    ingestion = start()
    with pytest.raises(ViewFailed):
        send(ingestion, fed, b'{"n":1,"text":"7"}\n{"n":2,"n":3,"text":"8"}\n{"n":4,"text":"word"}')
    assert numbers(fed) == [1, 3, 4]
    assert [row["m"] for row in engine.fetch(f"SELECT m FROM {database}.u ORDER BY m")] == [7, 8]


@pytest.mark.parametrize("size", [2, 3000])
def test_a_failing_view_misses_the_rows_that_it_fails_at_alone(start: Open, fed: Fed, size: int) -> None:
    engine, database = fed.engine, fed.database
    window = "SETTINGS non_replicated_deduplication_window = 1000"
    for view, query in {
        "u1": f"SELECT toUInt32(substring({database}.t.text, 2)) AS m FROM {database}.t",
        "u2": f"SELECT m + throwIf(m % 1000 = 1) AS m FROM {database}.u1",
        "u3": f"SELECT m FROM {database}.u2",
        "u4": f"SELECT n AS m FROM {database}.t",
    }.items():
        engine.command(f"CREATE TABLE {database}.{view} (m UInt32) ORDER BY tuple() {window}")
        engine.command(f"CREATE MATERIALIZED VIEW {database}.to_{view} TO {database}.{view} AS {query}")
    ingestion = start()
    body = events(*range(size)) + b'\n{"n":5000,"text":"word"}\n{"n":5001,"text":"e5001"}'
    with pytest.raises(ViewFailed):
        send(ingestion, fed, body)
    assert [fed.count(), fed.count("u4")] == [size + 2, size + 2]
    held = engine.fetch(f"SELECT m FROM {database}.u3 ORDER BY m")
    sound = [*range(size), 5001]
    assert [row["m"] for row in held] == [number for number in sound if number % 1000 != 1]
    assert not engine.fetch("SELECT 1 FROM system.databases WHERE name = 'stonechat_failing_views'")
    before = fed.count("u1")
    with pytest.raises(ViewFailed, match="'to_u2'"):
        send(ingestion, fed, events(9000, 9001, 9002))
    assert fed.count("u1") == before + 3, "a view that a failing one reads from has all rows"
    held_now = engine.fetch(f"SELECT m FROM {database}.u3 WHERE m >= 9000 ORDER BY m")
    assert [row["m"] for row in held_now] == [9000, 9002]


def test_the_search_for_rows_that_views_fail_at_has_a_budget_of_time(fed: Fed) -> None:
    moment = 0.0

    def clock() -> float:
        nonlocal moment
        moment += 8.0
        return moment

    rows = FailingRows(fed.engine, clock)
    insert = Insert(fed.database, "t", ["n", "text"], "JSONEachRow", [events(1), b"\n", events(2)], "token")
    assert [rows.taken(insert) is not None for _ in range(4)] == [True, True, False, False]


def test_a_view_that_runs_out_of_memory_doubles_nothing(start: Open, fed: Fed, faulty: FaultyEngine) -> None:
    """The table has the rows by then, so the block must not be split."""

    def fault(insert: Insert) -> None:
        if not insert.past_failing_views:
            faulty.engine.insert(insert)
            raise QueryTooLarge("Memory limit exceeded: while pushing to view d.v.", number=241)

    faulty.fault = fault
    ingestion = start()
    with pytest.raises(CommitDelayed):
        send(ingestion, fed, events(*range(10)))
    assert ingestion.flush(60)
    assert numbers(fed) == list(range(10))
    assert ingestion.block_counters.view_failures == 1


def test_a_block_of_too_many_partitions_is_split(engine: ChdbEngine, database: str, folder: Path) -> None:
    source = data_source(SCHEMA)
    fed = create_tables(engine, database, source, settings="PARTITION BY n")
    ingestion = Ingestion.open(folder, engine, lambda _identity: fed.destination)
    send(ingestion, fed, events(*range(250)))
    ingestion.close()
    assert numbers(fed) == list(range(250))
    assert fed.count("t_quarantine") == 0


def test_rows_of_a_removed_data_source_are_kept_in_a_file(
    start: Open, fed: Fed, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingestion = start(gone=True)
    synced: list[Path] = []
    monkeypatch.setattr("stonechat.ingest.blocks.sync_path", synced.append)
    with pytest.raises(DataSourceGone, match=r"orphaned-0000000000000001\.ndjson"):
        send(ingestion, fed, events(1, 2))
    assert synced == [folder], "a file whose name is lost is lost"
    assert (folder / "orphaned-0000000000000001.ndjson").read_bytes() == events(1, 2) + b"\n"
    assert ingestion.block_counters.orphaned_rows == 2
    ingestion.close()
    assert not list(recover(folder).undone())


def test_a_start_fails_when_the_log_cannot_be_committed(
    start: Open, fed: Fed, faulty: FaultyEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty.fault = failing(StorageFull("no space", number=243), times=1000)
    ingestion = start()
    send(ingestion, fed, events(1), wait=False)
    ingestion.close(timeout=0.1)
    monkeypatch.setattr(writer, "_FIRST_RETRY", 0.0001)
    with pytest.raises(ReplayFailed, match="no space"):
        start()
    assert len(list(recover(folder).undone())) == 1
    faulty.fault = lambda _insert: None
    start()
    assert numbers(fed) == [1]


def test_nothing_is_committed_during_a_pause_and_everything_after(start: Open, fed: Fed) -> None:
    ingestion = start()
    with ingestion.paused():
        send(ingestion, fed, events(1), wait=False)
        assert not ingestion.flush(0.1)
        assert numbers(fed) == []
    assert ingestion.flush(60)
    assert numbers(fed) == [1]


def test_a_pause_begins_when_the_block_in_flight_is_committed(start: Open, fed: Fed, faulty: FaultyEngine) -> None:
    ingestion = start()
    faulty.gate.clear()

    async def paused_while_one_waits() -> list[object]:
        request = asyncio.create_task(ingestion.accept("t_1", fed.source, events(1), wait=True))
        await asyncio.to_thread(faulty.entered.wait, 30)
        asyncio.get_running_loop().call_later(0.05, faulty.gate.set)
        found = await asyncio.to_thread(_numbers_in_a_pause, ingestion, fed)
        await request
        return found

    assert asyncio.run(paused_while_one_waits()) == [1]


def test_whoever_writes_beside_and_whoever_pauses_wait_for_each_other(start: Open) -> None:
    ingestion = start()
    steps: list[str] = []

    def pause(name: str) -> None:
        with ingestion.paused(), ingestion.paused():
            steps.append(f"{name} begins")
            time.sleep(0.05)
            steps.append(f"{name} ends")

    def write() -> None:
        with ingestion.beside():
            steps.append("beside")

    with ThreadPoolExecutor(3) as threads:
        with ingestion.beside(), ingestion.beside():
            pauses = [threads.submit(pause, name) for name in ("one", "other")]
            time.sleep(0.05)
            steps.append("written")
        for each in pauses:
            each.result(60)
        with ingestion.alone():
            beside = threads.submit(write)
            time.sleep(0.05)
            steps.append("alone")
        beside.result(60)
    assert [step.split()[-1] for step in steps] == ["written", "begins", "ends", "begins", "ends", "alone", "beside"]


def test_more_pending_bytes_than_allowed_are_refused(start: Open, fed: Fed, faulty: FaultyEngine) -> None:
    ingestion = start(pending_bytes=100)
    faulty.gate.clear()
    send(ingestion, fed, events(1, 2, 3), wait=False)
    with pytest.raises(IngestionBusy) as caught:
        send(ingestion, fed, events(4, 5, 6), wait=False)
    assert caught.value.retry_after == 1
    faulty.gate.set()
    assert ingestion.flush(60)
    send(ingestion, fed, events(7), wait=True)
    assert numbers(fed) == [1, 2, 3, 7]


def test_masses_are_answered_once_the_engine_has_caught_up(start: Open, fed: Fed, faulty: FaultyEngine) -> None:
    ingestion = start(pending_bytes=4 * len(_MASSES) // 3)
    faulty.gate.clear()

    async def send_masses() -> None:
        answer = asyncio.ensure_future(ingestion.accept("t_1", fed.source, _MASSES))
        few = asyncio.ensure_future(ingestion.accept("t_1", fed.source, events(1)))
        done, _ = await asyncio.wait([answer, few], timeout=0.5)
        assert done == {few}
        faulty.gate.set()
        assert (await answer).successful_rows == 4000

    asyncio.run(send_masses())


def test_masses_are_answered_in_time_while_the_engine_stands_still(
    start: Open, fed: Fed, faulty: FaultyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "_LONGEST_PACE", 0.05)
    ingestion = start(pending_bytes=4 * len(_MASSES) // 3)
    faulty.gate.clear()
    assert not send(ingestion, fed, _MASSES, wait=False).committed
    faulty.gate.set()
    assert ingestion.flush(60)
    assert fed.count() == 4000


def test_a_client_that_goes_away_harms_nobody(start: Open, fed: Fed) -> None:
    ingestion = start()

    async def abandon() -> None:
        async def expire(request: Awaitable[object]) -> None:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(request, 0)

        for number in range(20):
            task = asyncio.create_task(ingestion.accept("t_1", fed.source, events(number), wait=True))
            await asyncio.sleep(0)
            await expire(task)
        await ingestion.accept("t_1", fed.source, events(20), wait=True)

    asyncio.run(abandon())
    assert ingestion.flush(60)
    assert numbers(fed) == list(range(21))
    assert ingestion.pending_bytes == 0


def _numbers_in_a_pause(ingestion: Ingestion, fed: Fed) -> list[object]:
    with ingestion.paused():
        return numbers(fed)


def _refuse_over(faulty: FaultyEngine, limit: int) -> None:
    """Refuse, as the engine does for content, any block of the table that holds a number over the limit."""

    def fault(insert: Insert) -> None:
        lines = b"".join(insert.data).splitlines()
        if insert.table == "t" and any(json.loads(line)["n"] > limit for line in lines):
            raise EngineFailure("too large", number=469, name="VIOLATED_CONSTRAINT")

    faulty.fault = fault


def _fail_for(insert: Insert, table: str) -> None:
    if insert.table == table:
        raise StorageFull("no space", number=243)


def _record_ends(path: Path) -> list[int]:
    with SegmentFile(path) as file:
        return [record.end for record in file.records()]
