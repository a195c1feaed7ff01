"""The unmodified Python clients: two SDKs, and the MCP server that language models use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.clients.conftest import INSTALLED, PROJECT
from tests.conftest import RunningServer

_SOURCE = Path(__file__).parent / "python"
_BUFFERED = """
import sys
from tb.datasource import Datasource

with Datasource("orders", sys.argv[2], api_url=sys.argv[1]) as orders:
    for number in range(250):
        orders << {"at": "2024-05-01 00:00:00", "customer": "sdk", "amount": number, "items": []}
"""


def _run(kind: str, command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> str:
    environment = {"PATH": f"{INSTALLED / kind / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "CI": "1"}
    environment |= {"TB_CLI_TELEMETRY_OPTOUT": "1", "TB_VERSION_WARNING": "0", **variables}
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def shop(server: RunningServer) -> RunningServer:
    """A server with the shop and its three orders."""
    paths = [path for path in PROJECT.rglob("*.*") if path.suffix in {".datasource", ".pipe", ".connection"}]
    response = server.deploy({path.relative_to(PROJECT).as_posix(): path.read_text() for path in paths})
    assert response.status_code == 200, response.text
    assert server.send((PROJECT / "fixtures" / "orders.ndjson").read_bytes(), name="orders").status_code == 200
    return server


def test_the_buffering_sdk_loses_no_row(shop: RunningServer, tmp_path: Path) -> None:
    _run("tb", ["python", "-c", _BUFFERED, shop.url, shop.token], tmp_path, {})
    deadline = time.monotonic() + 10
    statement = "SELECT count() FROM orders WHERE customer = 'sdk'"
    while shop.value(statement) != 250 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert shop.value(statement) == 250


@pytest.fixture(scope="module")
def answers(shop: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What the MCP server answers to each of its tools."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("list-data-sources", {}),
        ("get-data-source", {"datasource_id": "orders"}),
        ("list-pipes", {}),
        ("get-pipe", {"pipe_id": "sales"}),
        ("request-pipe-data", {"pipe_id": "sales", "params": {"since": "2024-01-02"}}),
        ("run-select-query", {"select_query": "SELECT customer FROM orders WHERE amount = 12.5"}),
        ("analyze-pipe", {"pipe_name": "sales"}),
        ("save-event", {"datasource_name": "orders", "data": '{"at":"2024-06-01 00:00:00","customer":"mcp"}'}),
    ]
    variables = {"TB_API_URL": shop.url, "TB_ADMIN_TOKEN": shop.token}
    command = ["python", str(_SOURCE / "mcp_client.py"), json.dumps(calls)]
    printed = _run("tb", command, tmp_path_factory.mktemp("mcp"), variables)
    texts = json.loads(printed.strip().splitlines()[-1])["answers"]
    return dict(zip([tool for tool, _ in calls], texts, strict=True))


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("list-data-sources", "orders_by_day"),
        ("get-data-source", "amount"),
        ("list-pipes", "sales"),
        ("get-pipe", "totals"),
        ("request-pipe-data", "7.25"),
        ("run-select-query", "ann"),
        ("analyze-pipe", "orders_by_day"),
        ("save-event", "quarantined_rows"),
    ],
)
def test_every_tool_for_language_models_answers(answers: Mapping[str, str], tool: str, expected: str) -> None:
    assert expected in answers[tool]
    assert not answers[tool].startswith("Error")


def test_a_project_written_in_python_is_built_deployed_and_used(server: RunningServer, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    shutil.copytree(_SOURCE / "sdk", folder)
    variables = {"TINYBIRD_URL": server.url, "TINYBIRD_TOKEN": server.token}
    variables |= {"TB_HOST": server.url, "TB_LOCAL_HOST": "127.0.0.1", "TB_LOCAL_PORT": str(server.port)}
    destructive = "--allow-destructive-operations"
    assert "page_views" in _run("python-sdk", ["tinybird", "build"], folder, variables)
    variables["TB_TOKEN"] = server.token
    assert "is live" in _run("python-sdk", ["tinybird", "--cloud", "deploy", destructive], folder, variables)
    assert "No changes" in _run("python-sdk", ["tinybird", "--cloud", "deploy", destructive], folder, variables)
    seen = json.loads(_run("python-sdk", ["python", "api.py"], folder, variables))
    assert seen["ingested"] == {"successful_rows": 1, "quarantined_rows": 0}
    assert seen["top"] == [{"pathname": "/home", "views": 1}]
    assert seen["sql"] == [{"total": 1}]
    assert seen["dry_run"]["rows_to_be_deleted"] == 1
    assert seen["after_truncate"] == [{"total": 0}]
