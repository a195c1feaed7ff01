"""The check of large bodies alone, by compiled code and in Python: by what data sources and events have in them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import Any

from bench.processes import median
from bench.rows import rows
from bench.tables import Table
from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import DataSource
from stonechat.ingest.rows import RowReader, slices
from stonechat.server.memory import prepare_memory_for_serving

_ROUNDS = 9
_ROWS = 10_000
_SLICE_BYTES = 256 * 1024
_INNER = ("sender_id", "recipient_id", "message_content")
_TYPE = "`message_type` String"


def measure(schema: str) -> Table:
    """Check the same messages in five shapes, compiled and in Python in turn, in a process that keeps its memory."""
    spawned = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned, initializer=prepare_memory_for_serving) as process:
        return process.submit(_measured, schema).result()


def _measured(schema: str) -> Table:
    events = [json.loads(line) for line in islice(rows(_ROWS), _ROWS)]
    kinds = ", ".join(f"'{kind}'" for kind in sorted({event["message_type"] for event in events}))
    nested = schema
    for name in _INNER:
        nested = nested.replace(f"$.{name}`", f"$.message.{name}`")
    cases = [
        ("keys of the columns' names", schema, _same),
        ("one field that no column is fed from", schema, _with_stranger),
        ("three paths into an object", nested, _with_object),
        ("an Enum8 among the columns", schema.replace(_TYPE, f"`message_type` Enum8({kinds})"), _same),
        ("an object for a String column", schema, _with_document),
    ]
    columns = ("10,000 rows, with", "MB", "compiled, CPU us/row", "in Python", "times")
    return Table("The check alone", columns, [_row(*case, events) for case in cases])


def _row(
    name: str, schema: str, shaped: Callable[[dict[str, Any]], dict[str, Any]], events: list[dict[str, Any]]
) -> tuple[str | float, ...]:
    source = read_datafile("messages.datasource", schema)
    assert isinstance(source, DataSource)
    reader = RowReader(source.columns)
    body = b"".join(json.dumps(shaped(event), separators=(",", ":")).encode() + b"\n" for event in events)
    compiled, elsewhere = [], []
    for _ in range(_ROUNDS):
        compiled.append(_microseconds(lambda: _read_in_bulk(reader, body)))
        elsewhere.append(_microseconds(lambda: _read(reader, body)))
    ratio = median([slow / fast for slow, fast in zip(elsewhere, compiled, strict=True)])
    return name, len(body) / 1e6, median(compiled), median(elsewhere), ratio


def _microseconds(check: Callable[[], int]) -> float:
    began = time.process_time()
    if check() != _ROWS:
        raise AssertionError("not all rows fit")
    return (time.process_time() - began) / _ROWS * 1e6


def _read_in_bulk(reader: RowReader, body: bytes) -> int:
    verdicts = reader.read_in_bulk(body)
    return 0 if verdicts is None else verdicts.good_rows


def _read(reader: RowReader, body: bytes) -> int:
    return sum([reader.read(piece).good_rows for piece in slices(body, _SLICE_BYTES)])


def _same(event: dict[str, Any]) -> dict[str, Any]:
    return event


def _with_stranger(event: dict[str, Any]) -> dict[str, Any]:
    return event | {"client": {"name": "web", "version": "1.20.3"}}


def _with_document(event: dict[str, Any]) -> dict[str, Any]:
    return event | {"message_content": {"text": event["message_content"]}}


def _with_object(event: dict[str, Any]) -> dict[str, Any]:
    outer = {name: value for name, value in event.items() if name not in _INNER}
    return outer | {"message": {name: event[name] for name in _INNER}}
