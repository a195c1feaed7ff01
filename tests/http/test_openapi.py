"""The OpenAPI document: valid, true to what the endpoints answer, and only as wide as the token."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response
from tests.conftest import RunningServer
from tests.engine.shared import shared_engine
from tests.http.describing import check_exchange, exchanges, project_files
from tests.http.json_schemas import faults, resolved

from stonechat.auth.access import Caller, Scope
from stonechat.http.openapi import EndpointDocuments
from stonechat.project.model import Project
from stonechat.project.snapshot import Snapshot
from stonechat.project.workspaces import Workspace

_VALUES = {"start": "2024-01-01", "format": "csv"}


@pytest.fixture(scope="module")
def document(visits_server: RunningServer) -> dict[str, Any]:
    response = visits_server.request("GET", "/v0/pipes/openapi.json")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _inner(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _inner(child)


@pytest.mark.parametrize("request_file", exchanges("openapi"), ids=lambda path: path.stem)
def test_the_document_is_as_expected(visits_server: RunningServer, request_file: Path) -> None:
    check_exchange(visits_server, request_file)


def test_it_has_what_the_specification_asks_for(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= document["info"].keys()
    assert all(path.startswith("/") for path in document["paths"])
    operations = list(_operations(document))
    names = [operation["operationId"] for _, _, operation in operations]
    assert len(set(names)) == len(names)
    for path, method, operation in operations:
        assert method in {"get", "post"}
        assert all(response.keys() & {"description", "$ref"} for response in operation["responses"].values())
        parameters = operation.get("parameters", [])
        in_path = {item["name"] for item in parameters if item["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        assert len({(item["in"], item["name"]) for item in parameters}) == len(parameters)
        assert ("requestBody" in operation) == (method == "post")


def test_every_reference_points_to_something(document: dict[str, Any]) -> None:
    references = {item["$ref"] for item in _inner(document) if "$ref" in item}
    assert references
    assert all(resolved(reference, document) for reference in references)
    used = {name for item in document["security"] for name in item}
    assert used == document["components"]["securitySchemes"].keys()


def test_all_endpoints_and_nothing_else_are_in_it(visits_server: RunningServer, document: dict[str, Any]) -> None:
    pipes = visits_server.request("GET", "/v0/pipes?attrs=name,endpoint").json()["pipes"]
    served = {pipe["name"] for pipe in pipes if pipe["endpoint"]}
    assert {path.removeprefix("/v0/pipes/").partition(".")[0] for path in document["paths"]} == served


def test_defaults_and_examples_suit_their_schemas(document: dict[str, Any]) -> None:
    schemas = [item["schema"] for _, _, operation in _operations(document) for item in operation.get("parameters", [])]
    values = [(schema["default"], schema) for schema in schemas if "default" in schema]
    values += [(example, schema) for schema in schemas for example in schema.get("examples", [])]
    assert values
    assert [fault for value, schema in values for fault in faults(value, schema, document)] == []


@pytest.mark.parametrize("values", [{}, {"with_countries": "1", "countries": "DE"}], ids=["least", "more"])
def test_answers_are_what_their_schemas_say(
    visits_server: RunningServer, document: dict[str, Any], values: dict[str, str]
) -> None:
    sent: Any = _VALUES | values
    for path, method, operation in _operations(document):
        if not path.endswith(".json"):
            continue
        place = "params" if method == "get" else "data"
        response = visits_server.client.request(method, path, headers=_as_admin(visits_server), **{place: sent})
        assert response.status_code == 200, response.text
        assert response.json()["rows"] == len(response.json()["data"])
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert list(faults(response.json(), schema, document)) == []


def test_types_are_called_as_in_answers(visits_server: RunningServer, document: dict[str, Any]) -> None:
    schema = document["paths"]["/v0/pipes/all_types.json"]["get"]["responses"]["200"]["content"]["application/json"]
    columns = schema["schema"]["properties"]["data"]["items"]["properties"]
    answer = visits_server.request("GET", "/v0/pipes/all_types.json").json()
    called = {column["name"]: column["type"] for column in answer["meta"]}
    assert "Tuple(" in called["named_pair"]
    assert {name: column["description"] for name, column in columns.items()} == called


def _as_admin(server: RunningServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


def test_required_parameters_are_those_without_which_a_call_fails(
    visits_server: RunningServer, document: dict[str, Any]
) -> None:
    for path, method, operation in _operations(document):
        if method == "get" and path.endswith(".json"):
            needed = {item["name"] for item in operation["parameters"] if item["required"]}
            response = visits_server.request("GET", path)
            assert (response.status_code == 400) == bool(needed)
            assert all(name in response.text for name in needed)


def test_every_format_answers_with_its_media_type(visits_server: RunningServer, document: dict[str, Any]) -> None:
    for path, _, operation in _operations(document):
        if not path.endswith("{format}"):
            continue
        formats = operation["parameters"][0]["schema"]["enum"]
        assert ("prometheus" in formats) == ("figures" in path)
        media_types = {_answered(visits_server, path.replace("{format}", format_)) for format_ in formats}
        assert media_types == operation["responses"]["200"]["content"].keys()


def _answered(server: RunningServer, path: str) -> str:
    # The values of some types have no form in every format.
    wrap = {"q": "SELECT 1 AS one FROM _"} if "all_types" in path else {}
    response = server.request("GET", path, params=_VALUES | wrap)
    assert response.status_code == 200, response.text
    media_type: str = response.headers["content-type"]
    return media_type


def test_a_refusal_is_what_the_document_says(visits_server: RunningServer, document: dict[str, Any]) -> None:
    operation = document["paths"]["/v0/pipes/top_pages.json"]["get"]
    refusals = [
        visits_server.request("GET", "/v0/pipes/top_pages.json", params={"start": "never"}),
        visits_server.request("GET", "/v0/pipes/top_pages.json", token=visits_server.tokens()["tracker"]),
    ]
    for response in refusals:
        reference = operation["responses"][str(response.status_code)]["$ref"]
        schema = resolved(reference, document)["content"]["application/json"]["schema"]
        assert list(faults(response.json(), schema, document)) == []


def test_an_error_of_the_authors_own_is_announced(visits_server: RunningServer, document: dict[str, Any]) -> None:
    assert "default" in document["paths"]["/v0/pipes/best_page.json"]["get"]["responses"]
    response = visits_server.request("GET", "/v0/pipes/best_page.json", params={"limit": "101"})
    assert (response.status_code, response.json()) == (422, {"error": "too many", "limit": 100})


def test_a_deployment_is_seen_at_once(visits_server: RunningServer) -> None:
    server = visits_server.new_workspace()
    assert server.request("GET", "/v0/pipes/openapi.json").json()["paths"] == {}
    files = dict(project_files())
    assert server.deploy(files).status_code == 200
    before = server.request("GET", "/v0/pipes/openapi.json").json()
    files["pipes/figures.pipe"] = files["pipes/figures.pipe"].replace("AS help", "AS about")
    assert server.deploy(files).status_code == 200
    after = server.request("GET", "/v0/pipes/openapi.json").json()
    assert after["info"]["version"] > before["info"]["version"]
    assert '"about"' in str(after).replace("'", '"')
    assert '"about"' not in str(before).replace("'", '"')


def test_columns_that_a_parameter_names_are_not_promised(visits_server: RunningServer) -> None:
    apart = visits_server.new_workspace()
    sql = "%\n    SELECT 1 AS n{% for name in split_to_array(names, '') %}, 2 AS {{symbol(name)}}{% end %}"
    assert apart.deploy({"named.pipe": f"NODE n\nSQL >\n    {sql}\n\nTYPE endpoint\n"}).status_code == 200
    document = apart.request("GET", "/v0/pipes/openapi.json").json()
    answer = document["paths"]["/v0/pipes/named.json"]["get"]["responses"]["200"]["content"]["application/json"]
    assert answer["schema"]["properties"]["data"]["items"]["required"] == ["n"]
    assert "__no_value__" not in str(document)


def test_it_waits_for_no_thread_that_others_use() -> None:
    project = Project.from_files({"one.pipe": "NODE n\nSQL >\n    SELECT 1 AS n\nTYPE endpoint\n"})
    snapshot = Snapshot(Workspace("w", "main", "default", "2026-01-01"), 1, project, {})
    admin = Caller("w", "t", "admin", frozenset({Scope.parse("ADMIN")}))

    async def found() -> Response:
        free, shared = threading.Event(), ThreadPoolExecutor(1)
        asyncio.get_running_loop().set_default_executor(shared)
        taken = asyncio.ensure_future(asyncio.to_thread(free.wait))
        with ThreadPoolExecutor(1) as thread:
            document = await EndpointDocuments(shared_engine(), thread).response(snapshot, admin, "http://x/")
        free.set()
        await taken
        return document

    assert list(json.loads(bytes(asyncio.run(found()).body))["paths"]) == [
        "/v0/pipes/one.json",
        "/v0/pipes/one.{format}",
    ]
