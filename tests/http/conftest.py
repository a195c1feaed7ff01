"""One server with the corpus' project for the tests of a module that reads descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.conftest import NO_TELEMETRY, RunningServer
from tests.http.describing import VISITS, project_files


@pytest.fixture(scope="module")
def visits_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with three visits that fit and one in the quarantine; its tokens are `reader` and `tracker`."""
    server = RunningServer(tmp_path_factory.mktemp("visits") / "home", arguments=("serve",), environment=NO_TELEMETRY)
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


TENANTS_PROJECT = {
    "datasources/visits.datasource": """
TOKEN "line" READ

SCHEMA >
    tenant String `json:$.tenant`,
    secret String `json:$.secret`,
    n UInt32 `json:$.n`

ENGINE MergeTree
ENGINE_SORTING_KEY tenant
""",
    "datasources/plans.datasource": """
SCHEMA >
    tenant String `json:$.tenant`,
    plan String `json:$.plan`

ENGINE MergeTree
ENGINE_SORTING_KEY tenant
""",
    "endpoints/visits_of.pipe": """
NODE hits
SQL >
    %
    SELECT tenant, secret, n FROM visits WHERE tenant = {{String(tenant, 'a', description='Whose')}}

NODE output
SQL >
    %
    SELECT * FROM hits WHERE n >= {{UInt32(least, 0)}} ORDER BY n
TYPE endpoint
""",
    "endpoints/all_visits.pipe": """
NODE output
SQL >
    SELECT tenant, secret, n FROM visits
TYPE endpoint
""",
}
TENANT_ROWS = [
    *({"tenant": "a", "secret": f"{number}", "n": number} for number in range(3)),
    *({"tenant": "b", "secret": f"HIDDEN{number}", "n": 100 + number} for number in range(4)),
]


@pytest.fixture(scope="module")
def tenants_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the rows of two tenants, `a` and `b`, in `visits`; those of `b` say HIDDEN."""
    server = RunningServer(tmp_path_factory.mktemp("tenants") / "home", arguments=("serve",), environment=NO_TELEMETRY)
    try:
        response = server.deploy(TENANTS_PROJECT)
        assert response.status_code == 200, response.text
        broken = {"tenant": "b", "secret": "HIDDEN-BROKEN", "n": -1}
        receipt = server.send("\n".join(map(json.dumps, [*TENANT_ROWS, broken])), name="visits")
        assert receipt.json() == {"successful_rows": 7, "quarantined_rows": 1}
        plans = [{"tenant": "a", "plan": "free"}, {"tenant": "b", "plan": "gold"}]
        server.send("\n".join(map(json.dumps, plans)), name="plans")
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()
