"""The page about the benchmark shows the cases that it measures."""

from __future__ import annotations

from bench.endpoints import messaging_calls
from bench.ingestion import CASES
from tests.conftest import REPOSITORY

_PAGE = (REPOSITORY / "docs" / "reference" / "benchmarks.md").read_text()


def test_every_case_of_the_writes_stands_on_the_page() -> None:
    assert [case.name for case in CASES if f"\n| {case.name} | {case.connections} | " not in _PAGE] == []


def test_every_endpoint_stands_on_the_page_alone_and_over_many_connections() -> None:
    assert [calls.name for calls in messaging_calls() if _PAGE.count(f"\n| {calls.name} | ") != 2] == []
