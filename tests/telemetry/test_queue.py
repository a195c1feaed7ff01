"""Events between those who record them and the tables."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence

import pytest

from stonechat.engine.contract import StorageFull
from stonechat.telemetry.events import Event, KafkaMessage, PipeCall
from stonechat.telemetry.queue import EventQueue, Item

_FOR_EVER = 1000.0


class _Tables:
    """Takes batches, or refuses them, or holds the writer until `go` is set."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, str, list[dict[str, object]]]] = []
        self.refuses = False
        self.entered = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def write(self, database: str, table: str, rows: Sequence[bytes]) -> None:
        self.entered.set()
        self.go.wait()
        if self.refuses:
            raise StorageFull("no room")
        self.batches.append((database, table, [json.loads(row) for row in rows]))


class _Silent:
    """A source of events that has none, and counts how often it is asked."""

    asked = 0

    def events(self) -> Iterable[Item]:
        self.asked += 1
        return ()

    def due(self) -> float | None:
        return None


@pytest.fixture
def tables() -> Iterator[_Tables]:
    made = _Tables()
    yield made
    made.go.set()


def _call(pipe: str) -> Event:
    return PipeCall(
        start_datetime=1, pipe_id=pipe, pipe_name=pipe, token="t", token_name="t", duration=0.0, status_code=200
    )


def _message(text: str) -> Event:
    return KafkaMessage(timestamp=1, datasource_id="t_1", topic="chat", partition=0, msg_type="info", msg=text)


def test_events_are_written_in_batches_by_workspace_and_table(tables: _Tables) -> None:
    queue = EventQueue(tables.write, _Silent(), linger=_FOR_EVER)
    for database, event in [("a", _call("x")), ("b", _call("y")), ("a", _message("m")), ("a", _call("z"))]:
        queue.offer(database, event)
    queue.close()
    shape = [(database, table, len(rows)) for database, table, rows in tables.batches]
    assert shape == [("a", "pipe_stats_rt", 2), ("b", "pipe_stats_rt", 1), ("a", "kafka_ops_log", 1)]
    assert queue.counters.written == 4


def test_what_waits_when_the_queue_closes_is_written(tables: _Tables) -> None:
    tables.go.clear()
    queue = EventQueue(tables.write, _Silent(), linger=0.0)
    queue.offer("a", _call("first"))
    assert tables.entered.wait(60)
    queue.offer("a", _call("while the first is written"))
    closing = threading.Thread(target=queue.close)
    closing.start()
    tables.go.set()
    closing.join(30)
    assert [row["pipe_id"] for _, _, rows in tables.batches for row in rows] == ["first", "while the first is written"]


def test_events_are_written_at_once_when_they_take_half_of_the_place(tables: _Tables) -> None:
    tables.go.clear()
    queue = EventQueue(tables.write, _Silent(), capacity=6, linger=_FOR_EVER)
    for number in range(4):
        queue.offer("a", _call(str(number)))
    assert tables.entered.wait(60)
    tables.go.set()
    queue.close()
    assert queue.counters.written == 4


def test_events_beyond_the_capacity_are_dropped_and_counted(tables: _Tables) -> None:
    tables.go.clear()
    queue = EventQueue(tables.write, _Silent(), capacity=3, linger=0.0)
    queue.offer("a", _call("held"))
    assert tables.entered.wait(60)
    for number in range(5):
        queue.offer("a", _call(str(number)))
    assert queue.counters.dropped == 2
    tables.go.set()
    queue.close()
    assert [row["pipe_id"] for _, _, rows in tables.batches for row in rows] == ["held", "0", "1", "2"]


def test_what_cannot_be_written_is_dropped_and_counted_and_the_next_is_written(tables: _Tables) -> None:
    tables.refuses = True
    queue = EventQueue(tables.write, _Silent(), linger=_FOR_EVER)
    queue.offer("a", _call("lost"))
    queue.flush()
    tables.refuses = False
    queue.offer("a", _call("kept"))
    queue.close()
    assert (queue.counters.dropped, queue.counters.written) == (1, 1)
    assert [row["pipe_id"] for _, _, rows in tables.batches for row in rows] == ["kept"]


def test_half_a_surrogate_pair_keeps_nothing_from_being_recorded(tables: _Tables) -> None:
    queue = EventQueue(tables.write, _Silent(), linger=_FOR_EVER)
    queue.offer("a", _message("before \ud83d after"))
    queue.offer("a", _message("an honest \U0001f426"))
    queue.close()
    assert [row["msg"] for _, _, rows in tables.batches for row in rows] == ["before ? after", "an honest \U0001f426"]


def test_a_queue_without_events_asks_for_none(tables: _Tables) -> None:
    source = _Silent()
    queue = EventQueue(tables.write, source, linger=0.0)
    queue.offer("a", _call("x"))
    assert tables.entered.wait(60)
    queue.close()
    # Once for the event, and once or twice on the way out.
    assert source.asked <= 3
    assert queue.counters.batches == 1


def test_a_reader_finds_what_was_recorded_before(tables: _Tables) -> None:
    queue = EventQueue(tables.write, _Silent(), linger=_FOR_EVER)
    queue.offer("a", _call("x"))
    queue.catch_up()
    assert [row["pipe_id"] for _, _, rows in tables.batches for row in rows] == ["x"]
    queue.close()


def test_many_readers_do_not_make_many_batches(tables: _Tables) -> None:
    clock = [100.0]

    def write(database: str, table: str, rows: Sequence[bytes]) -> None:
        clock[0] += 0.5  # as long as a write takes
        tables.write(database, table, rows)

    queue = EventQueue(write, _Silent(), linger=_FOR_EVER, clock=lambda: clock[0])
    for number in range(10):
        queue.offer("a", _call(str(number)))
        queue.catch_up()
    assert len(tables.batches) == 1
    clock[0] += 9.0
    queue.catch_up()
    assert len(tables.batches) == 1
    clock[0] += 2.0
    queue.catch_up()
    assert [len(rows) for _, _, rows in tables.batches] == [1, 9]
    queue.close()


def test_a_reader_does_not_wait_for_a_writer_that_is_stuck(tables: _Tables) -> None:
    tables.go.clear()
    queue = EventQueue(tables.write, _Silent(), linger=0.0)
    queue.offer("a", _call("stuck"))
    assert tables.entered.wait(60)
    queue.catch_up()
    assert tables.batches == []
    tables.go.set()
    queue.close()
