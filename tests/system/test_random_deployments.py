"""Random sequences of changes of a schema, deployed one after the other while rows go on to arrive.

A model says what must hold afterwards: each row once, in the table and behind every view, with the values that it was
sent with, and in columns that came later the values that the deployment gave it.

STONECHAT_CHANGE_SEQUENCES sets how many sequences are tried; 1 by default.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from tests.conftest import RunningServer, StartServer

_SEQUENCES = int(os.environ.get("STONECHAT_CHANGE_SEQUENCES", "1"))
_STEPS = 8


@dataclass
class _Model:
    """A project as a random walk has made it so far."""

    kind: str = "String"
    number: str = "UInt32"
    extra: list[str] = field(default_factory=list)
    order: str = "n"
    partition: str = ""
    ttl: str = ""
    index: str = ""
    factor: int = 1
    total: str = "UInt64"
    below: bool = False

    def step(self, choice: random.Random) -> str:
        """Change one thing; says what."""
        name = choice.choice([step for step in _CHANGES if self._may(step)])
        match name:
            case "add":
                self.extra.append(f"e{len(self.extra)}")
            case "relax":
                self.kind = "Nullable(String)"
            case "shorten":
                self.kind = "LowCardinality(String)"
            case "widen":
                self.number = "UInt64"
            case "order":
                self.order = choice.choice(["n", "n, at", "at, n"])
            case "partition":
                self.partition = choice.choice(["", "toYYYYMM(at)", "n % 3"])
            case "ttl":
                self.ttl = choice.choice(["", "at + toIntervalYear(50)", "at + toIntervalYear(60)"])
            case "index":
                self.index = choice.choice(["", "by_kind kind TYPE bloom_filter GRANULARITY 1"])
            case "query":
                self.factor += 1
            case "total":
                self.total = "Float64"
            case "below":
                self.below = not self.below
        return name

    def _may(self, step: str) -> bool:
        return not (
            (step in {"relax", "shorten"} and self.kind != "String")
            or (step == "widen" and self.number == "UInt64")
            or (step == "total" and self.total == "Float64")
        )

    def files(self) -> dict[str, str]:
        """The project."""
        columns = [
            "`at` DateTime `json:$.at`",
            f"`kind` {self.kind} `json:$.kind`",
            f"`n` {self.number} `json:$.n`",
            *(f"`{name}` UInt64 `json:$.{name}` DEFAULT n * 2 + 1" for name in self.extra),
        ]
        events = [
            "SCHEMA >",
            *(f"    {column}," for column in columns),
            "",
            'ENGINE "MergeTree"',
            f'ENGINE_SORTING_KEY "{self.order}"',
        ]
        events += [f'ENGINE_PARTITION_KEY "{self.partition}"'] if self.partition else []
        events += [f'ENGINE_TTL "{self.ttl}"'] if self.ttl else []
        events += ["INDEXES >", f"    {self.index}"] if self.index else []
        sums = (
            f"SCHEMA >\n    `k` String,\n    `rows` UInt64,\n    `total` {self.total}\n"
            'ENGINE "SummingMergeTree"\nENGINE_SORTING_KEY "k"\n'
        )
        total = "sum(n)" if self.total == "UInt64" else "toFloat64(sum(n))"
        adding = _view(
            f"SELECT ifNull(toString(kind), '') AS k, count() AS rows, {total} * {self.factor} AS total",
            "events",
            "sums",
        )
        files = {"events.datasource": "\n".join(events) + "\n", "sums.datasource": sums, "adding.pipe": adding}
        if self.below:
            files["below.datasource"] = sums.replace("`k`", "`b`").replace('"k"', '"b"')
            files["going_below.pipe"] = _view(
                "SELECT 'all' AS b, sum(rows) AS rows, sum(total) AS total", "sums", "below"
            )
        return files


_CHANGES = ("add", "relax", "shorten", "widen", "order", "partition", "ttl", "index", "query", "total", "below")


def _view(query: str, source: str, target: str) -> str:
    key = "k" if source == "events" else "b"
    return f"NODE v\nSQL >\n    {query} FROM {source} GROUP BY {key}\nTYPE materialized\nDATASOURCE {target}\n"


class _Writer:
    """Sends rows of consecutive numbers until it is stopped."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._stop = threading.Event()
        self.count = 0
        self.refused: list[str] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.count

    def _run(self) -> None:
        while not self._stop.is_set():
            numbers = range(self.count, self.count + 7)
            rows = [{"at": f"2030-0{n % 9 + 1}-01 00:00:00", "kind": "abc"[n % 3], "n": n} for n in numbers]
            response = self._server.send("\n".join(map(json.dumps, rows)), name="events", wait=self.count % 2 == 0)
            if response.status_code not in {200, 202} or response.json()["quarantined_rows"]:
                self.refused.append(response.text)
                return
            self.count += len(rows)


@pytest.fixture
def server(start_server: StartServer) -> Iterator[RunningServer]:
    server = start_server()
    yield server
    assert server.stop() == 0


@pytest.mark.parametrize("seed", range(_SEQUENCES))
def test_random_changes_keep_every_row_once(server: RunningServer, seed: int) -> None:
    choice, model = random.Random(seed), _Model()
    assert server.deploy(model.files()).json()["result"] == "success"
    writer = _Writer(server)
    steps = []
    for _ in range(_STEPS):
        steps.append(model.step(choice))
        response = server.deploy(model.files(), allow_destructive_operations="true")
        assert response.status_code == 200, (steps, response.text)
    count = writer.stop()
    assert writer.refused == [], steps
    server.send(json.dumps({"at": "2030-01-01 00:00:00", "kind": "a", "n": count}), name="events")
    _must_hold(server, model, count + 1, steps)


def _must_hold(server: RunningServer, model: _Model, count: int, steps: list[str]) -> None:
    total = sum(range(count))
    statement = "SELECT count() AS rows, uniqExact(n) AS numbers, sum(n) AS total FROM events"
    assert server.sql(statement) == [{"rows": count, "numbers": count, "total": total}], steps
    for name in model.extra:
        assert server.value(f"SELECT countIf({name} != n * 2 + 1) FROM events") == 0, steps
    for name in ("sums", *(["below"] if model.below else [])):
        expected = [{"rows": count, "total": total * model.factor}]
        assert server.sql(f"SELECT sum(rows) AS rows, sum(total) AS total FROM {name}") == expected, (name, steps)
