"""`tb local clear` empties the workspace that a project is logged in to, the first one of a server too."""

from __future__ import annotations

import json

from tests.clients.conftest import Tb
from tests.conftest import RunningServer


def test_the_first_workspace_is_cleared_and_can_be_built_again(tb: Tb, server: RunningServer) -> None:
    found = server.request("GET", "/v1/workspace").json()
    tokens = server.client.get("/tokens").json()
    login = {"host": server.url, "token": server.token, "user_token": tokens["user_token"], "id": found["id"]}
    (tb.folder / ".tinyb").write_text(json.dumps({**login, "name": found["name"], "tokens": {}}))
    for _ in range(2):
        tb("build").must("Build completed")
        assert server.request("GET", "/v0/datasources").json()["datasources"]
        tb("local", "clear", "--yes").must("cleared")
        assert server.request("GET", "/v0/datasources").json() == {"datasources": []}
