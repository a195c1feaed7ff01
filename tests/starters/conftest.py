"""The messaging project over its fixtures, and over generated messages whose parts are not merged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from tests.engine.shared import shared_engine
from tests.starters.deployed import Messaging, messaging_project

from stonechat.starters.catalog import template_files
from stonechat.starters.generator import chunks

# The clocks of Lord Howe (by half an hour), London and St. John's change within these weeks.
END = datetime(2025, 11, 16, 7, 20, tzinfo=UTC)
DAYS = 60


@pytest.fixture(scope="package")
def empty() -> Iterator[Messaging]:
    messaging = Messaging(shared_engine(), messaging_project())
    yield messaging
    messaging.drop()


@pytest.fixture(scope="package")
def small() -> Iterator[Messaging]:
    messaging = Messaging(shared_engine(), messaging_project())
    messaging.add(template_files("messaging")["fixtures/messages.ndjson"])
    yield messaging
    messaging.drop()


@pytest.fixture(scope="package")
def generated() -> Iterator[Messaging]:
    messaging = Messaging(shared_engine(), messaging_project())
    for block in chunks(6_000, 3, size=1_000, end=END, days=DAYS):
        messaging.add(block)
    yield messaging
    messaging.drop()
