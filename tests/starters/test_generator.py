"""Sample messages: the same bytes for the same arguments, in the shape of a chat's traffic."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from tests.starters.deployed import messaging_project

from stonechat.starters.generator import DEFAULT_END, chunks, messages

_ROWS = 20_000


@pytest.fixture(scope="module")
def sample() -> list[dict[str, Any]]:
    return [json.loads(line) for line in messages(_ROWS, 1)]


def test_the_bytes_are_the_same_on_every_machine() -> None:
    digest = hashlib.sha256(b"".join(messages(5_000, 42))).hexdigest()
    assert digest == "0e32ca3e572fca9f785a6dd5fc99e7ee65081236e009183f65fc81c19ac35691"


def test_another_seed_gives_other_messages() -> None:
    assert list(messages(50, 1)) != list(messages(50, 2))


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_chunks_hold_the_same_bytes(size: int) -> None:
    found = list(chunks(100, 5, size=size))
    assert b"".join(found) == b"".join(messages(100, 5))
    assert [chunk.count(b"\n") for chunk in found[:-1]] == [size] * (len(found) - 1)


@pytest.mark.parametrize("rows", [0, 1, 2, 99, 1234])
def test_there_are_exactly_as_many_as_asked_for(rows: int) -> None:
    lines = list(messages(rows, 9))
    assert len(lines) == rows
    assert all(line.endswith(b"}\n") and line.count(b"\n") == 1 for line in lines)
    assert len({json.loads(line)["message_id"] for line in lines}) == rows


def test_keys_are_the_columns_of_the_data_source(sample: list[dict[str, Any]]) -> None:
    columns = [column.name for column in messaging_project().data_sources["messages"].columns]
    assert all(list(row) == columns for row in sample)


def test_lines_are_json_without_spare_bytes() -> None:
    for line in messages(300, 4):
        assert line.decode() == json.dumps(json.loads(line), ensure_ascii=False, separators=(",", ":")) + "\n"


@pytest.mark.parametrize(
    "end", [DEFAULT_END, datetime(2024, 2, 29, 13, 7, 31, 999, tzinfo=timezone(timedelta(hours=5, minutes=45)))]
)
def test_times_lie_in_the_days_before_the_end(end: datetime) -> None:
    times = [json.loads(line)["timestamp"] for line in messages(3_000, 8, end=end, days=3)]
    last = end.astimezone(UTC).replace(tzinfo=None)
    first = last.replace(microsecond=0) - timedelta(days=3)
    assert f"{first}" <= min(times)
    assert max(times) < f"{last}"


def test_times_are_nearly_in_order(sample: list[dict[str, Any]]) -> None:
    times = [datetime.fromisoformat(row["timestamp"]) for row in sample]
    late = [earlier - later for earlier, later in itertools.pairwise(times) if earlier > later]
    assert len(late) < len(times) / 5
    assert max(late) < timedelta(days=2)


def test_lengths_are_counted_in_code_points(sample: list[dict[str, Any]]) -> None:
    assert all(row["character_count"] == len(row["message_content"]) for row in sample)
    assert any(len(row["message_content"].encode()) > 2 * row["character_count"] for row in sample)


def test_a_few_people_write_most(sample: list[dict[str, Any]]) -> None:
    sent = sorted(Counter(row["sender_id"] for row in sample).values(), reverse=True)
    assert sum(sent[: len(sent) // 10]) > _ROWS / 3
    assert sent[len(sent) // 2] < sent[0] / 20


def test_a_conversation_belongs_to_its_two_people(sample: list[dict[str, Any]]) -> None:
    for row in sample:
        low, high = sorted(int(row[key].removeprefix("user_")) for key in ("sender_id", "recipient_id"))
        assert row["conversation_id"] == f"conv_{low}_{high}"
    assert any(row["sender_id"] == row["recipient_id"] for row in sample)


def test_people_answer_each_other(sample: list[dict[str, Any]]) -> None:
    by_conversation: dict[str, list[str]] = {}
    for row in sample:
        by_conversation.setdefault(row["conversation_id"], []).append(row["sender_id"])
    turns = [a != b for senders in by_conversation.values() for a, b in itertools.pairwise(senders)]
    assert 0.5 < sum(turns) / len(turns) < 0.9


def test_types_and_attachments_belong_together(sample: list[dict[str, Any]]) -> None:
    kinds = Counter(row["message_type"] for row in sample)
    assert set(kinds) == {"text", "image", "file", "voice", "video", "reaction"}
    assert kinds["text"] > 0.7 * _ROWS
    for row in sample:
        assert len(row["attachments"]) == (row["message_type"] not in {"text", "reaction"})


def test_old_messages_are_mostly_read_and_recent_ones_less(sample: list[dict[str, Any]]) -> None:
    border = f"{(DEFAULT_END - timedelta(days=2)).replace(tzinfo=None)}"
    old = [row["read"] for row in sample if row["timestamp"] < border]
    recent = [row["read"] for row in sample if row["timestamp"] >= border]
    assert sum(old) / len(old) > 0.95
    assert 0.4 < sum(recent) / len(recent) < 0.85


def test_nights_and_sundays_are_quieter(sample: list[dict[str, Any]]) -> None:
    times = [datetime.fromisoformat(row["timestamp"]) for row in sample]
    hours = Counter(time.hour for time in times)
    assert hours[20] > 5 * hours[2]
    days = Counter(time.weekday() for time in times)
    assert days[4] > 1.2 * days[6]


def test_people_keep_to_their_scripts(sample: list[dict[str, Any]]) -> None:
    text = "".join(row["message_content"] for row in sample)
    assert all(letter in text for letter in ("ñ", "ü", "ह", "元", "你", "ك", "ж", "👍", "👩‍💻"))


@pytest.mark.parametrize(("rows", "days"), [(-1, 1), (1, 0)])
def test_impossible_sizes_are_refused(rows: int, days: int) -> None:
    with pytest.raises(ValueError, match="Sample messages need"):
        messages(rows, 1, days=days)


def test_an_end_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        messages(1, 1, end=datetime(2025, 1, 1))  # noqa: DTZ001 - the point of the test
