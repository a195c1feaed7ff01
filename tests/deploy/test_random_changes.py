"""Random sequences of schema changes, with a writer running, against a model of what the tables must hold.

STONECHAT_CHANGE_SEQUENCES sets how many sequences are tried; 2 by default.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import RunningServer

_SEQUENCES = int(os.environ.get("STONECHAT_CHANGE_SEQUENCES", "2"))
_VIEW = """NODE n
SQL >
    SELECT kind, count() AS events, sum(id * {}) AS ids FROM events GROUP BY kind

TYPE materialized
DATASOURCE by_kind
"""
_BY_KIND = """SCHEMA >
    `kind` String,
    `events` UInt64,
    `ids` UInt64

ENGINE "SummingMergeTree"
ENGINE_SORTING_KEY "kind"
"""


@dataclass(frozen=True)
class _Schema:
    """What changes: the added columns, by name their type; the sorting key; what the view multiplies with."""

    added: tuple[tuple[str, str], ...] = ()
    key: str = "id"
    factor: int = 1

    def files(self) -> dict[str, str]:
        columns = ["`id` UInt64 `json:$.id`", "`kind` String `json:$.kind`"]
        columns += [f"`{name}` {kind} `json:$.{name}` DEFAULT {_default(kind)!r}" for name, kind in self.added]
        lines = ",\n".join(f"    {column}" for column in columns)
        events = f'SCHEMA >\n{lines}\n\nENGINE "MergeTree"\nENGINE_SORTING_KEY "{self.key}"\n'
        return {
            "events.datasource": events,
            "by_kind.datasource": _BY_KIND,
            "counting.pipe": _VIEW.format(self.factor),
        }


def _default(kind: str) -> str | int:
    return "none" if kind == "String" else 7


def _add(schema: _Schema, number: int) -> _Schema:
    return replace(schema, added=(*schema.added, (f"c{number}", "String" if number % 2 else "UInt32")))


def _drop(schema: _Schema, _number: int) -> _Schema:
    return replace(schema, added=schema.added[1:])


def _widen(schema: _Schema, _number: int) -> _Schema:
    return replace(schema, added=tuple((name, kind.replace("32", "64")) for name, kind in schema.added))


def _sort(schema: _Schema, _number: int) -> _Schema:
    return replace(schema, key="kind, id" if schema.key == "id" else "id")


def _multiply(schema: _Schema, number: int) -> _Schema:
    return replace(schema, factor=schema.factor + number)


def _several(schema: _Schema, number: int) -> _Schema:
    return _sort(_add(_multiply(schema, number), number), number)


_CHANGES: list[Callable[[_Schema, int], _Schema]] = [_add, _drop, _widen, _sort, _multiply, _several]
_STEPS = st.lists(
    st.tuples(st.sampled_from(_CHANGES), st.sampled_from(["live", "promoted", "discarded"])), min_size=2, max_size=5
)


@dataclass
class _World:
    """A workspace of its own, and the rows that it must hold, by id."""

    server: RunningServer
    token: str
    schema: _Schema = field(default_factory=_Schema)
    rows: dict[int, dict[str, object]] = field(default_factory=dict)
    next: int = 1

    def send(self, count: int) -> None:
        """Rows with a value for each column."""
        ids = range(self.next, self.next + count)
        self.next += count
        sent = [self._row(identity) for identity in ids]
        answer = self.server.send("\n".join(map(json.dumps, sent)), name="events", token=self.token)
        assert answer.json() == {"successful_rows": count, "quarantined_rows": 0}, answer.text
        self.rows.update({int(str(row["id"])): row for row in sent})

    def _row(self, identity: int) -> dict[str, object]:
        values = {name: f"v{identity}" if kind == "String" else identity for name, kind in self.schema.added}
        return {"id": identity, "kind": "ab"[identity % 2], **values}

    def change(self, schema: _Schema, ending: str) -> None:
        """Deploy a schema while rows without the added columns arrive: they get the defaults wherever they are."""
        with _Writer(self):
            body = self._deploy(schema, auto_promote=ending == "live")
            identity = body["deployment"]["id"]
            if body["result"] == "no_changes":
                return
            if ending != "live":
                # Judged by both schemas, these are there in both.
                self._send_plain(3)
                method, path = ("POST", "/set-live") if ending == "promoted" else ("DELETE", "")
                answer = self.server.request(method, f"/v1/deployments/{identity}{path}", token=self.token)
                assert answer.status_code == 200, answer.text
        if ending != "discarded":
            self._follow(schema)

    def _deploy(self, schema: _Schema, *, auto_promote: bool) -> dict[str, Any]:
        parts = [("data_project://", (name, text.encode(), "text/plain")) for name, text in schema.files().items()]
        params = {"auto_promote": str(auto_promote).lower(), "allow_destructive_operations": "true"}
        answer = self.server.request("POST", "/v1/deploy", params=params, files=parts, token=self.token)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def _follow(self, schema: _Schema) -> None:
        self.schema = schema
        for identity, row in self.rows.items():
            kept = {name: row.get(name, _default(kind)) for name, kind in schema.added}
            self.rows[identity] = {"id": identity, "kind": row["kind"], **kept}

    def _send_plain(self, count: int) -> None:
        ids = range(self.next, self.next + count)
        self.next += count
        plain = [{"id": identity, "kind": "ab"[identity % 2]} for identity in ids]
        self.server.send("\n".join(map(json.dumps, plain)), name="events", token=self.token)
        self.note_plain(ids)

    def note_plain(self, ids: range) -> None:
        """Rows that were sent without the added columns."""
        for identity in ids:
            defaults = {name: _default(kind) for name, kind in self.schema.added}
            self.rows[identity] = {"id": identity, "kind": "ab"[identity % 2], **defaults}

    def must_hold(self) -> None:
        """Compare the table and the view with the model."""
        params = {"q": "SELECT * FROM events ORDER BY id FORMAT JSON"}
        stored = self.server.request("GET", "/v0/sql", params=params, token=self.token).json()["data"]
        assert stored == [self.rows[identity] for identity in sorted(self.rows)]
        params = {"q": "SELECT sum(events) AS events, sum(ids) AS ids FROM by_kind FORMAT JSON"}
        summed = self.server.request("GET", "/v0/sql", params=params, token=self.token).json()["data"]
        assert summed == [{"events": len(self.rows), "ids": sum(self.rows) * self.schema.factor}]


class _Writer(threading.Thread):
    """Sends rows without the added columns while the block runs."""

    def __init__(self, world: _World) -> None:
        super().__init__()
        self._world = world
        self._first = self._next = 1_000_000 + 10_000 * len(world.rows)
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()
        self._world.note_plain(range(self._first, self._next))

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self._world.token}"}
        with httpx.Client(base_url=self._world.server.url, headers=headers, timeout=30) as client:
            while not self._stopped.is_set():
                row = {"id": self._next, "kind": "ab"[self._next % 2]}
                wait = str(self._next % 2 == 0).lower()
                client.post("/v0/events", params={"name": "events", "wait": wait}, json=row).raise_for_status()
                self._next += 1


@pytest.fixture(scope="module")
def server(module_server: RunningServer) -> RunningServer:
    return module_server


@pytest.mark.timeout(120 + 60 * _SEQUENCES)
@settings(
    max_examples=_SEQUENCES,
    deadline=None,
    derandomize=_SEQUENCES <= 2,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=_STEPS)
def test_whatever_changes_each_row_is_there_once_with_its_values(
    server: RunningServer, steps: list[tuple[Callable[[_Schema, int], _Schema], str]]
) -> None:
    user = server.client.get("/tokens").json()["user_token"]
    made = server.request("POST", "/v1/workspaces", params={"name": f"w{os.urandom(6).hex()}"}, token=user).json()
    world = _World(server, made["token"])
    assert world._deploy(world.schema, auto_promote=True)["result"] == "success"
    for number, (change, ending) in enumerate(steps):
        world.send(20)
        world.change(change(world.schema, number), ending)
        world.send(5)
        world.must_hold()
    parameters = {"hard_delete_confirmation": "yes"}
    answer = server.request("DELETE", f"/v1/workspaces/{made['id']}", params=parameters, token=user)
    assert answer.status_code == 200, answer.text
