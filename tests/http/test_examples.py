"""The address of an endpoint that clients show answers as it stands."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from tests.conftest import RunningServer


@pytest.mark.parametrize("extension", ["json", "ndjson", "csv"])
def test_the_address_of_an_endpoint_answers(tenants_server: RunningServer, extension: str) -> None:
    params = {"pipe": "visits_of", "format": extension, "q": "", "token": tenants_server.token}
    shown = tenants_server.client.get("/examples/query.http", params=params)
    assert shown.headers["content-type"].startswith("text/plain")
    assert "tenant=a&least=0" in shown.text or "least=0&tenant=a" in shown.text
    answer = tenants_server.client.get(shown.text)
    assert answer.status_code == 200
    assert urlsplit(shown.text).path == f"/v0/pipes/visits_of.{extension}"


def test_a_statement_over_the_endpoint_goes_with_it(tenants_server: RunningServer) -> None:
    params = {"pipe": "visits_of", "q": "SELECT count() AS c FROM _ WHERE secret != 'ü & ?'"}
    shown = tenants_server.request("GET", "/examples/query.http", params=params)
    assert tenants_server.request("GET", shown.text).json()["data"] == [{"c": 3}]


def test_whoever_may_not_call_the_endpoint_gets_no_address(tenants_server: RunningServer) -> None:
    path = "/examples/query.http?pipe=visits_of"
    assert tenants_server.client.get(path).status_code == 403
    assert tenants_server.request("GET", path, token=tenants_server.tokens()["line"]).status_code == 403
    assert tenants_server.request("GET", "/examples/query.http?pipe=nothing").status_code == 404
    assert tenants_server.request("GET", "/examples/query.http?pipe=visits_of&format=exe").status_code == 404
