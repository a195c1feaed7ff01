"""The Variables API keeps secrets, hands none of them out, and gives them to deployments and to the SQL of pipes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import NO_TELEMETRY, RunningServer, StartServer

_SECRET = "hunter2-\t\\'é"
_ENDPOINT = """TOKEN "reader" READ

NODE n
SQL >
    %
    SELECT {{ tb_secret('KEY') }} = {{ String(guess, '') }} AS ok, length({{ tb_secret('KEY') }}) AS size

TYPE endpoint
"""
_CONNECTION = "TYPE kafka\nKAFKA_BOOTSTRAP_SERVERS {{ tb_secret('BROKER') }}\n"


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(
        tmp_path_factory.mktemp("variables") / "home", arguments=("serve",), environment=NO_TELEMETRY
    )
    assert server.deploy({"p.pipe": _ENDPOINT}).status_code == 200
    yield server
    assert server.stop() == 0


@pytest.fixture
def server(shared_server: RunningServer) -> RunningServer:
    """Without variables."""
    for variable in shared_server.request("GET", "/v0/variables").json()["variables"]:
        assert shared_server.request("DELETE", f"/v0/variables/{variable['name']}").json() == {"ok": True}
    return shared_server


def _create(server: RunningServer, name: str = "KEY", value: str = _SECRET, **more: str) -> None:
    response = server.request("POST", "/v0/variables", data={"name": name, "value": value, **more})
    assert response.status_code == 200, response.text


def test_a_variable_is_created_and_listed_without_its_value(server: RunningServer) -> None:
    response = server.request("POST", "/v0/variables", data={"name": "KEY", "value": _SECRET, "type": "secret"})
    created = response.json()
    assert response.status_code == 200
    assert list(created) == ["name", "type", "created_at", "updated_at", "edited_by"]
    assert (created["name"], created["type"], created["edited_by"]) == ("KEY", "secret", "workspace admin token")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", created["created_at"])
    assert created["updated_at"] == created["created_at"]
    _create(server, "ANOTHER")
    listed = server.request("GET", "/v0/variables")
    assert [variable["name"] for variable in listed.json()["variables"]] == ["ANOTHER", "KEY"]
    assert listed.json()["variables"][1] == created
    assert server.request("GET", "/v0/variables/KEY").json() == created
    assert "hunter2" not in response.text + listed.text


def test_a_variable_is_changed_and_removed(server: RunningServer) -> None:
    _create(server)
    changed = server.request("PUT", "/v0/variables/KEY", data={"value": "other"}).json()
    assert changed["updated_at"] >= changed["created_at"]
    assert server.rows("/v0/pipes/p.json", guess="other") == [{"ok": 1, "size": 5}]
    assert server.request("DELETE", "/v0/variables/KEY").json() == {"ok": True}
    assert server.request("GET", "/v0/variables").json() == {"variables": []}


@pytest.mark.parametrize(
    ("method", "message"), [("GET", "Not found"), ("PUT", "Variable not found"), ("DELETE", "Variable not found")]
)
def test_unknown_variables_are_not_found(server: RunningServer, method: str, message: str) -> None:
    response = server.request(method, "/v0/variables/NOPE", data={"value": "x"} if method == "PUT" else None)
    assert (response.status_code, response.json()["error"]) == (404, message)


def test_a_variable_is_created_once(server: RunningServer) -> None:
    _create(server)
    response = server.request("POST", "/v0/variables", data={"name": "KEY", "value": "second"})
    assert (response.status_code, response.json()["error"]) == (409, "The variable 'KEY' already exists")
    assert server.rows("/v0/pipes/p.json", guess=_SECRET)[0]["ok"] == 1


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"value": "x"}, "The field 'name' is missing"),
        ({"name": "x"}, "The field 'value' is missing"),
        ({"name": "a b", "value": "x"}, "The variable's name is not valid"),
        ({"name": "x" * 201, "value": "x"}, "The variable's name is not valid"),
        ({"name": "x", "value": "x", "type": "plain"}, "The only type of variables is 'secret'"),
    ],
)
def test_a_form_that_is_not_right_is_refused(server: RunningServer, form: dict[str, str], message: str) -> None:
    response = server.request("POST", "/v0/variables", data=form)
    assert (response.status_code, response.json()["error"]) == (400, message)


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b'{"name": "a", "value": "hunter2"}', 400),
        ("application/x-www-form-urlencoded", b"name=\xff&value=hunter2", 400),
        ("application/x-www-form-urlencoded", b"name=a&value=%ff", 400),
        ("application/x-www-form-urlencoded", b"name=a&value=" + b"x" * 1_000_000, 413),
    ],
)
def test_a_body_that_is_no_form_is_refused(server: RunningServer, kind: str, body: bytes, status: int) -> None:
    response = server.request("POST", "/v0/variables", content=body, headers={"Content-Type": kind})
    assert response.status_code == status
    assert "hunter2" not in response.text


def test_a_workspace_has_a_hundred_variables_at_most(server: RunningServer) -> None:
    for number in range(100):
        _create(server, f"V{number}")
    response = server.request("POST", "/v0/variables", data={"name": "ONE_MORE", "value": "x"})
    assert (response.status_code, response.json()["error"]) == (400, "A workspace has at most 100 variables")
    assert len(server.request("GET", "/v0/variables").json()["variables"]) == 100


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_only_admins_see_and_change_variables(server: RunningServer, method: str) -> None:
    path = "/v0/variables" if method in {"GET", "POST"} else "/v0/variables/KEY"
    response = server.request(method, path, token=server.tokens()["reader"])
    assert response.status_code == 403


def test_sql_reads_a_variable_that_no_request_can_give(server: RunningServer) -> None:
    params = {"guess": _SECRET, "KEY": _SECRET}
    response = server.request("GET", "/v0/pipes/p.json", params=params)
    assert response.status_code == 400
    assert "Cannot access secret 'KEY'" in response.json()["error"]
    _create(server)
    assert server.rows("/v0/pipes/p.json", guess=_SECRET, KEY="x") == [{"ok": 1, "size": len(_SECRET.encode())}]


def test_a_reader_cannot_ask_for_a_variable_in_a_statement_of_its_own(server: RunningServer) -> None:
    _create(server)
    reader = server.tokens()["reader"]
    for statement in ("SELECT {KEY:String} AS v, ok FROM p", "SELECT {`KEY`:String} AS v, ok FROM p FORMAT JSON"):
        response = server.request("GET", "/v0/sql", params={"q": statement}, token=reader)
        assert response.status_code in {400, 403}
        assert "hunter2" not in response.text


def test_a_connection_gets_its_secrets_when_it_is_deployed(shared_server: RunningServer) -> None:
    server = shared_server.new_workspace()
    (error,) = server.deploy({"main.connection": _CONNECTION}).json()["errors"]
    assert (error["filename"], error["line"], error["column"]) == ("main.connection", 2, 25)
    assert "Cannot access secret 'BROKER'. Check the secret exists in the Workspace and the token" in error["error"]
    _create(server, "BROKER", "broker:9092")
    assert server.deploy({"main.connection": _CONNECTION}).json()["result"] == "success"
    assert server.deploy({"main.connection": _CONNECTION}).json()["result"] == "no_changes"
    server.request("PUT", "/v0/variables/BROKER", data={"value": "hunter2:9092"})
    body = server.deploy({"main.connection": _CONNECTION}).json()
    assert body["deployment"]["changed_data_connector_names"] == ["main"]


def test_values_are_sealed_and_outlive_a_restart_even_when_one_is_gone(
    start_server: StartServer, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    server = start_server(home)
    _create(server, "KEY", "hunter2")
    _create(server, "BROKER", "hunter2")
    assert server.deploy({"main.connection": _CONNECTION, "p.pipe": _ENDPOINT}).json()["result"] == "success"
    server.request("DELETE", "/v0/variables/BROKER")
    assert server.stop() == 0
    assert not any(b"hunter2" in path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert "hunter2" not in server.log.read_text()
    server = start_server(home)
    assert server.rows("/v0/pipes/p.json", guess="hunter2")[0]["ok"] == 1
    assert server.stop() == 0


def test_development_takes_the_secrets_of_the_folder(start_server: StartServer, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "p.pipe").write_text(_ENDPOINT)
    (folder / "main.connection").write_text(_CONNECTION)
    (folder / ".env.local").write_text("KEY='hunter2'\nBROKER=hunter2:1 # the broker\n")
    server = start_server(tmp_path / "home", "dev", str(folder))
    _until(server, guess="hunter2")
    (folder / ".env.local").write_text("KEY=hunter3\nBROKER=hunter2:1\n")
    _until(server, guess="hunter3")
    variables = server.request("GET", "/v0/variables").json()["variables"]
    assert [(variable["name"], variable["edited_by"]) for variable in variables] == [
        ("BROKER", ".env.local"),
        ("KEY", ".env.local"),
    ]
    (folder / ".env.local").write_text("hunter4\n")
    _until_logged(server, ".env.local:1:1")
    assert server.stop() == 0
    assert "hunter" not in server.log.read_text()


def _until(server: RunningServer, **params: str) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        response = server.request("GET", "/v0/pipes/p.json", params=params)
        if response.status_code == 200 and response.json()["data"][0]["ok"]:
            return
        time.sleep(0.05)
    raise AssertionError(server.log.read_text())


def _until_logged(server: RunningServer, text: str) -> None:
    end = time.monotonic() + 30
    while text not in server.log.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
