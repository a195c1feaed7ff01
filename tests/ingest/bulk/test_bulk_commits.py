"""Rows that were read in bulk are committed once, whatever form the engine gets them in."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.ingest.conftest import Feed
from tests.ingest.engines import FaultyEngine
from tests.ingest.tables import Fed, create_tables, data_source

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import EngineFailure, Insert
from stonechat.ingest.blocks import ViewFailed
from stonechat.ingest.bulk import library
from stonechat.ingest.bulk.library import compiled_library
from stonechat.ingest.destinations import insert_rows
from stonechat.ingest.gathering import BlockLimits
from stonechat.ingest.ingestion import Ingestion, IngestionSettings
from stonechat.ingest.recovery import recover
from stonechat.ingest.rows import RowReader

pytestmark = pytest.mark.skipif(compiled_library() is None, reason="nothing was compiled: there was no C compiler")

_SCHEMA = "n UInt32 `json:$.n`\ntext String `json:$.text`"
_IN_COLUMNS = "RowBinaryWithNamesAndTypes"
Open = Callable[[Path], Ingestion]


@pytest.fixture
def fed(feed: Feed) -> Fed:
    return feed(_SCHEMA)


@pytest.fixture
def formats() -> list[str]:
    """The formats of the inserts that the engine was asked for, in order."""
    return []


@pytest.fixture
def start(fed: Fed, formats: list[str]) -> Iterator[Open]:
    with ExitStack() as stack:

        def opened(folder: Path) -> Ingestion:
            settings = IngestionSettings(blocks=BlockLimits(quiet_linger=0.2))
            engine = FaultyEngine(fed.engine, fault=lambda insert: formats.append(insert.format))
            ingestion = Ingestion.open(folder, engine, lambda _: fed.destination, settings)
            stack.callback(ingestion.close)
            return ingestion

        yield opened


def _events(first: int, count: int) -> bytes:
    return b"".join(b'{"n":%d,"text":"e\\u0000%d"}\n' % (n, n) for n in range(first, first + count))


def _send(ingestion: Ingestion, fed: Fed, *bodies: bytes) -> None:
    async def accepted() -> None:
        await asyncio.gather(*(ingestion.accept("t_1", fed.source, body) for body in bodies))

    asyncio.run(accepted())
    assert ingestion.flush(60)


def _numbers(fed: Fed) -> list[object]:
    return [row["n"] for row in fed.rows("n")]


def test_masses_reach_the_engine_in_binary_form(start: Open, fed: Fed, formats: list[str], folder: Path) -> None:
    _send(start(folder), fed, _events(0, 3000), _events(3000, 5000))
    assert formats == [_IN_COLUMNS]
    assert _numbers(fed) == list(range(8000))
    assert fed.rows("text")[0] == {"text": "e\x000"}


def test_masses_with_objects_and_unknown_fields_go_in_binary_form_and_are_kept_as_lines_of_the_table(
    feed: Feed, formats: list[str], folder: Path
) -> None:
    nested = feed(
        "n UInt32 `json:$.event.n`\nkind Enum8('a' = 1) `json:$.event.kind`\nprice Decimal(9, 2) `json:$.price`"
    )
    settings = IngestionSettings(blocks=BlockLimits(quiet_linger=0.2))
    engine = FaultyEngine(nested.engine, fault=lambda insert: formats.append(insert.format))
    ingestion = Ingestion.open(folder, engine, lambda _: nested.destination, settings)
    body = b"".join(b'{"event":{"n":%d,"kind":"a"},"price":"%d.5","new":1}\n' % (n, n) for n in range(3000))
    _send(ingestion, nested, body)
    ingestion.close()
    assert formats == [_IN_COLUMNS]
    assert ingestion.unknown_fields.of("t_1") == {"new": 3000}
    stored = nested.rows("n, kind, price")
    assert stored[2] == {"n": 2, "kind": "a", "price": 2.5}
    (segment,) = folder.glob("*.wal")
    nested.engine.command(f"TRUNCATE TABLE {nested.database}.t")
    lines = segment.read_bytes()
    assert lines.count(b'{"n":2,"kind":"a","price":"2.5"}\n') == 1
    _insert(nested, body, "again", binary=False)
    assert nested.rows("n, kind, price") == stored


def test_a_block_with_small_requests_in_it_goes_as_text(
    start: Open, fed: Fed, formats: list[str], folder: Path
) -> None:
    _send(start(folder), fed, _events(0, 3000), b'{"n":3000,"text":""}', _events(3001, 3000))
    assert formats == ["JSONEachRow"]
    assert _numbers(fed) == list(range(6001))


def test_a_row_at_fault_leads_to_its_quarantine_alone(start: Open, fed: Fed, formats: list[str], folder: Path) -> None:
    _send(start(folder), fed, _events(0, 3000) + b'{"n":-1,"text":""}\n')
    assert formats == ["JSONEachRow", "JSONEachRow"]
    assert _numbers(fed) == list(range(3000))
    assert fed.count("t_quarantine") == 1


def test_what_the_engine_refuses_in_binary_form_it_gets_as_text_under_the_same_token(fed: Fed, folder: Path) -> None:
    tokens: list[str] = []

    def fault(insert: Insert) -> None:
        tokens.append(insert.token)
        if insert.format == _IN_COLUMNS:
            raise EngineFailure("no", number=33, name="CANNOT_READ_ALL_DATA")

    ingestion = Ingestion.open(folder, FaultyEngine(fed.engine, fault=fault), lambda _: fed.destination)
    _send(ingestion, fed, _events(0, 3000))
    ingestion.close()
    assert tokens == [tokens[0]] * 2
    assert _numbers(fed) == list(range(3000))


def _make_failing_view(fed: Fed) -> None:
    window = "SETTINGS non_replicated_deduplication_window = 1000"
    fed.engine.command(f"CREATE TABLE {fed.database}.v (n UInt32) ORDER BY n {window}")
    query = f"SELECT n + throwIf(n = 2999) AS n FROM {fed.database}.t"
    fed.engine.command(f"CREATE MATERIALIZED VIEW {fed.database}.to_v TO {fed.database}.v AS {query}")


def test_a_view_that_fails_at_a_late_row_of_a_binary_block_misses_that_row_alone_and_is_told(
    start: Open, fed: Fed, folder: Path
) -> None:
    """The engine fails behind its parser. Rows of 10 begin with a newline, which ends binary rows in a query."""
    _make_failing_view(fed)
    ingestion = start(folder)
    with pytest.raises(ViewFailed):
        asyncio.run(ingestion.accept("t_1", fed.source, _events(0, 3000), wait=True))
    assert _numbers(fed) == list(range(3000))
    assert fed.count("v") == 2999


def test_a_binary_block_that_fails_behind_the_parser_goes_to_its_quarantine_by_its_text(
    start: Open, fed: Fed, formats: list[str], folder: Path
) -> None:
    fed.engine.command(f"ALTER TABLE {fed.database}.t ADD CONSTRAINT small CHECK n < 2999")
    _send(start(folder), fed, _events(0, 3000))
    assert formats[:2] == [_IN_COLUMNS, "JSONEachRow"]
    assert _numbers(fed) == list(range(2999))
    assert fed.count("t_quarantine") == 1


def test_a_table_that_is_not_what_the_rows_were_read_for_takes_their_text(
    start: Open, fed: Fed, formats: list[str], folder: Path
) -> None:
    fed.engine.command(f"ALTER TABLE {fed.database}.t MODIFY COLUMN n Int64")
    _send(start(folder), fed, _events(0, 3000))
    assert formats == [_IN_COLUMNS, "JSONEachRow"]
    assert [int(str(n)) for n in _numbers(fed)] == list(range(3000))


def test_a_replay_as_text_adds_nothing_to_what_was_committed_in_binary_form(
    start: Open, fed: Fed, formats: list[str], folder: Path, tmp_path: Path
) -> None:
    """As after a kill between the commit and the record that says so."""
    ingestion = start(folder)
    _send(ingestion, fed, _events(0, 3000))
    (segment,) = folder.glob("*.wal")
    whole = segment.read_bytes()
    undone = 0
    for end in range(len(whole) - 300, len(whole) + 1, 20):
        killed = tmp_path / f"killed {end}"
        killed.mkdir()
        (killed / segment.name).write_bytes(whole[:end])
        if all(planned is None for _, planned in recover(killed).undone()):
            continue
        undone += 1
        start(killed).close()
        assert fed.count() == 3000
        shutil.rmtree(killed)
    assert undone
    assert formats == [_IN_COLUMNS, *["JSONEachRow"] * undone]


@pytest.mark.parametrize("default", ["", " DEFAULT 'none'"], ids=["names and types", "with defaults"])
def test_a_large_insert_in_binary_form_is_one_block(engine: ChdbEngine, database: str, default: str) -> None:
    fed = create_tables(engine, database, data_source(_SCHEMA + default), "PARTITION BY n % 2")
    in_bulk = RowReader.for_data_source(fed.source).read_in_bulk(_events(0, 1_200_000))
    assert in_bulk is not None
    bulk = RowReader.for_data_source(fed.source).bulk
    assert bulk is not None
    insert = Insert(database, "t", fed.destination.columns, bulk.format, [bulk.head, in_bulk.binary], "token")
    assert engine.insert(insert) == 1_200_000
    engine.insert(insert)
    assert fed.count() == 1_200_000
    (parts,) = engine.fetch(
        f"SELECT count() AS n FROM system.parts WHERE database = '{database}' AND table = 't' AND active"
    )
    assert parts["n"] == 2


@pytest.mark.parametrize("default", ["", " DEFAULT 'none'"], ids=["names and types", "with defaults"])
def test_a_failure_behind_the_parser_is_found_in_binary_form_and_told_of_the_text(
    engine: ChdbEngine, database: str, default: str
) -> None:
    fed = create_tables(engine, database, data_source(_SCHEMA + default))
    engine.command(f"ALTER TABLE {database}.t ADD CONSTRAINT small CHECK n < 50")
    with pytest.raises(EngineFailure) as caught:
        _insert(fed, _events(40, 20), "large")
    assert caught.value.name == "VIOLATED_CONSTRAINT"
    assert fed.count() == 0
    # Somebody else's failure has a block that was committed sent again.
    other = engine._connect({})
    with pytest.raises(RuntimeError):
        other.query(f"INSERT INTO {database}.t SELECT throwIf(1), ''")
    other.close()
    _insert(fed, _events(0, 50), "small")
    assert fed.count() == 50


def _insert(fed: Fed, body: bytes, token: str, *, binary: bool = True) -> None:
    verdicts = RowReader.for_data_source(fed.source).read_in_bulk(body)
    assert verdicts is not None
    insert = Insert(fed.database, "t", fed.destination.columns, "JSONEachRow", [verdicts.good], token)
    insert_rows(fed.engine, insert, fed.destination, [verdicts.binary] if binary else [])


def test_without_compiled_code_everything_goes_on_in_python(
    start: Open, fed: Fed, formats: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "library_path", lambda: folder / "no such library.so")
    compiled_library.cache_clear()
    try:
        _send(start(folder), fed, _events(0, 3000))
    finally:
        compiled_library.cache_clear()
    assert formats == ["JSONEachRow"]
    assert _numbers(fed) == list(range(3000))
