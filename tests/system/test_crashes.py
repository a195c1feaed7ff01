"""kill -9 or a power loss while events come in: nothing that was acknowledged is lost, and nothing is there twice.

Some requests have an event beside that does not fit: it is in the quarantine, once. Half of the writers give each
request an idempotency key, and send what got no answer to the next server: of theirs each event is there, once. A
reader looks for events that are there twice all the while.

STONECHAT_CRASH_CYCLES sets the number of kills, STONECHAT_POWER_CUTS that of power losses; 6 and 2 by default.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer, StartServer
from tests.ingest.disks import Ext4, lose_power

_CYCLES = int(os.environ.get("STONECHAT_CRASH_CYCLES", "6"))
_POWER_CUTS = int(os.environ.get("STONECHAT_POWER_CUTS", "2"))
_WRITERS = 4


class _Writer(threading.Thread):
    """Sends events with ids of its own until the server is gone; remembers what was acknowledged and what was tried.

    `unanswered` is the key and the ids of the last request, of a writer that uses keys.
    """

    def __init__(self, server: RunningServer, name: str, *, wait: bool, keyed: bool) -> None:
        super().__init__()
        self._keyed = keyed
        self.unanswered: tuple[str, list[str]] | None = None
        self._server = server
        self._name = name
        self._wait = wait
        self.sent: list[str] = []
        self.acknowledged: list[str] = []
        self.quarantined: list[str] = []

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self._server.token}"}
        rng = random.Random(self._name)
        with httpx.Client(base_url=self._server.url, headers=headers, timeout=30) as client:
            while True:
                ids = [f"{self._name}-{len(self.sent) + index}" for index in range(rng.choice([1, 1, 7, 300, 1500]))]
                self.sent += ids
                params = {"name": "messages", "wait": str(self._wait).lower()}
                if self._keyed:
                    params["idempotency_key"] = ids[0]
                    self.unanswered = ids[0], ids
                try:
                    answer = client.post("/v0/events", params=params, content=_body(ids))
                except httpx.TransportError:
                    return
                if answer.status_code in {200, 202} and answer.json()["successful_rows"] == len(ids):
                    self.acknowledged += ids
                    self.quarantined += _misfits(ids)
                    self.unanswered = None


class _Reader(threading.Thread):
    """Counts until the server is gone; remembers the first count that had an event twice."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__()
        self._server = server
        self.wrong: object = None

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self._server.token}"}
        q = "SELECT count() AS events, uniqExact(message_id) AS ids FROM messages FORMAT JSON"
        with httpx.Client(base_url=self._server.url, headers=headers, timeout=30) as client:
            while self.wrong is None:
                try:
                    (row,) = client.get("/v0/sql", params={"q": q}).json()["data"]
                except httpx.TransportError:
                    return
                if row["events"] != row["ids"]:
                    self.wrong = row


def _body(ids: list[str]) -> str:
    misfits = (json.dumps({"message_id": identity, "timestamp": "never"}) for identity in _misfits(ids))
    return "\n".join([*map(_event, ids), *misfits])


def _misfits(ids: list[str]) -> list[str]:
    """The ids of the events beside these, in the same request, that do not fit."""
    return [f"{ids[0]}-misfit"] if len(ids) != 1 else []


def _event(identity: str) -> str:
    number = int(identity.rpartition("-")[2])
    return json.dumps(
        {
            "message_id": identity,
            "sender_id": f"user_{number % 17}",
            "recipient_id": f"user_{number % 13}",
            "conversation_id": f"conv_{number % 5}",
            "message_type": "text",
            "message_content": "x" * (number % 200),
            # Three months, so that a block falls into several partitions, each committed on its own.
            "timestamp": f"2024-{number % 3 + 1:02d}-01 {number % 24:02d}:00:00",
            "read": number % 2,
            "attachments": [],
            "character_count": number % 200,
        }
    )


@pytest.mark.timeout(60 + 10 * _CYCLES)
def test_acknowledged_events_survive_kills_and_are_counted_once(
    start_server: StartServer, messaging_files: Mapping[str, str], tmp_path: Path
) -> None:
    server = start_server(tmp_path / "home")
    assert server.deploy(messaging_files).status_code == 200

    def kill(server: RunningServer) -> RunningServer:
        server.kill()
        return start_server(tmp_path / "home")

    _crash_under_load(server, kill, _CYCLES)


@pytest.mark.timeout(60 + 20 * _POWER_CUTS)
def test_acknowledged_events_survive_power_losses_and_are_counted_once(
    start_server: StartServer, messaging_files: Mapping[str, str], tmp_path: Path
) -> None:
    disk, folder = Ext4(tmp_path / "image", 2_000), tmp_path / "disk"
    with ExitStack() as mounts:
        mounts.enter_context(disk.mounted(folder))
        server = start_server(folder / "home")
        assert server.deploy(messaging_files).status_code == 200

        def cut_power(server: RunningServer) -> RunningServer:
            server.process.send_signal(signal.SIGSTOP)  # it does not live to see the disk fail
            lose_power(folder)
            server.kill()
            mounts.pop_all().close()
            mounts.enter_context(disk.mounted(folder))
            return start_server(folder / "home")

        _crash_under_load(server, cut_power, _POWER_CUTS)


def _crash_under_load(server: RunningServer, crashed: Callable[[RunningServer], RunningServer], cycles: int) -> None:
    """Have `crashed` end the server at random moments and start the next one, and compare what each finds."""
    rng = random.Random(7)
    sent: set[str] = set()
    acknowledged: set[str] = set()
    misfits: set[str] = set()
    for cycle in count():
        if cycle >= cycles and len(misfits) > cycles:  # on a slow machine, more of them
            break
        writers = [
            _Writer(server, f"c{cycle}w{number}", wait=number % 2 == 0, keyed=number >= 2) for number in range(_WRITERS)
        ]
        reader = _Reader(server)
        for thread in (*writers, reader):
            thread.start()
        time.sleep(rng.uniform(0.02, 0.4))
        server = crashed(server)
        for writer in writers:
            writer.join()
            sent.update(writer.sent)
            acknowledged.update(writer.acknowledged)
            misfits.update(writer.quarantined)
        reader.join()
        assert reader.wrong is None
        for ids in _send_again(server, writers):
            acknowledged.update(ids)
            misfits.update(_misfits(ids))
        stored = _stored(server, "messages", acknowledged)
        _stored(server, "messages_quarantine", misfits)
        assert set(stored) <= sent
        _check_views(server, len(stored))
    assert len(acknowledged) > len(misfits)
    assert server.stop() == 0


def _stored(server: RunningServer, table: str, acknowledged: set[str]) -> list[str]:
    """The ids of the events in a table: all that were acknowledged, each once."""
    stored = [str(row["message_id"]) for row in server.sql(f"SELECT message_id FROM {table}")]
    assert len(stored) == len(set(stored)), f"an event is there twice in {table}"
    assert acknowledged <= set(stored), f"lost in {table}: {sorted(acknowledged - set(stored))[:5]}"
    return stored


def _send_again(server: RunningServer, writers: list[_Writer]) -> Iterator[list[str]]:
    """Send what got no answer once more, under its key, twice; the ids of each request, which are there once now."""
    for key, unanswered in (writer.unanswered for writer in writers if writer.unanswered):
        for _ in range(2):
            answer = server.send(_body(unanswered), headers={"Idempotency-Key": key})
            assert answer.json()["successful_rows"] == len(unanswered)
        assert answer.headers["Idempotency-Replayed"] == "true"
        yield unanswered


def _check_views(server: RunningServer, stored: int) -> None:
    """Statistics come from materialized views: they must have counted each event just as often as the table."""
    rows = server.rows(
        "/v0/pipes/hourly_activity.json", start_date="2024-01-01 00:00:00", end_date="2024-12-31 23:59:59"
    )
    assert sum(row["messages"] for row in rows) == stored
    q = "SELECT sum(sent) AS sent, sum(received) AS received FROM _"
    stats = server.rows("/v0/pipes/user_messaging_stats.json", q=q, limit=1000)
    assert stats == [{"sent": stored, "received": stored}]
