"""What the Connectors API says of connections, and that it keeps what they hold to itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import RunningServer
from tests.http.describing import check_exchange, exchanges


@pytest.mark.parametrize("request_file", exchanges("connections"), ids=lambda path: path.stem)
def test_connections_are_described_as_expected(visits_server: RunningServer, request_file: Path) -> None:
    check_exchange(visits_server, request_file)


def test_a_connection_is_found_by_its_id(visits_server: RunningServer) -> None:
    (listed,) = visits_server.request("GET", "/v0/connectors").json()["connectors"]
    assert visits_server.request("GET", f"/v0/connectors/{listed['id']}").json() == listed
