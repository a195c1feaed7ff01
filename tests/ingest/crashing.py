"""A process that ingests until it is killed. Run by `test_crashes`.

    python -m tests.ingest.crashing FOLDER CYCLE [STEP COUNT]

It says what the tables hold at its start as one JSON line, then the range of numbers of each request that was
acknowledged. With a step it kills itself when it comes to that for the COUNT-th time: `before` or `after` an insert,
`synced` (the log has been synced, and nothing follows from it yet), `removal` (a segment of the log is about to go),
`saving` (the idempotency keys are about to be replaced) or `merge` (the engine is merging).

Every request has an idempotency key, and half of them are sent twice at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from stonechat.importing import quick_imports

with quick_imports():
    import structlog
    from tests.ingest.engines import FaultyEngine
    from tests.ingest.tables import create_tables, data_source

    from stonechat.datafile.resources import DataSource
    from stonechat.engine.chdb import ChdbEngine
    from stonechat.engine.contract import EngineFailure, Insert
    from stonechat.ingest import segment_chain
    from stonechat.ingest.checking import INLINE_BYTES
    from stonechat.ingest.destinations import Destination
    from stonechat.ingest.ingestion import Ingestion, IngestionSettings
    from stonechat.ingest.segment_writing import DIRECT_BYTES

SCHEMA = "n UInt64 `json:$.n`\nday Date `json:$.day`\ntext String `json:$.text`"
REFUSED = 1997
"""Every event whose number it divides is refused by the engine, so that blocks are searched and split."""
BINARY = "binary"
"""A file in the folder once the engine has taken rows in binary form."""


class DyingEngine(FaultyEngine):
    """Kills the process at a step, and refuses some rows."""

    def __init__(self, engine: ChdbEngine, step: str, count: int, binary: Path) -> None:
        super().__init__(engine)
        self._step = step
        self._left = count
        self._binary = binary

    def insert(self, insert: Insert) -> int:
        self._pass("before")
        if insert.table == "t" and any(number % REFUSED == 0 for number in _numbers(insert)):
            raise EngineFailure("refused", number=469)
        rows = self.engine.insert(insert)
        if insert.format != "JSONEachRow":
            self._binary.touch()
        self._pass("after")
        return rows

    def _pass(self, step: str) -> None:
        if step == self._step:
            self._left -= 1
            if self._left == 0:
                _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at_audited(event: str, suffix: str, count: int) -> None:
    """Die when the interpreter is about to do something to a file of that suffix for the COUNT-th time."""
    left = count

    def hook(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if name == event and str(arguments[0]).endswith(suffix):
            left -= 1
            if left == 0:
                _die()

    sys.addaudithook(hook)


def _die_after_sync(count: int) -> None:
    left, sync = count, os.fdatasync

    def dying(descriptor: int) -> None:
        nonlocal left
        sync(descriptor)
        left -= 1
        if left == 0:
            _die()

    segment_chain._sync_data = dying


def _die_while_merging(engine: ChdbEngine, count: int) -> None:
    """Merge the table again and again; die a moment after the COUNT-th merge has begun."""

    def merge() -> None:
        for number in range(1, count + 1):
            time.sleep(0.1)
            if number == count:
                threading.Timer(random.Random(count).uniform(0.001, 0.02), _die).start()
            engine.command("OPTIMIZE TABLE w.t FINAL")
            engine.command("OPTIMIZE TABLE w.days FINAL")

    threading.Thread(target=merge, daemon=True).start()


def main(folder: Path, cycle: int, step: str, count: int) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    engine = ChdbEngine(folder / "engine", server_memory_bytes=2_000_000_000)
    source, destination = _prepared(engine)
    dying = DyingEngine(engine, step, count, folder / BINARY)
    prepare: dict[str, Callable[[], None]] = {
        "synced": lambda: _die_after_sync(count),
        "removal": lambda: _die_at_audited("os.remove", ".wal", count),
        "saving": lambda: _die_at_audited("os.rename", ".keys.new", count),
    }
    prepare.get(step, lambda: None)()
    ingestion = Ingestion.open(
        folder / "log", dying, lambda _identity: destination, IngestionSettings(segment_bytes=20_000)
    )
    _say(json.dumps(_state(engine)))
    if step == "merge":
        _die_while_merging(engine, count)
    asyncio.run(_ingest(ingestion, source, cycle))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _numbers(insert: Insert) -> Iterator[int]:
    """The numbers of the events, from lines of JSON or from binary rows: eight bytes, a date of two, a text."""
    if insert.format == "JSONEachRow":
        yield from (json.loads(line)["n"] for line in b"".join(insert.data).splitlines())
        return
    for rows in insert.data[1:]:
        at = 0
        while at < len(rows):
            yield int.from_bytes(rows[at : at + 8], "little")
            at, size, shift = at + 10, 0, 0
            while rows[at] & 0x80:
                size, shift, at = size | (rows[at] & 0x7F) << shift, shift + 7, at + 1
            at += 1 + (size | rows[at] << shift)


def _prepared(engine: ChdbEngine) -> tuple[DataSource, Destination]:
    source = data_source(SCHEMA)
    if not engine.fetch("SELECT 1 FROM system.databases WHERE name = 'w'"):
        engine.command("CREATE DATABASE w")
        create_tables(engine, "w", source, settings="PARTITION BY toYYYYMM(day)")
        engine.command(
            "CREATE TABLE w.days (day Date, events AggregateFunction(count), total AggregateFunction(sum, UInt64)) "
            "ENGINE = AggregatingMergeTree ORDER BY day SETTINGS non_replicated_deduplication_window = 1000"
        )
        engine.command(
            "CREATE MATERIALIZED VIEW w.by_day TO w.days AS "
            "SELECT day, countState() AS events, sumState(n) AS total FROM w.t GROUP BY day"
        )
    return source, Destination.of(source, database="w", table="t")


def _state(engine: ChdbEngine) -> dict[str, object]:
    (table,) = engine.fetch("SELECT groupArray(n) AS numbers, sum(n) AS total FROM w.t")
    (quarantine,) = engine.fetch("SELECT groupArray(toUInt64(assumeNotNull(n))) AS numbers FROM w.t_quarantine")
    (view,) = engine.fetch("SELECT countMerge(events) AS events, sumMerge(total) AS total FROM w.days")
    return {"stored": table["numbers"], "total": table["total"], "quarantined": quarantine["numbers"], "view": view}


def _event(number: int, text: str, *, odd: bool) -> str:
    """An event; now and then an odd one, that the engine refuses as it came, and takes in canonical form."""
    first = '"n":0,' if odd and number % 41 == 7 else ""
    return f'{{{first}"n":{number},"day":"2025-0{number % 3 + 1}-01","text":"{text}"}}'


async def _ingest(ingestion: Ingestion, source: DataSource, cycle: int) -> None:
    await asyncio.gather(*(_send_for_ever(ingestion, source, cycle, sender) for sender in range(4)))


async def _send_for_ever(ingestion: Ingestion, source: DataSource, cycle: int, sender: int) -> None:
    rng = random.Random(cycle * 10 + sender)
    number = (cycle * 10 + sender) * 1_000_000
    while True:
        size = rng.choice((1, 1, 5, 50))
        numbers = range(number, number + size)
        number += size
        # Some are so large that the log writes them past the page cache. Every other life, all are so large that they
        # are read in bulk.
        in_bulk = cycle % 2 == 0
        usual = 2 * INLINE_BYTES // size if in_bulk else size
        text = "x" * (2 * DIRECT_BYTES // size if rng.random() < 0.2 else usual)
        body = "\n".join(_event(number, text, odd=not in_bulk) for number in numbers)
        receipt, *_ = await asyncio.gather(
            *(
                ingestion.accept(
                    "t_1", source, body.encode(), wait=sender % 2 == 0, idempotency_key=f"{numbers.start}-{cycle}"
                )
                for _ in range(rng.choice((1, 2)))
            )
        )
        if receipt.successful_rows == size:
            _say(f"{numbers.start} {numbers.stop}")


if __name__ == "__main__":
    arguments = [*sys.argv[1:], "never", "1"]
    main(Path(arguments[0]), int(arguments[1]), arguments[2], int(arguments[3]))
