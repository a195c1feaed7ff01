"""Workspaces are worlds of their own: made, listed and deleted by the server's owner alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from tests.conftest import RunningServer, StartServer

_FILES = {
    "datasources/messages.datasource": "SCHEMA >\n    `id` String `json:$.id`\n",
    "endpoints/all.pipe": "NODE all_of_them\nSQL >\n    SELECT id FROM messages ORDER BY id\nTYPE endpoint\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path_factory.mktemp("workspaces") / "home", arguments=("serve",), environment={})
    yield server
    assert server.stop() == 0


def _owner(server: RunningServer) -> str:
    token: str = server.client.get("/tokens").json()["user_token"]
    return token


def _make(server: RunningServer, name: str) -> dict[str, Any]:
    made = server.client.post("/v1/workspaces", params={"name": name, "token": _owner(server)})
    assert made.status_code == 200, made.text
    body: dict[str, Any] = made.json()
    return body


def _deploy(server: RunningServer, token: str, files: dict[str, str]) -> httpx.Response:
    parts = [("data_project://", (name, text.encode(), "text/plain")) for name, text in files.items()]
    return server.request("POST", "/v1/build", token=token, files=parts)


def _ids(server: RunningServer, token: str) -> list[str]:
    response = server.request("GET", "/v0/pipes/all.json", token=token)
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json()["data"]]


def _delete(server: RunningServer, identity: str, token: str, confirmation: str = "yes") -> httpx.Response:
    params = {"hard_delete_confirmation": confirmation}
    return server.request("DELETE", f"/v1/workspaces/{identity}", token=token, params=params)


def test_equal_projects_of_two_workspaces_share_no_row(server: RunningServer) -> None:
    one, two = (_make(server, name)["token"] for name in ("one", "two"))
    for token in (one, two):
        assert _deploy(server, token, _FILES).status_code == 200
    assert server.send('{"id": "a"}', headers={"Authorization": f"Bearer {one}"}).status_code == 200
    assert (_ids(server, one), _ids(server, two)) == (["a"], [])
    assert server.send('{"id": "b"}', headers={"Authorization": f"Bearer {two}"}).status_code == 200
    assert (_ids(server, one), _ids(server, two)) == (["a"], ["b"])


def test_a_workspace_does_not_see_the_tokens_and_resources_of_another(server: RunningServer) -> None:
    made = _make(server, "secluded")
    assert server.request("GET", "/v0/datasources", token=made["token"]).json() == {"datasources": []}
    listed = server.request("GET", "/v0/tokens", token=made["token"]).json()["tokens"]
    own = ["admin local_testing@tinybird.co", "admin token", "workspace admin token"]
    assert [token["name"] for token in listed] == own
    assert server.token not in {token["token"] for token in listed}
    assert server.request("GET", "/v1/workspace", token=made["token"]).json()["id"] == made["id"]
    assert server.request("GET", "/v1/workspace").json()["id"] != made["id"]


@pytest.mark.parametrize("name", ["admin token", "admin local_testing@tinybird.co"])
def test_a_workspace_has_the_admin_tokens_that_scripts_look_for(server: RunningServer, name: str) -> None:
    made = _make(server, f"with {name.partition(chr(64))[0]}")
    found = server.request("GET", f"/v0/tokens/{name}", token=made["token"]).json()
    assert found["token"].startswith("p.e")
    assert [scope["type"] for scope in found["scopes"]] == ["ADMIN"]
    assert server.request("GET", "/v1/workspace", token=found["token"]).json()["id"] == made["id"]
    assert server.request("POST", "/v1/workspaces", token=found["token"], params={"name": "x"}).status_code == 403
    scopes = [{"type": "DATASOURCES:READ", "resource": "nothing"}]
    claims = {"workspace_id": made["id"], "name": "ann", "exp": int(time.time()) + 60, "scopes": scopes}
    signed = jwt.encode(claims, found["token"], "HS256")
    assert server.request("GET", "/v1/workspace", token=signed).json()["id"] == made["id"]
    renewed = server.request("POST", f"/v0/tokens/{name}/refresh", token=made["token"]).json()["token"]
    assert server.request("GET", "/v1/workspace", token=signed).status_code == 403
    server.request("PUT", f"/v0/tokens/{name}?scope=TOKENS", token=made["token"])
    weaker = jwt.encode(claims, renewed, "HS256")
    assert server.request("GET", "/v1/workspace", token=weaker).status_code == 403


def test_only_the_owner_sees_all_workspaces_and_makes_and_deletes_them(server: RunningServer) -> None:
    made = _make(server, "mine")
    listed = server.request("GET", "/v1/user/workspaces", token=_owner(server)).json()
    assert {"id", "name", "token"} <= listed["workspaces"][0].keys()
    assert listed["organization_id"]
    assert {"stonechat", "mine"} <= {workspace["name"] for workspace in listed["workspaces"]}
    mine = server.request("GET", "/v1/user/workspaces", token=made["token"]).json()
    assert [workspace["name"] for workspace in mine["workspaces"]] == ["mine"]
    for token in (made["token"], server.token):
        response = server.request("POST", "/v1/workspaces", token=token, params={"name": "theirs"})
        assert response.status_code == 403
        assert _delete(server, made["id"], token).status_code == 403


def test_the_name_may_come_in_a_form(server: RunningServer) -> None:
    response = server.request("POST", "/v1/workspaces", token=_owner(server), data={"name": "in a form"})
    assert response.json()["name"] == "in a form"


@pytest.mark.parametrize(
    ("name", "status"),
    [("", 400), ("a;b", 400), ("x" * 201, 400), ("stonechat", 409), ("system", 400), ("Tinybird", 400), ("main", 400)],
)
def test_a_name_that_cannot_be_is_refused(server: RunningServer, name: str, status: int) -> None:
    response = server.request("POST", "/v1/workspaces", token=_owner(server), params={"name": name})
    assert response.status_code == status
    assert response.json()["error"]


def test_a_deleted_workspace_takes_its_data_and_tokens_along(server: RunningServer) -> None:
    made = _make(server, "passing")
    assert _deploy(server, made["token"], _FILES).status_code == 200
    assert server.send('{"id": "a"}', headers={"Authorization": f"Bearer {made['token']}"}, wait=False).is_success
    assert _delete(server, made["id"], _owner(server), confirmation="no").status_code == 400
    assert _delete(server, made["id"], _owner(server)).status_code == 200
    assert server.request("GET", "/v0/pipes/all.json", token=made["token"]).status_code == 403
    assert _delete(server, made["id"], _owner(server)).status_code == 404
    assert not list((server.home / "log").glob("orphaned-*"))
    again = _make(server, "passing")
    assert again["id"] != made["id"]
    assert server.request("GET", "/v0/datasources", token=again["token"]).json() == {"datasources": []}


def test_the_first_workspace_is_emptied_and_not_listed_until_it_is_made_again(start_server: StartServer) -> None:
    server = start_server()
    first = server.request("GET", "/v1/workspace").json()
    assert _deploy(server, server.token, _FILES).status_code == 200
    assert server.send('{"id": "a"}').status_code == 200
    assert server.request("POST", "/v0/variables", data={"name": "s", "value": "v"}).status_code == 200
    assert server.deploy(_FILES | {"more.datasource": "SCHEMA >\n    `a` UInt8\n"}, auto_promote="false").is_success
    assert _delete(server, first["id"], _owner(server), confirmation="no").status_code == 400
    assert _delete(server, first["id"], _owner(server)).status_code == 200
    assert _names(server) == []
    assert server.request("GET", "/v0/datasources").json() == {"datasources": []}
    assert server.request("GET", "/v0/pipes/all.json").status_code == 404
    assert server.request("GET", "/v0/variables").json()["variables"] == []
    assert _make(server, first["name"])["id"] == first["id"]
    assert _names(server) == [first["name"]]
    assert (
        server.client.post("/v1/workspaces", params={"name": first["name"], "token": _owner(server)}).status_code == 409
    )
    assert _delete(server, first["id"], _owner(server)).status_code == 200
    server.kill()
    assert _names(start_server()) == [first["name"]]


def _names(server: RunningServer) -> list[str]:
    listed = server.request("GET", "/v1/user/workspaces", token=_owner(server)).json()["workspaces"]
    return [each["name"] for each in listed]


def test_workspaces_and_their_rows_survive_a_kill(start_server: StartServer) -> None:
    server = start_server()
    made = _make(server, "lasting")
    assert _deploy(server, made["token"], _FILES).status_code == 200
    assert server.send('{"id": "a"}', headers={"Authorization": f"Bearer {made['token']}"}, wait=False).is_success
    server.kill()
    again = start_server()
    assert _ids(again, made["token"]) == ["a"]


def test_there_are_no_branches_and_none_can_be_made(server: RunningServer) -> None:
    assert server.request("GET", "/v1/environments").json() == {"environments": []}
    for method, path in (("POST", "/v1/environments"), ("GET", "/v0/environments/x"), ("DELETE", "/v0/environments/x")):
        response = server.request(method, path, params={"name": "x"})
        assert (response.status_code, response.json()["code"]) == (409, "SC942"), path
