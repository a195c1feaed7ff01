"""A data folder that an earlier version left serves on, whatever this version would have made of its project."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from tests.conftest import StartServer

_SOURCE = "SCHEMA >\n    id UInt8 `json:$.id`\nENGINE_SORTING_KEY id\n"
_KAFKA = "KAFKA_CONNECTION_NAME broker\nKAFKA_TOPIC topic\nKAFKA_GROUP_ID group\n"
_PROJECT = {
    "broker.connection": "TYPE kafka\nKAFKA_BOOTSTRAP_SERVERS localhost:9092\n",
    "messages.datasource": _SOURCE,
    "seen.datasource": "SCHEMA >\n    id UInt8\nENGINE_SORTING_KEY id\n",
    "view.pipe": "NODE n\nSQL >\n    SELECT id FROM messages\nTYPE materialized\nDATASOURCE seen\n",
    "all.pipe": "NODE n\nSQL >\n    SELECT * FROM messages ORDER BY id\nTYPE endpoint\n",
}
_ADDED = {"__value": "", "__topic": "", "__partition": 0, "__offset": 0, "__key": ""}


def test_a_source_without_the_columns_of_its_connector_serves_on_and_gets_them_with_the_next_deployment(
    start_server: StartServer,
) -> None:
    server = start_server()
    assert server.deploy(_PROJECT).status_code == 200
    server.send(json.dumps({"id": 1}), name="messages")
    server.kill()
    project = {**_PROJECT, "messages.datasource": _SOURCE + _KAFKA}
    _deployed_by_another_version(server.home, project)

    server = start_server()
    assert server.send('{"id": 2}\n{"id": "none"}', name="messages").json() == {
        "successful_rows": 1,
        "quarantined_rows": 1,
    }
    assert server.rows("/v0/pipes/all.json") == [{"id": 1}, {"id": 2}]
    assert server.rows("/v0/sql", q="SELECT id FROM seen ORDER BY id FORMAT JSON") == [{"id": 1}, {"id": 2}]
    assert server.deploy(project).json()["deployment"]["changed_datasource_names"] == ["messages"]
    assert server.send('{"id": 3}\n{"id": "none"}', name="messages").json()["quarantined_rows"] == 1

    for restarts in (False, True):
        if restarts:
            server.kill()
            server = start_server()
        rows = server.rows("/v0/pipes/all.json")
        assert [{key: row[key] for key in ("id", *_ADDED)} for row in rows] == [
            {"id": number, **_ADDED} for number in (1, 2, 3)
        ]
        assert server.rows("/v0/sql", q="SELECT count() AS n FROM messages_quarantine FORMAT JSON") == [{"n": 2}]
        assert server.rows("/v0/sql", q="SELECT id FROM seen ORDER BY id FORMAT JSON") == [
            {"id": number} for number in (1, 2, 3)
        ]


def test_types_of_secrets_that_changed_meanwhile_come_with_the_next_deployment(start_server: StartServer) -> None:
    server = start_server()
    files = {"messages.datasource": "SCHEMA >\n    id {{ tb_secret('TYPE') }} `json:$.id`\nENGINE_SORTING_KEY id\n"}
    server.request("POST", "/v0/variables", data={"name": "TYPE", "value": "UInt8"})
    assert server.deploy(files).status_code == 200
    server.request("PUT", "/v0/variables/TYPE", data={"value": "UInt16"})
    for changed in (False, True):
        assert server.stop() == 0
        server = start_server()
        verdict = server.send('{"id": 1}\n{"id": 300}', name="messages").json()
        assert verdict == {"successful_rows": 1 + changed, "quarantined_rows": 1 - changed}
        answer = server.deploy(files).json()["deployment"]
        assert answer["changed_datasource_names"] == ([] if changed else ["messages"])
    assert server.request("DELETE", "/v0/variables/TYPE").status_code == 200
    assert server.stop() == 0
    server = start_server()
    assert server.send('{"id": 300}', name="messages").json() == {"successful_rows": 1, "quarantined_rows": 0}


def test_what_is_live_stays_so_when_it_would_be_refused_by_now_and_the_log_tells_why(start_server: StartServer) -> None:
    server = start_server()
    assert server.deploy(_PROJECT).status_code == 200
    server.send(json.dumps({"id": 1}), name="messages")
    assert server.stop() == 0
    broken = {**_PROJECT, "lost.pipe": "NODE n\nSQL >\n    SELECT * FROM nothing\nTYPE endpoint\n"}
    _deployed_by_another_version(server.home, broken)

    server = start_server()
    assert server.rows("/v0/pipes/all.json") == [{"id": 1}]
    assert server.request("GET", "/v0/pipes/lost.json").status_code == 400
    assert "lost.pipe:3:19" in server.log.read_text("utf-8")
    assert server.deploy(broken).status_code == 400
    assert server.deploy(_PROJECT).json()["deployment"]["deleted_pipe_names"] == ["lost"]


def _deployed_by_another_version(home: Path, files: Mapping[str, str]) -> None:
    with closing(sqlite3.connect(home / "state.sqlite")) as store:
        store.execute("UPDATE deployments SET files = ? WHERE live", [json.dumps(files)])
        store.commit()
