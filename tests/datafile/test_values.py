"""Values of single instructions."""

from __future__ import annotations

import pytest

from stonechat.datafile.schedules import is_cron
from stonechat.datafile.values import is_name


@pytest.mark.parametrize(
    "text", ["* * * * *", "*/5 * * * *", "0 0 1 jan SUN", "1-5,7 */2 1-31/3 1,6 mon-fri", "0  12 * * 7"]
)
def test_cron_expressions_are_known(text: str) -> None:
    assert is_cron(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "*/x * * * *",
        "1, * * * *",
        "-1 * * * *",
        "@daily",
        "٣ * * * *",
    ],
)
def test_what_is_no_cron_expression_is_refused(text: str) -> None:
    assert not is_cron(text)


@pytest.mark.parametrize(
    ("text", "valid"), [("a", True), ("_1", True), ("1a", False), ("a-b", False), ("ñ", False), ("", False)]
)
def test_names_are_plain_identifiers(text: str, valid: bool) -> None:
    assert is_name(text) is valid
