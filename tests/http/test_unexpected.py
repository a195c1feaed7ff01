"""What nobody foresaw is answered like everything else, and told without its insides."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import NO_TELEMETRY, RunningServer


def test_an_internal_error_has_the_headers_of_every_answer(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "home", arguments=("serve",), environment=NO_TELEMETRY)
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


_LONG = "9" * 5_000
_DEEP = '{"a":' * 20_000 + "1" + "}" * 20_000


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("GET", "/v0/sql", {"params": {"q": "SELECT 1", "__tb__deployment": _LONG}}, 404),
        ("GET", "/v0/health", {"params": {"__tb__min_deployment": _LONG}}, 503),
        ("GET", f"/v1/deployments/{_LONG}", {}, 404),
        ("GET", "/v1/deployments/99999999999999999999", {}, 404),
        ("GET", "/v1/deployments/first", {}, 404),
        ("POST", f"/v1/deployments/{_LONG}/set-live", {}, 404),
        ("POST", f"/v1/deployments/{_LONG}/rollback", {}, 404),
        ("DELETE", f"/v1/deployments/{_LONG}", {}, 404),
        ("GET", "/v0/datasources/messages/quarantine", {"params": {"limit": _LONG}}, 400),
        ("POST", "/v0/datasources/messages/delete", {"content": _DEEP}, 400),
        ("POST", "/v0/datasources/messages/truncate", {"content": _DEEP}, 400),
        ("POST", "/v0/pipes/top_conversations.json", {"content": _DEEP}, 400),
        ("POST", "/v0/pipes/top_conversations.json", {"data": {"limit": _LONG}}, 400),
        ("POST", "/v0/sql", {"content": _DEEP}, 400),
        ("POST", "/v0/tokens", {"params": {"name": "n"}, "content": _DEEP}, 400),
        ("POST", "/v0/analyze", {"content": _DEEP}, 400),
        ("GET", "/v0/jobs", {"params": {"status": _LONG}}, 400),
    ],
)
def test_no_number_is_too_long_and_no_document_too_deep_to_be_refused(
    messaging_server: RunningServer, method: str, path: str, arguments: Any, status: int
) -> None:
    refused = messaging_server.request(method, path, **arguments)
    assert refused.status_code == status, refused.text[:300]
    assert {"error", "code"} <= refused.json().keys()
