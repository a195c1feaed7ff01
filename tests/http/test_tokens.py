"""The Tokens API: whoever may manage tokens makes, changes and revokes them, and gets no right by it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
import pytest
from tests.conftest import RunningServer, StartServer
from tests.waiting import until

_UNSEEN = "Token has not enough permissions to get information about this token"
_SOON = 600


def _error(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["error"])


def _create(server: RunningServer, name: str, *scopes: str, by: str | None = None, **params: str) -> httpx.Response:
    return server.request("POST", "/v0/tokens", params={"name": name, "scope": scopes, **params}, token=by)


def _made(server: RunningServer, name: str, *scopes: str) -> str:
    response = _create(server, name, *scopes)
    assert response.status_code == 200, response.text
    return str(response.json()["token"])


def _jwt(server: RunningServer, by: str | None = None, **claims: Any) -> httpx.Response:
    expires = int(time.time()) + _SOON
    body = {"scopes": [{"type": "PIPES:READ", "resource": "all_visits"}], **claims}
    params = {"name": "ann", "expiration_time": str(expires)}
    return server.request("POST", "/v0/tokens", params=params, content=json.dumps(body), token=by)


def _reads(server: RunningServer, token: str, pipe: str = "all_visits") -> int:
    return server.request("GET", f"/v0/pipes/{pipe}.json", token=token).status_code


def _listed(server: RunningServer, token: str | None = None) -> Mapping[str, Mapping[str, Any]]:
    response = server.request("GET", "/v0/tokens", token=token)
    assert response.status_code == 200, response.text
    return {item["name"]: item for item in response.json()["tokens"]}


def test_a_made_token_does_what_its_scopes_say_and_comes_in_the_contracts_shape(tenants_server: RunningServer) -> None:
    params = {"description": "for Ann", "origin": "C", "from": "cli"}
    made = _create(tenants_server, "made for ann", "PIPES:READ:all_visits", "DATASOURCES:APPEND:plans", **params).json()
    assert list(made) == ["id", "token", "name", "description", "scopes", "origin", "host", "is_internal"]
    assert made["scopes"] == [
        {"type": "PIPES:READ", "resource": "all_visits"},
        {"type": "DATASOURCES:APPEND", "resource": "plans"},
    ]
    assert (made["description"], made["origin"]) == ("for Ann", {"type": "C"})
    assert _reads(tenants_server, made["token"]) == 200
    assert _reads(tenants_server, made["token"], "visits_of") == 403
    assert _listed(tenants_server)["made for ann"] == made
    for reference in ("made for ann", made["id"], made["token"]):
        assert tenants_server.request("GET", f"/v0/tokens/{reference}").json() == made
    datafile = tenants_server.request("GET", "/v0/tokens/made for ann.token")
    assert datafile.text == "DESCRIPTION for Ann\nSCOPE PIPES:READ:all_visits\nSCOPE DATASOURCES:APPEND:plans\n"


def test_a_list_has_the_attributes_that_are_asked_for(tenants_server: RunningServer) -> None:
    listed = tenants_server.request("GET", "/v0/tokens", params={"attrs": "name,scopes"}).json()["tokens"]
    assert all(list(item) == ["name", "scopes"] for item in listed)


def test_json_and_a_last_slash_are_taken_as_clients_send_them(tenants_server: RunningServer) -> None:
    body = {"name": "by json", "scopes": [{"type": "PIPES:READ", "resource": "all_visits", "filter": None}, "TOKENS"]}
    made = tenants_server.request("POST", "/v0/tokens/", json=body)
    assert [scope["type"] for scope in made.json()["scopes"]] == ["PIPES:READ", "TOKENS"]
    form = tenants_server.request("POST", "/v0/tokens", data={"name": "by form", "scope": ["TOKENS", "ADMIN"]})
    assert [scope["type"] for scope in form.json()["scopes"]] == ["TOKENS", "ADMIN"]


def test_resources_may_be_named_by_id_and_must_be_there(tenants_server: RunningServer) -> None:
    identity = tenants_server.request("GET", "/v0/pipes/all_visits").json()["id"]
    made = _create(tenants_server, "by id", f"PIPES:READ:{identity}").json()
    assert made["scopes"] == [{"type": "PIPES:READ", "resource": "all_visits"}]
    assert "The pipe 'visits' does not exist" in _error(_create(tenants_server, "x", "PIPES:READ:visits"), 400)
    assert 'Data Source "nil" does not exist' in _error(_create(tenants_server, "x", "DATASOURCES:READ:nil"), 400)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"name": "", "scope": "ADMIN"}, "name is not valid"),
        ({"name": "x" * 201, "scope": "ADMIN"}, "name is not valid"),
        ({"name": "x"}, "no scopes"),
        ({"name": "x", "scope": "SUDO"}, "Invalid scope 'SUDO'"),
        ({"name": "x", "scope": "DATASOURCES:READ:visits:"}, "Invalid scope"),
        ({"name": "x", "scope": "DATASOURCES:READ:visits: \t"}, "Invalid scope"),
        ({"name": "x", "scope": "DATASOURCES:READ:visits:n = 1\nOR 1"}, "Invalid scope"),
        ({"name": "x", "scope": "DATASOURCES:APPEND:visits:n = 1"}, "Invalid scope"),
        ({"name": "x", "scope": "DATASOURCES:READ:visits:m = 1"}, "no column 'm'"),
        ({"name": "x", "scope": "DATASOURCES:READ:visits:n ="}, "Invalid filter"),
        ({"name": "x", "scope": "DATASOURCES:READ:visits:tenant + n"}, "Invalid filter"),
        ({"name": "x", "scope": "ADMIN:x"}, "Invalid scope"),
        ({"name": "x", "scope": "ADMIN", "expiration_time": "soon"}, "not a time"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    tenants_server: RunningServer, params: dict[str, str], message: str
) -> None:
    assert message in _error(tenants_server.request("POST", "/v0/tokens", params=params), 400)


@pytest.mark.parametrize(
    "body", ["{", '{"name": 1}', '{"scopes": "ADMIN", "name": "x"}', '{"name": "x", "scopes": [1]}', "{" * 9000]
)
def test_a_document_that_is_none_is_refused(tenants_server: RunningServer, body: str) -> None:
    _error(tenants_server.request("POST", "/v0/tokens", content=body), 400)


def test_only_a_jwt_has_parameters_and_limits(tenants_server: RunningServer) -> None:
    scope = {"type": "PIPES:READ", "resource": "visits_of"}
    body: dict[str, Any] = {"name": "x", "scopes": [{**scope, "fixed_params": {"a": 1}}]}
    assert "Only a JWT" in _error(tenants_server.request("POST", "/v0/tokens", json=body), 400)
    body = {"name": "x", "scopes": [scope], "limits": {"rps": 1}}
    assert "Only a JWT" in _error(tenants_server.request("POST", "/v0/tokens", json=body), 400)


def test_a_name_is_taken_once(tenants_server: RunningServer) -> None:
    _made(tenants_server, "once", "TOKENS")
    assert "already exists" in _error(_create(tenants_server, "once", "ADMIN"), 409)
    assert "already exists" in _error(_create(tenants_server, "workspace admin token", "ADMIN"), 409)


def test_scopes_are_replaced_values_renewed_and_tokens_revoked(tenants_server: RunningServer) -> None:
    value = _made(tenants_server, "changing", "PIPES:READ:visits_of")
    path = "/v0/tokens/changing"
    changed = tenants_server.request("PUT", path, params={"scope": "PIPES:READ:all_visits", "description": "d"})
    assert changed.json()["token"] == value
    assert (_reads(tenants_server, value), _reads(tenants_server, value, "visits_of")) == (200, 403)
    assert tenants_server.request("PUT", path, json={"description": "e"}).json()["scopes"] == changed.json()["scopes"]
    _error(tenants_server.request("PUT", path), 400)
    renewed = tenants_server.request("POST", f"{path}/refresh").json()
    assert renewed == {**changed.json(), "description": "e", "token": renewed["token"]}
    assert (_reads(tenants_server, value), _reads(tenants_server, renewed["token"])) == (403, 200)
    assert tenants_server.request("DELETE", path).json() == {"ok": True}
    assert _reads(tenants_server, renewed["token"]) == 403
    assert _error(tenants_server.request("GET", path), 403) == _UNSEEN


def test_unknown_tokens_and_those_of_others_look_alike(tenants_server: RunningServer) -> None:
    reader = _made(tenants_server, "nobody", "PIPES:READ:all_visits")
    for token, reference in [(None, "nothing"), (None, "%01"), (reader, "workspace admin token"), (reader, "nothing")]:
        response = tenants_server.request("GET", f"/v0/tokens/{reference}", token=token)
        assert _error(response, 403) == _UNSEEN
    assert tenants_server.request("GET", "/v0/tokens/nobody", token=reader).json()["token"] == reader
    for method, path in [
        ("GET", ""),
        ("POST", ""),
        ("PUT", "/nobody"),
        ("DELETE", "/nobody"),
        ("POST", "/nobody/refresh"),
    ]:
        _error(tenants_server.request(method, f"/v0/tokens{path}", token=reader), 403)


def test_who_may_manage_tokens_gets_no_right_on_the_workspace_by_it(tenants_server: RunningServer) -> None:
    manager = _made(tenants_server, "manager", "TOKENS")
    admin = _made(tenants_server, "second admin", "ADMIN")
    for scope in ("ADMIN", "USER", "WORKSPACE:READ_ALL", "WORKSPACE:DEPLOY", "DATASOURCES:CREATE", "PIPES:CREATE"):
        assert "may not give away" in _error(_create(tenants_server, "more", scope, by=manager), 403)
    assert "may not give away" in _error(_create(tenants_server, "more", "TOKENS", "ADMIN", by=manager), 403)
    assert _create(tenants_server, "less", "TOKENS", "PIPES:READ:all_visits", by=manager).status_code == 200
    listed = _listed(tenants_server, manager)
    assert {"less", "manager"} <= listed.keys()
    assert {"second admin", "workspace admin token", "admin local_testing@tinybird.co"}.isdisjoint(listed)
    for reference in ("second admin", admin, "workspace admin token", tenants_server.token):
        for method, path in [
            ("GET", ""),
            ("PUT", "?scope=TOKENS"),
            ("DELETE", ""),
            ("POST", "/refresh"),
            ("GET", ".token"),
        ]:
            response = tenants_server.request(method, f"/v0/tokens/{reference}{path}", token=manager)
            assert _error(response, 403) == _UNSEEN
    assert "may not give away" in _error(
        tenants_server.request("PUT", "/v0/tokens/less?scope=ADMIN", token=manager), 403
    )


def test_nobody_is_given_the_owners_right(tenants_server: RunningServer) -> None:
    admin = _made(tenants_server, "just admin", "ADMIN")
    assert "admin local_testing@tinybird.co" not in _listed(tenants_server, admin)
    for by in (admin, tenants_server.client.get("/tokens").json()["user_token"]):
        _error(_create(tenants_server, "owner", "USER", by=by), 403)


def test_the_servers_own_tokens_stay(tenants_server: RunningServer) -> None:
    path = "/v0/tokens/workspace admin token"
    assert "cannot be deleted" in _error(tenants_server.request("DELETE", path), 409)
    assert "do not change" in _error(tenants_server.request("PUT", path, params={"scope": "TOKENS"}), 409)
    assert "TOKEN lines" in _error(tenants_server.request("DELETE", "/v0/tokens/line"), 409)


def test_a_signed_token_reads_what_it_says_and_is_not_listed(tenants_server: RunningServer) -> None:
    value = _jwt(tenants_server).json()["token"]
    assert (_reads(tenants_server, value), _reads(tenants_server, value, "visits_of")) == (200, 403)
    assert "ann" not in _listed(tenants_server)
    assert _error(tenants_server.request("GET", f"/v0/tokens/{value}"), 403) == _UNSEEN
    _error(tenants_server.request("GET", "/v0/tokens", token=value), 403)


def test_a_token_that_an_application_signs_itself_holds_until_it_expires(tenants_server: RunningServer) -> None:
    workspace = tenants_server.request("GET", "/v1/workspace").json()["id"]
    identity = tenants_server.request("GET", "/v0/pipes/all_visits").json()["id"]
    scopes = [{"type": "PIPES:READ", "resource": identity}]
    claims = {"workspace_id": workspace, "name": "own", "exp": time.time() + _SOON, "scopes": scopes}
    assert _reads(tenants_server, jwt.encode(claims, tenants_server.token)) == 200
    assert _reads(tenants_server, jwt.encode(claims, "p.not the admin token" * 5)) == 403
    over = jwt.encode({**claims, "exp": time.time() - 1}, tenants_server.token)
    response = tenants_server.request("GET", "/v0/pipes/all_visits.json", token=over)
    assert _error(response, 403) == "The token 'own' has expired"


def test_whoever_signs_here_gives_no_more_than_it_may(tenants_server: RunningServer) -> None:
    reader = _made(tenants_server, "cannot sign", "PIPES:READ:all_visits")
    _error(_jwt(tenants_server, by=reader), 403)
    manager = _made(tenants_server, "may sign", "TOKENS")
    assert _reads(tenants_server, _jwt(tenants_server, by=manager).json()["token"]) == 200
    for scope in ({"type": "ADMIN"}, {"type": "ADMIN", "resource": "x"}, {"type": "TOKENS", "resource": "*"}):
        assert "Invalid JWT" in _error(_jwt(tenants_server, scopes=[scope]), 400)
    unknown = [{"type": "PIPES:READ", "resource": "nil"}]
    assert "does not exist" in _error(_jwt(tenants_server, scopes=unknown), 400)


def test_a_signed_token_has_a_rate_of_its_own_and_every_answer_tells(tenants_server: RunningServer) -> None:
    value = _jwt(tenants_server, limits={"rps": 1}, name="rated").json()["token"]
    first = tenants_server.request("GET", "/v0/pipes/all_visits.json", token=value)
    assert first.status_code == 200
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("1", "0")
    second = until(lambda: _unless_counted(tenants_server.request("GET", "/v0/pipes/all_visits.json", token=value)))
    assert "more than 1 requests per second" in _error(second, 429)
    assert second.headers["retry-after"] == second.headers["x-ratelimit-reset"] == "1"
    assert "x-ratelimit-limit" not in tenants_server.request("GET", "/v0/pipes/all_visits.json").headers


def _unless_counted(answer: httpx.Response) -> httpx.Response | None:
    """The answer to what came too soon, which it does not on a busy machine."""
    return None if answer.status_code == 200 else answer


def test_a_new_admin_token_voids_the_old_one_and_what_it_signed(start_server: StartServer) -> None:
    server = start_server()
    deployed = server.deploy({"one.pipe": "NODE output\nSQL >\n    SELECT 1 AS one\nTYPE endpoint\n"})
    assert deployed.status_code == 200
    made = _made(server, "made", "PIPES:READ:one")
    value = _jwt(server, scopes=[{"type": "PIPES:READ", "resource": "one"}]).json()["token"]
    assert _reads(server, value, "one") == 200
    admin = server.client.get("/tokens").json()["workspace_admin_token"]
    renewed = server.request("POST", "/v0/tokens/workspace admin token/refresh").json()["token"]
    assert renewed not in {admin, ""}
    assert (_reads(server, value, "one"), _reads(server, admin, "one")) == (403, 403)
    assert (_reads(server, renewed, "one"), _reads(server, made, "one")) == (200, 200)
    assert server.client.get("/tokens").json()["workspace_admin_token"] == renewed
