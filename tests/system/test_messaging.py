"""The real messages go in through the Events API, and the endpoints agree with figures that were counted elsewhere."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer

_BATCH = 10_000


@pytest.fixture(scope="module")
def truth(shared: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((shared / "data" / "college_messages.truth.json").read_text())
    return figures


@pytest.fixture(scope="module")
def server(messaging_server: RunningServer, shared: Path) -> RunningServer:
    lines = gzip.decompress((shared / "data" / "college_messages.ndjson.gz").read_bytes()).splitlines(keepends=True)
    for start in range(0, len(lines), _BATCH):
        batch = lines[start : start + _BATCH]
        answer = messaging_server.send(b"".join(batch)).json()
        assert answer == {"successful_rows": len(batch), "quarantined_rows": 0}
    return messaging_server


def test_every_message_is_there(server: RunningServer, truth: dict[str, Any]) -> None:
    statement = (
        "SELECT count() AS messages, uniqExact(conversation_id) AS conversations, "
        "toString(min(timestamp)) AS first, toString(max(timestamp)) AS last FROM messages"
    )
    assert server.sql(statement) == [{key: truth[key] for key in ("messages", "conversations", "first", "last")}]


def test_users_and_top_senders_agree(server: RunningServer, truth: dict[str, Any]) -> None:
    top = server.rows("/v0/pipes/user_messaging_stats.json", order="sent", limit=5)
    assert [[row["user_id"], row["sent"]] for row in top] == truth["top_senders"]
    q = "SELECT count() AS users, sum(sent) AS sent, sum(received) AS received FROM _"
    (sums,) = server.rows("/v0/pipes/user_messaging_stats.json", q=q, limit=10_000)
    assert sums == {"users": truth["users"], "sent": truth["messages"], "received": truth["messages"]}


def test_top_conversations_agree(server: RunningServer, truth: dict[str, Any]) -> None:
    rows = server.rows("/v0/pipes/top_conversations.json", limit=5)
    assert [[row["conversation_id"], row["messages"]] for row in rows] == truth["top_conversations"]


def test_the_busiest_hour_and_the_number_of_hours_agree(server: RunningServer, truth: dict[str, Any]) -> None:
    rows = server.rows(
        "/v0/pipes/hourly_activity.json", start_date="2004-01-01 00:00:00", end_date="2004-12-31 23:59:59"
    )
    assert len(rows) == truth["hours_with_messages"]
    busiest = max(rows, key=lambda row: row["messages"])
    assert [busiest["hour"][:13], busiest["messages"]] == truth["busiest_hour"]
    assert sum(row["messages"] for row in rows) == truth["messages"]


def test_the_histogram_of_hours_agrees(server: RunningServer, truth: dict[str, Any]) -> None:
    histogram: dict[str, int] = {}
    for row in server.rows("/v0/pipes/peak_hours.json"):
        hour = f"{row['hour']:02d}"
        histogram[hour] = histogram.get(hour, 0) + row["messages"]
    assert histogram == truth["hour_of_day"]


def test_a_conversation_comes_in_the_order_of_time(server: RunningServer, truth: dict[str, Any]) -> None:
    name, count = truth["top_conversations"][0]
    rows = server.rows("/v0/pipes/get_messages_by_conversation.json", conversation_id=name)
    assert len(rows) == count
    times = [row["timestamp"] for row in rows]
    assert times == sorted(times)
    (summary,) = server.rows("/v0/pipes/conversation_summary.json", conversation_id=name)
    assert summary["messages"] == count
