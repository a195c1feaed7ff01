"""The tables that the benchmark prints."""

from __future__ import annotations

import pytest
from bench.processes import median
from bench.tables import Table, figure

_TABLE = Table("Writes", ("Case", "rate", "ratio"), [("small", 12_345.6, 0.071234), ("large, wait=true", "-", 2.0)])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.00123456, "0.00123"),
        (0.1, "0.100"),
        (9.996, "10.0"),
        (45.64, "45.6"),
        (999.6, "1,000"),
        (12_345, "12,300"),
        (-2.5, "-2.50"),
    ],
)
def test_figures_have_three_significant_digits(value: float, text: str) -> None:
    assert figure(value) == text


def test_a_table_lines_up_in_a_terminal() -> None:
    assert _TABLE.text().splitlines() == [
        "Writes",
        "",
        "Case                rate   ratio",
        "----------------  ------  ------",
        "small             12,300  0.0712",
        "large, wait=true       -    2.00",
    ]


def test_a_table_stands_in_markdown_under_its_title() -> None:
    assert _TABLE.markdown().splitlines() == [
        "## Writes",
        "",
        "| Case | rate | ratio |",
        "| --- | ---: | ---: |",
        "| small | 12,300 | 0.0712 |",
        "| large, wait=true | - | 2.00 |",
    ]


def test_the_median_is_a_value_that_was_measured() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([4.0, 1.0, 3.0, 2.0]) == 2.0
