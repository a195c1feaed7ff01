"""One server with the corpus' project for the tests of a module that reads descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.conftest import RunningServer
from tests.http.describing import VISITS, project_files


@pytest.fixture(scope="module")
def visits_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with three visits that fit and one in the quarantine; its tokens are `reader` and `tracker`."""
    server = RunningServer(tmp_path_factory.mktemp("visits") / "home", arguments=("serve",), environment={})
    try:
        response = server.deploy(project_files())
        assert response.status_code == 200, response.text
        receipt = server.send("\n".join(map(json.dumps, VISITS)), name="visits")
        assert receipt.json() == {"successful_rows": 3, "quarantined_rows": 1}
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()
