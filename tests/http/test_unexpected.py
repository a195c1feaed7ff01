"""What nobody foresaw is answered like everything else, and told without its insides."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.conftest import RunningServer


def test_an_internal_error_has_the_headers_of_every_answer(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "home", arguments=("serve",), environment={})
    try:
        store = sqlite3.connect(tmp_path / "home" / "state.sqlite")
        with store:
            store.execute("DROP TABLE variables")
        store.close()
        broken = server.request("GET", "/v0/variables", headers={"X-Request-Id": "mine", "Origin": "http://app"})
        assert (broken.status_code, broken.json()["error"]) == (500, "Internal server error")
        assert "variables" not in broken.text
        assert broken.headers["x-request-id"] == "mine"
        assert broken.headers["access-control-allow-origin"] == "*"
        assert server.log.read_text().count("unexpected error") == 1
        assert server.request("GET", "/v0/tokens").status_code == 200
    finally:
        server.kill()
