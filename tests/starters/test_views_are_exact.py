"""Whatever is served from materialized views equals the same question asked of the messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median, quantiles
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.starters.conftest import DAYS, END
from tests.starters.deployed import Messaging

ZONES = (
    "UTC",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Europe/London",
    "Pacific/Chatham",
)
_START = END.replace(tzinfo=None) - timedelta(days=DAYS)
_FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, str]:
    """Dates or none, a zone or none; some ranges are of whole quarters of an hour, some short, some reversed."""
    step = draw(st.sampled_from([1, 60, 900, 3600, 86_400]))
    first = draw(st.integers(-86_400, DAYS * 86_400)) // step * step
    length = draw(st.sampled_from([0, 1, 4, 24, 200, 3000])) * step - draw(st.integers(0, 1))
    start = _START.replace(hour=0, minute=0, second=0) + timedelta(seconds=first)
    dates = {"start_date": str(start), "end_date": str(start + timedelta(seconds=length))}
    chosen = {name: text for name, text in dates.items() if draw(st.integers(0, 5))}
    return {**chosen, **draw(st.sampled_from([{}, *({"timezone": zone} for zone in ZONES)]))}


def _where(values: Mapping[str, str]) -> str:
    zone = values.get("timezone", "UTC")
    conditions = ["1"]
    if "start_date" in values:
        conditions.append(f"timestamp >= toDateTime('{values['start_date']}', '{zone}')")
    if "end_date" in values:
        conditions.append(f"timestamp <= toDateTime('{values['end_date']}', '{zone}')")
    if "user_id" in values:
        conditions.append(f"(sender_id = '{values['user_id']}' OR recipient_id = '{values['user_id']}')")
    conditions += [f"{key} = '{values[key]}'" for key in ("conversation_id", "message_type") if key in values]
    return " AND ".join(conditions)


@pytest.fixture(scope="module")
def messages(generated: Messaging) -> list[dict[str, Any]]:
    """Every message with its time as `instant`, in Unix seconds."""
    return generated.ask("SELECT *, toUnixTimestamp(timestamp) AS instant FROM messages")


def _within(messaging: Messaging, messages: list[dict[str, Any]], values: Mapping[str, str]) -> list[dict[str, Any]]:
    """The messages of a range, counted out without the engine, which is only asked what the dates mean."""
    zone = values.get("timezone", "UTC")
    start, end = values.get("start_date", "1970-01-02 00:00:00"), values.get("end_date", "2100-01-01 00:00:00")
    (bounds,) = messaging.ask(
        f"SELECT toUnixTimestamp(toDateTime('{start}', '{zone}')) AS first, "
        f"toUnixTimestamp(toDateTime('{end}', '{zone}')) AS last"
    )
    return [message for message in messages if bounds["first"] <= message["instant"] <= bounds["last"]]


def _hours_of_messages(messaging: Messaging, values: Mapping[str, str]) -> list[dict[str, Any]]:
    return messaging.ask(
        f"SELECT toStartOfHour(timestamp, '{values.get('timezone', 'UTC')}') AS hour, count() AS messages, "
        "uniqExact(sender_id) AS active_senders, uniqExact(conversation_id) AS active_conversations "
        f"FROM messages WHERE {_where(values)} GROUP BY hour ORDER BY hour"
    )


@_FEW
@given(values=ranges(), kind=st.sampled_from([None, "text", "image", "nothing"]))
def test_hourly_activity_is_exact(generated: Messaging, values: dict[str, str], kind: str | None) -> None:
    if kind:
        values["message_type"] = kind
    assert generated.rows("hourly_activity", **values) == _hours_of_messages(generated, values)


@_FEW
@given(values=ranges(), some=st.sampled_from(["user", "conversation", "both"]), number=st.integers(0, 30))
def test_hourly_activity_of_a_user_or_a_conversation_is_exact(
    generated: Messaging, values: dict[str, str], some: str, number: int
) -> None:
    if some != "conversation":
        values["user_id"] = f"user_{number}"
    if some != "user":
        values["conversation_id"] = f"conv_{number}_{number + 1}"
    assert generated.rows("hourly_activity", **values) == _hours_of_messages(generated, values)


@pytest.mark.parametrize("zone", ZONES)
def test_filled_hours_follow_each_other_and_lose_none(generated: Messaging, zone: str) -> None:
    values = {"start_date": "2025-10-03 20:30:00", "end_date": "2025-11-04 03:10:00", "timezone": zone}
    filled = generated.rows("hourly_activity", fill_empty_hours="true", **values)
    assert [row for row in filled if row["messages"]] == _hours_of_messages(generated, values)
    hours = [row["hour"] for row in filled]
    assert (hours[0], hours[-1][:13]) == ("2025-10-03 20:00:00", "2025-11-04 03")
    quarters = generated.ask(
        f"SELECT uniqExact(toStartOfHour(toDateTime(number * 900), '{zone}')) AS hours FROM numbers("
        f"intDiv(toUnixTimestamp(toDateTime('2025-10-03 20:30:00', '{zone}')), 900), "
        f"intDiv(dateDiff('second', toDateTime('2025-10-03 20:30:00', '{zone}'), "
        f"toDateTime('2025-11-04 03:10:00', '{zone}')), 900) + 1)"
    )
    assert len(hours) == quarters[0]["hours"]


def _statistics(messages: list[dict[str, Any]], zone: ZoneInfo) -> dict[str, dict[str, Any]]:
    by_user: dict[str, list[dict[str, Any]]] = {}
    for message in messages:
        for user in {message["sender_id"], message["recipient_id"]}:
            by_user.setdefault(user, []).append(message)
    return {user: _statistic(user, own, zone) for user, own in by_user.items()}


def _statistic(user: str, messages: list[dict[str, Any]], zone: ZoneInfo) -> dict[str, Any]:
    sent = [message["character_count"] for message in messages if message["sender_id"] == user]
    received = [message["read"] for message in messages if message["recipient_id"] == user]
    times = [datetime.fromtimestamp(message["instant"], zone) for message in messages]
    hours = Counter(time.hour for time in times)
    return {
        "user_id": user,
        "messages": len(messages),
        "sent": len(sent),
        "received": len(received),
        "conversations": len({message["conversation_id"] for message in messages}),
        "unread_received": received.count(0),
        "average_characters": sum(sent) / len(sent) if sent else None,
        "first_activity": f"{min(times):%Y-%m-%d %H:%M:%S}",
        "last_activity": f"{max(times):%Y-%m-%d %H:%M:%S}",
        "busiest_hour": min(hours, key=lambda hour: (-hours[hour], hour)),
    }


@_FEW
@given(values=ranges())
def test_user_statistics_are_exact(
    generated: Messaging, messages: list[dict[str, Any]], values: dict[str, str]
) -> None:
    wanted = _statistics(_within(generated, messages, values), ZoneInfo(values.get("timezone", "UTC")))
    found = generated.rows("user_messaging_stats", limit="10000", **values)
    assert {row["user_id"]: row for row in found} == wanted
    assert len(found) == len(wanted)


@_FEW
@given(values=ranges(), number=st.integers(0, 60))
def test_one_users_statistics_are_those_among_everyone(
    generated: Messaging, messages: list[dict[str, Any]], values: dict[str, str], number: int
) -> None:
    values["user_id"] = f"user_{number}"
    user = values["user_id"]
    wanted = _statistics(_within(generated, messages, values), ZoneInfo(values.get("timezone", "UTC")))
    assert generated.rows("user_messaging_stats", **values) == ([wanted[user]] if user in wanted else [])


@_FEW
@given(values=ranges())
def test_the_heat_map_is_exact(generated: Messaging, messages: list[dict[str, Any]], values: dict[str, str]) -> None:
    zone = ZoneInfo(values.get("timezone", "UTC"))
    times = [datetime.fromtimestamp(message["instant"], zone) for message in _within(generated, messages, values)]
    wanted = Counter((time.isoweekday(), time.hour) for time in times)
    found = generated.rows("peak_hours", **values)
    assert len(found) == 168
    assert {(row["day_of_week"], row["hour"]): row["messages"] for row in found if row["messages"]} == wanted


def test_top_conversations_are_exact(generated: Messaging, messages: list[dict[str, Any]]) -> None:
    values = {"start_date": "2025-10-01 12:34:56", "end_date": "2025-10-20 11:11:11"}
    counts = Counter(message["conversation_id"] for message in _within(generated, messages, values))
    wanted = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:20]
    found = generated.rows("top_conversations", limit="20", **values)
    assert [(row["conversation_id"], row["messages"]) for row in found] == wanted


def _reply_seconds(messages: list[dict[str, Any]]) -> Iterator[int]:
    ordered = sorted(messages, key=lambda message: (message["instant"], message["message_id"]))
    for before, after in pairwise(ordered):
        if before["sender_id"] != after["sender_id"]:
            yield after["instant"] - before["instant"]


@pytest.mark.parametrize("conversation", ["conv_0_1", "conv_0_2", "conv_1_2"])
def test_a_summary_is_exact(generated: Messaging, messages: list[dict[str, Any]], conversation: str) -> None:
    own = [message for message in messages if message["conversation_id"] == conversation]
    replies = list(_reply_seconds(own))
    (found,) = generated.rows("conversation_summary", conversation_id=conversation)
    assert found["messages"] == len(own)
    assert found["unread"] == sum(message["read"] == 0 for message in own)
    assert found["replies"] == len(replies)
    assert found["median_reply_seconds"] == median(replies)
    assert found["p90_reply_seconds"] == pytest.approx(quantiles(replies, n=10, method="inclusive")[-1], abs=0.001)


@pytest.mark.parametrize("endpoint", ["hourly_activity", "user_messaging_stats", "peak_hours"])
def test_only_a_range_that_cuts_a_quarter_of_an_hour_reads_messages(generated: Messaging, endpoint: str) -> None:
    whole = {"start_date": "2025-10-01 00:15:00", "end_date": "2025-10-01 00:29:59", "timezone": "Asia/Kathmandu"}
    cuts = [{**whole, "start_date": "2025-10-01 00:15:01"}, {**whole, "end_date": "2025-10-01 00:30:00"}]
    assert "FROM messages" not in generated.statement(endpoint, whole)
    assert all("FROM messages" in generated.statement(endpoint, values) for values in cuts)
    reads = [generated.answer(endpoint, values).rows_read for values in (whole, *cuts)]
    assert reads[0] < min(reads[1:])


def test_a_message_that_arrives_late_counts_at_once(empty: Messaging) -> None:
    row = (
        b'{"message_id":"late","sender_id":"a","recipient_id":"b","conversation_id":"c","message_type":"text",'
        b'"message_content":"","timestamp":"2001-02-03 04:05:06","read":0,"attachments":[],"character_count":0}\n'
    )
    late = Messaging(empty.engine, empty.project)
    for _ in range(2):
        late.add(row)
    assert late.rows("hourly_activity") == [
        {"hour": "2001-02-03 04:00:00", "messages": 2, "active_senders": 1, "active_conversations": 1}
    ]
    assert [row["messages"] for row in late.rows("user_messaging_stats")] == [2, 2]
    late.drop()
