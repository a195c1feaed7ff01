"""Stages for `Server-Timing`: those that have ended, and the one under way."""

from __future__ import annotations

import re

from stonechat.query.timing import Stages


def _names(stages: Stages) -> list[str]:
    names: list[str] = re.findall(r"(?:\A|, )([a-z]+);dur=\d+\.\d{3}(?=,|\Z)", stages.header)
    assert stages.header.count(";dur=") == len(names)
    return names


def test_the_stages_come_in_their_order_and_each_once() -> None:
    stages = Stages()
    assert stages.header == ""
    for name in ("find", "compose", "find", "query"):
        with stages.stage(name):
            pass
    assert _names(stages) == ["find", "compose", "query"]


def test_the_stage_under_way_comes_last_with_its_time_until_now() -> None:
    stages = Stages()
    with stages.stage("find"):
        assert _names(stages) == ["find"]
    with stages.stage("query"):
        first = stages.header
        assert _names(stages) == ["find", "query"]
        assert first.partition(", ")[0] == stages.header.partition(", ")[0]
    with stages.stage("send"):
        assert _names(stages) == ["find", "query", "send"]
