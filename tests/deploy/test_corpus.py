"""Each folder of the corpus is a deployment, and what comes of it.

`before/` is the project that is live, `rows/NAME.ndjson` what its data source of that name has been sent, `after/` the
project that is deployed, with data loss allowed where the case has a file `destructive`, and `later/NAME.ndjson` what
is sent afterwards. `expected.txt` has the explanation, and then what every data source holds, states of aggregates
finalized; or all the problems. A new case is a new folder; STONECHAT_REWRITE_EXPECTED=1 has its expected text written,
to be read before it is kept.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer

from stonechat.project.loader import load_folder
from stonechat.project.model import Project
from stonechat.sql.quoting import identifier

CORPUS = Path(__file__).parent / "corpus"
_SIZE = re.compile(r"\([\d.]+ k?B\)")


@pytest.mark.parametrize("folder", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_a_deployment_does_what_is_expected(folder: Path, module_server: RunningServer) -> None:
    outcome = _World(module_server, folder).outcome()
    expected = folder / "expected.txt"
    if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
        expected.write_text(outcome, encoding="utf-8")
    assert outcome == expected.read_text(encoding="utf-8")


class _World:
    """A workspace of its own for one case."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        user_token = server.client.get("/tokens").json()["user_token"]
        made = server.request("POST", "/v1/workspaces", params={"name": folder.name}, token=user_token)
        self._token: str = made.json()["token"]
        self._project = Project.empty()

    def outcome(self) -> str:
        assert self._deploy("before")["result"] == "success"
        self._send("rows")
        held = self._contents()
        checked = self._deploy("after", check="true")
        assert self._contents() == held, "a check changes nothing"
        body = self._deploy("after")
        if body["result"] == "failed":
            assert self._contents() == held, "a deployment that is refused changes nothing"
            return "\n\n".join(map(_told, body["errors"])) + "\n"
        assert (checked["result"], checked["deployment"]["plan"]) == (body["result"], body["deployment"]["plan"])
        self._project = Project.from_files(load_folder(self._folder / "after"))
        self._send("later")
        explained = "\n".join(_SIZE.sub("(some)", line) for line in body["deployment"]["plan"])
        return f"{explained}\n\n{self._contents()}"

    def _deploy(self, name: str, **params: str) -> dict[str, Any]:
        files = load_folder(self._folder / name)
        if (self._folder / "destructive").exists():
            params["allow_destructive_operations"] = "true"
        parts = [("data_project://", (path, text.encode(), "text/plain")) for path, text in files.items()]
        params = {"auto_promote": "true", **params}
        response = self._server.request("POST", "/v1/deploy", params=params, files=parts, token=self._token)
        if name == "before":
            self._project = Project.from_files(files)
        body: dict[str, Any] = response.json()
        return body

    def _send(self, folder: str) -> None:
        for file in sorted((self._folder / folder).glob("*.ndjson")):
            answer = self._server.send(file.read_bytes(), name=file.stem, token=self._token).json()
            assert answer == {"successful_rows": file.read_text().count("\n"), "quarantined_rows": 0}

    def _contents(self) -> str:
        """The rows of every data source, in the order of all columns."""
        return "\n".join(self._rows(name) for name in sorted(self._project.data_sources)) + "\n"

    def _rows(self, name: str) -> str:
        source = self._project.data_sources[name]
        columns = [
            f"finalizeAggregation({identifier(column.name)}) AS {identifier(column.name)}"
            if column.type.name == "AggregateFunction"
            else identifier(column.name)
            for column in source.columns
        ]
        final = " FINAL" if source.engine.name not in {"MergeTree", "Null"} else ""
        statement = f"SELECT {', '.join(columns)} FROM {identifier(name)}{final} ORDER BY ALL FORMAT JSON"
        response = self._server.request("GET", "/v0/sql", params={"q": statement}, token=self._token)
        assert response.status_code == 200, response.text
        rows = (json.dumps(row, ensure_ascii=False) for row in response.json()["data"])
        return "\n".join([f"{name}:", *(f"  {row}" for row in rows)])


def _told(problem: dict[str, Any]) -> str:
    return f"{problem['code']} {problem['error']}"
