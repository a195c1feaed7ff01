"""Columns that a crash may double rows by: what their partition is made of differs from one write to the next."""

from __future__ import annotations

import pytest

from stonechat.project.model import Project


def _told(columns: str, partition: str) -> list[tuple[int, str]]:
    text = f"SCHEMA >\n{columns}\nENGINE_PARTITION_KEY {partition}\nENGINE_SORTING_KEY n\n"
    project = Project.from_files({"events.datasource": text})
    return [(notice.position.line, notice.message) for notice in project.notices()]


@pytest.mark.parametrize("default", ["now()", "toDateTime(today())", "NOW() - 5", "toDateTime(rand())"])
def test_a_default_that_differs_each_time_is_told_where_the_partition_depends_on_it(default: str) -> None:
    columns = f"    `n` UInt32 `json:$.n`,\n    `at` DateTime `json:$.at` DEFAULT {default}"
    ((line, message),) = _told(columns, "toYYYYMM(at)")
    assert line == 3
    assert message.startswith("The partition of a row without 'at' depends on when it is written")
    assert not _told(columns, "n % 10")


def test_a_default_of_a_default_is_told_at_the_one_that_differs() -> None:
    columns = (
        "    `n` UInt32 `json:$.n`,\n    `day` Date `json:$.day` DEFAULT toDate(at),\n"
        "    `at` DateTime `json:$.at` DEFAULT now()"
    )
    ((line, _),) = _told(columns, "day")
    assert line == 4


@pytest.mark.parametrize("default", ["", "DEFAULT toDateTime('2024-01-01 00:00:00')", "DEFAULT toDateTime('now()')"])
def test_a_default_that_is_always_the_same_is_not_told(default: str) -> None:
    assert not _told(f"    `n` UInt32 `json:$.n`,\n    `at` DateTime `json:$.at` {default}", "toYYYYMM(at)")


@pytest.mark.parametrize(
    ("select", "column"),
    [
        ("n, now() AS at", 15),
        ("n, toDateTime(rand(), 'UTC') AS `at`", 15),
        ("now() AS at, n", 12),
        ("n, seen AS at", 0),
    ],
)
def test_a_view_that_partitions_by_what_differs_each_time_is_told_at_its_place(select: str, column: int) -> None:
    source = "SCHEMA >\n    `n` UInt32 `json:$.n`,\n    `seen` DateTime `json:$.seen`\n\nENGINE_SORTING_KEY n\n"
    keys = "ENGINE_PARTITION_KEY toDate(at)\nENGINE_SORTING_KEY n\n"
    target = f"SCHEMA >\n    `n` UInt32,\n    `at` DateTime\n\n{keys}"
    query = f"SELECT {select} FROM events WHERE seen > now() - 60"
    view = f"NODE n\nSQL >\n    {query}\nTYPE materialized\nDATASOURCE days\n"
    project = Project.from_files({"events.datasource": source, "days.datasource": target, "fill.pipe": view})
    told = [(notice.position.line, notice.position.column) for notice in project.notices()]
    assert told == ([(3, column)] if column else [])
