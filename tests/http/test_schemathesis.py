"""Calls made up from the OpenAPI document: none fails inside the server, none is answered in an undocumented way."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi import checks as described
from tests.conftest import RunningServer


def test_calls_are_answered_as_the_document_says(visits_server: RunningServer) -> None:
    document = visits_server.request("GET", "/v0/pipes/openapi.json").json()
    found: Any = schemathesis.openapi.from_dict(document).get_all_operations()
    operations = [result.ok() for result in found]
    assert len(operations) == 3 * len([path for path in document["paths"] if path.endswith(".json")])
    for operation in operations:
        _call(operation, visits_server)


def _call(operation: Any, server: RunningServer) -> None:
    checks = [
        schemathesis.checks.not_a_server_error,
        described.status_code_conformance,
        described.content_type_conformance,
        described.response_schema_conformance,
    ]
    headers = {"Authorization": f"Bearer {server.token}"}

    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def calls(case: Any) -> None:
        case.call_and_validate(checks=checks, base_url=server.url, headers=headers)

    calls()
