"""A workspace reads about itself, as `tinybird.NAME`: what was called, written and run in it, and nothing of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import RunningServer, StartServer
from tests.waiting import until

from stonechat.project.service_data_sources import SERVICE_DATA_SOURCES

_FILES = {
    "datasources/visits.datasource": 'TOKEN "reader" READ\nSCHEMA >\n    `n` UInt8 `json:$.n`\n',
    "endpoints/all.pipe": 'TOKEN "reader" READ\nTAGS sales, "für alle"\nNODE out\nSQL >\n    %\n    SELECT n '
    "FROM visits WHERE n >= {{UInt8(least, 0)}}\nTYPE endpoint\n",
    "endpoints/calls.pipe": "NODE out\nSQL >\n    SELECT pipe_name, count() AS calls, max(request_id) AS last "
    "FROM tinybird.pipe_stats_rt WHERE pipe_name = 'all' GROUP BY pipe_name\nTYPE endpoint\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path_factory.mktemp("services") / "home", arguments=("serve",), environment={})
    try:
        assert server.deploy(_FILES).status_code == 200
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


def _rows(server: RunningServer, statement: str, token: str | None = None) -> list[dict[str, Any]]:
    response = server.request("GET", "/v0/sql", params={"q": f"{statement} FORMAT JSON"}, token=token)
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()["data"]
    return rows


def _eventually(
    server: RunningServer, statement: str, token: str | None = None, least: int = 1
) -> list[dict[str, Any]]:
    """Rows of a statement once there are enough: what was recorded a moment ago may take seconds."""
    return until(lambda: rows if len(rows := _rows(server, statement, token)) >= least else None, server.log.read_text)


def _call(server: RunningServer, path: str, request_id: str, token: str | None = None, **params: str) -> int:
    headers = {"X-Request-Id": request_id}
    return server.request("GET", path, params=params, headers=headers, token=token).status_code


def _workspace(server: RunningServer, name: str) -> dict[str, Any]:
    owner = server.client.get("/tokens").json()["user_token"]
    made: dict[str, Any] = server.client.post("/v1/workspaces", params={"name": name, "token": owner}).json()
    return made


@pytest.mark.parametrize("name", sorted(SERVICE_DATA_SOURCES))
def test_each_can_be_read(server: RunningServer, name: str) -> None:
    statement = f"SELECT * FROM `tinybird`.`{name}` LIMIT 1 FORMAT JSON"
    response = server.request("GET", "/v0/sql", params={"q": statement})
    assert response.status_code == 200, response.text
    assert [column["name"] for column in response.json()["meta"]] == list(SERVICE_DATA_SOURCES[name].columns)


def test_a_call_is_recorded_with_who_asked_what(server: RunningServer) -> None:
    reader = server.tokens()["reader"]
    assert _call(server, "/v0/pipes/all.json", "first-call", reader, least="1") == 200
    statement = "SELECT * FROM tinybird.pipe_stats_rt WHERE request_id = 'first-call'"
    (row,) = _eventually(server, statement)
    assert (row["pipe_name"], row["token_name"], row["status_code"], row["error"]) == ("all", "reader", 200, 0)
    assert row["parameters"] == {"least": "1"}
    assert row["url"] == "/v0/pipes/all.json?least=1"
    assert row["resource_tags"] == ["sales", "für alle"]
    assert reader not in str(row)


def test_a_failed_call_is_an_endpoint_error_too(server: RunningServer) -> None:
    assert _call(server, "/v0/pipes/all.json", "failed-call", least="many") == 400
    (row,) = _eventually(server, "SELECT * FROM tinybird.endpoint_errors WHERE request_id = 'failed-call'")
    assert (row["pipe_name"], row["status_code"]) == ("all", 400)
    assert "Error validating 'many' to type UInt8" in row["error"]
    assert row["resource_tags"] == ["sales", "für alle"]
    (call,) = _eventually(server, "SELECT * FROM tinybird.pipe_stats_rt WHERE request_id = 'failed-call'")
    assert (call["error"], call["error_message"]) == (1, row["error"])


def test_statements_are_calls_of_the_query_api(server: RunningServer) -> None:
    assert _call(server, "/v0/sql", "a-statement", q="SELECT 7 AS seven") == 200
    (row,) = _eventually(server, "SELECT * FROM tinybird.pipe_stats_rt WHERE request_id = 'a-statement'")
    assert (row["pipe_name"], row["parameters"]) == ("query_api", {"q": "SELECT 7 AS seven"})


def test_calls_add_up_in_the_statistics_of_the_day(server: RunningServer) -> None:
    assert _call(server, "/v0/pipes/all.json", "counted") == 200
    _eventually(server, "SELECT 1 FROM tinybird.pipe_stats_rt WHERE request_id = 'counted'")
    single = "SELECT (count(), sum(error)) FROM tinybird.pipe_stats_rt WHERE pipe_name = 'all'"
    summed = "SELECT (sum(view_count), sum(error_count)) FROM tinybird.pipe_stats WHERE pipe_name = 'all'"
    # The rows of a batch are in the first a moment before they are in the second.
    _eventually(server, f"SELECT 1 WHERE ({single}) = ({summed})")
    (row,) = _rows(server, "SELECT DISTINCT resource_tags FROM tinybird.pipe_stats WHERE pipe_name = 'all'")
    assert row["resource_tags"] == ["sales", "für alle"]


def test_a_pipe_reads_them_and_its_answers_are_not_kept(server: RunningServer) -> None:
    assert _call(server, "/v0/pipes/all.json", "before-the-pipe") == 200

    def counted() -> int:
        response = server.request("GET", "/v0/pipes/calls.json")
        assert response.status_code == 200, response.text
        assert response.headers["x-cache"] == "bypass"
        return sum(row["calls"] for row in response.json()["data"])

    calls = until(counted)
    wrapped = server.request("GET", "/v0/pipes/calls.json", params={"q": "SELECT sum(calls) AS n FROM _"})
    assert wrapped.json()["data"][0]["n"] >= calls


def test_operations_on_data_sources_are_recorded(server: RunningServer) -> None:
    rows = "\n".join(f'{{"n": {number}}}' for number in (1, 2, 1000))
    assert server.send(rows, name="visits").json() == {"successful_rows": 2, "quarantined_rows": 1}
    taken = "SELECT rows, rows_quarantine FROM tinybird.datasources_ops_log WHERE event_type = 'append-hfi'"
    assert _eventually(server, taken)[0] == {"rows": 2, "rows_quarantine": 1}
    requests = "SELECT requests, errors FROM tinybird.hfi_requests WHERE datasource_name = 'visits'"
    assert _eventually(server, requests)[0] == {"requests": 1, "errors": 0}
    params = {"name": "visits", "mode": "append", "format": "csv"}
    asked = {"X-Request-Id": "import-7"}
    sent = server.request("POST", "/v0/datasources", params=params, content="n\n7\n", headers=asked)
    assert sent.status_code == 200, sent.text
    (row,) = _eventually(server, "SELECT * FROM tinybird.datasources_ops_log WHERE event_type = 'append'")
    assert (row["datasource_name"], row["result"], row["rows"]) == ("visits", "ok", 1)
    assert row["import_id"] == sent.json()["import_id"]
    assert row["job_id"] in {job["id"] for job in server.request("GET", "/v0/jobs").json()["jobs"]}
    assert row["written_bytes"] == sent.json()["statistics"]["bytes"] == len('{"n":7}\n')
    blocks = f"SELECT * FROM tinybird.block_log WHERE import_id = '{row['import_id']}'"
    (block,) = _eventually(server, blocks)
    assert (block["status"], block["source"], block["rows"], block["quarantine_lines"]) == ("done", "body", 1, 0)
    assert (block["start_offset"], block["end_offset"], block["bytes"], block["parser"]) == (0, 4, 4, "csv")
    (job,) = _eventually(server, f"SELECT * FROM tinybird.jobs_log FINAL WHERE job_id = '{row['job_id']}'")
    assert (row["request_id"], block["request_id"], job["request_id"]) == ("import-7",) * 3


def test_each_operation_names_the_request_that_asked_for_it(server: RunningServer) -> None:
    own = server.new_workspace()
    copy = "NODE n\nSQL >\n    SELECT n FROM visits\nTYPE copy\nTARGET_DATASOURCE copied\n"
    assert own.deploy({**_FILES, "copied.datasource": "SCHEMA >\n    `n` UInt8\n", "c.pipe": copy}).status_code == 200
    assert own.send('{"n": 1}\n{"n": "no"}', name="visits").status_code == 200
    asked = {
        "copy": ("/v0/pipes/c/copy", {}),
        "delete": ("/v1/datasources/visits/delete", {"delete_condition": "n = 1"}),
        "append": ("/v0/datasources/visits/quarantine/retry", {}),
        "truncate": ("/v0/datasources/visits/truncate", {}),
    }
    for name, (path, params) in asked.items():
        answer = own.request("POST", path, params=params, headers={"X-Request-Id": f"{name}-request"})
        assert answer.is_success, answer.text
    statement = "SELECT event_type, request_id FROM tinybird.datasources_ops_log WHERE request_id != ''"
    found = {row["event_type"]: row["request_id"] for row in _eventually(own, statement, least=len(asked))}
    assert found == {name: f"{name}-request" for name in asked}


def test_operations_carry_the_tags_of_their_data_source_and_the_conditions_of_their_callers(
    server: RunningServer,
) -> None:
    own = server.new_workspace()
    files = {"tagged.datasource": "TAGS sales, raw\nSCHEMA >\n    `n` UInt8 `json:$.n`\n"}
    assert own.deploy(files).status_code == 200
    assert own.send('{"n": 1}\n{"n": "no"}', name="tagged").status_code == 200
    path, some = "/v1/datasources/tagged", {"replace_condition": "n = 2", "format": "csv"}
    assert own.request("POST", f"{path}/replace", params=some, content="n\n2\nno\n").json()["status"] == "done"
    assert own.request("POST", f"{path}/delete", data={"delete_condition": "n = 1"}).json()["rows_affected"] == 1
    found = {row["event_type"]: row for row in _eventually(own, "SELECT * FROM tinybird.datasources_ops_log", least=4)}
    assert set(found) == {"create", "append-hfi", "replace", "delete"}
    assert all(row["resource_tags"] == ["sales", "raw"] for row in found.values())
    replaced, deleted = found["replace"], found["delete"]
    assert (replaced["Options.Names"], replaced["written_bytes"]) == (["replace_condition"], len('{"n":2}\n'))
    assert replaced["written_bytes_quarantine"] > 0
    assert (deleted["Options.Names"], deleted["rows"], bool(deleted["job_id"])) == (["delete_condition"], 1, True)


def test_what_a_deployment_does_to_data_sources_is_recorded(server: RunningServer) -> None:
    extra = {"datasources/extra.datasource": "SCHEMA >\n    `a` UInt8 `json:$.a`\n"}
    for files in (_FILES | extra, _FILES):
        assert server.deploy(files, allow_destructive_operations="true").status_code == 200
    statement = (
        "SELECT event_type FROM tinybird.datasources_ops_log WHERE datasource_name = 'extra' ORDER BY event_type"
    )
    assert [row["event_type"] for row in _eventually(server, statement, least=2)] == ["create", "delete"]


def test_rows_that_a_deployment_computes_are_recorded(server: RunningServer) -> None:
    own = server.new_workspace()
    text = "SCHEMA >\n    `n` UInt32 `json:$.n`,\n    `m` UInt32 `json:$.m`\n\nENGINE_SORTING_KEY {}\n"
    assert own.deploy({"pairs.datasource": text.format("n")}).status_code == 200
    assert own.send('{"n":1,"m":2}\n{"n":3,"m":4}', name="pairs").status_code == 200
    assert own.deploy({"pairs.datasource": text.format("m, n")}).status_code == 200
    statement = (
        "SELECT datasource_name, result, rows FROM tinybird.datasources_ops_log "
        "WHERE event_type = 'deployment_backfill'"
    )
    assert _eventually(own, statement) == [{"datasource_name": "pairs", "result": "ok", "rows": 2}]


def test_what_a_data_source_holds_is_measured(server: RunningServer) -> None:
    made = _workspace(server, "measured")
    parts = [("data_project://", (name, text.encode(), "text/plain")) for name, text in _FILES.items()]
    assert server.request("POST", "/v1/build", token=made["token"], files=parts).status_code == 200
    statement = (
        "SELECT DISTINCT datasource_name, rows FROM tinybird.datasources_storage WHERE datasource_name = 'visits'"
    )
    assert _eventually(server, statement, made["token"])[0]["rows"] == 0


def test_a_workspace_sees_itself_alone(server: RunningServer) -> None:
    other = _workspace(server, "elsewhere")["token"]
    assert _call(server, "/v0/sql", "mine-alone", q="SELECT 'of the first'") == 200
    assert _call(server, "/v0/sql", "theirs-alone", other, q="SELECT 'of the other'") == 200
    both = "SELECT request_id FROM tinybird.pipe_stats_rt WHERE request_id LIKE '%-alone'"
    assert _eventually(server, both, other) == [{"request_id": "theirs-alone"}]
    assert _eventually(server, both) == [{"request_id": "mine-alone"}]


def test_a_deleted_workspace_takes_its_own_along(start_server: StartServer) -> None:
    server = start_server()
    made = _workspace(server, "passing")
    owner = server.client.get("/tokens").json()["user_token"]
    assert _call(server, "/v0/sql", "in-passing", made["token"], q="SELECT 1") == 200
    _eventually(server, "SELECT 1 FROM tinybird.pipe_stats_rt WHERE request_id = 'in-passing'", made["token"])

    def databases() -> set[str]:
        return {path.name for path in (server.home / "engine" / "metadata").iterdir() if path.suffix == ".sql"}

    before = databases()
    params = {"hard_delete_confirmation": "yes"}
    gone = server.request("DELETE", f"/v1/workspaces/{made['id']}", params=params, token=owner)
    assert gone.status_code == 200, gone.text
    assert len(before - databases()) == 2
    assert _call(server, "/v0/sql", "after-it", q="SELECT 1") == 200
    _eventually(server, "SELECT 1 FROM tinybird.pipe_stats_rt WHERE request_id = 'after-it'")
    assert len(before - databases()) == 2


def test_what_is_open_to_a_token_is_what_its_scopes_name(server: RunningServer) -> None:
    params = {"name": "watcher", "scope": "DATASOURCES:READ:tinybird.jobs_log"}
    made = server.request("POST", "/v0/tokens", params=params)
    assert made.status_code == 200, made.text
    watcher, reader = made.json()["token"], server.tokens()["reader"]
    counted = "SELECT count() >= 0 AS there FROM tinybird.jobs_log"
    assert _rows(server, counted, watcher) == _rows(server, counted)
    for statement, token in (
        ("SELECT 1 FROM tinybird.pipe_stats_rt", watcher),
        ("SELECT 1 WHERE 'x' IN (SELECT token FROM tinybird.pipe_stats_rt)", watcher),
        ("SELECT 1 WHERE 'x' IN tinybird.pipe_stats_rt", watcher),
        ("WITH tinybird AS (SELECT 1) SELECT 1 FROM tinybird.pipe_stats_rt", watcher),
        ("SELECT 1 FROM tinybird.jobs_log, tinybird.pipe_stats_rt", watcher),
        ("SELECT 1 FROM tinybird.jobs_log", reader),
    ):
        response = server.request("GET", "/v0/sql", params={"q": statement}, token=token)
        assert response.status_code == 403, statement
        assert "not found" in response.json()["error"]


@pytest.mark.parametrize("name", ["tinybird.nothing", "tinybird.pipe_stats_view", "organization.pipe_stats_rt"])
def test_others_do_not_exist(server: RunningServer, name: str) -> None:
    response = server.request("GET", "/v0/sql", params={"q": f"SELECT * FROM {name}"})
    assert response.status_code == 403
    assert response.json()["error"] == f"Resource '{name}' not found."


def test_they_outlast_deployments_and_kills(start_server: StartServer) -> None:
    server = start_server()
    assert server.deploy(_FILES).status_code == 200
    assert _call(server, "/v0/pipes/all.json", "long-ago") == 200
    statement = "SELECT count() AS n FROM tinybird.pipe_stats_rt WHERE request_id = 'long-ago' HAVING n = 1"
    _eventually(server, statement)
    files = _FILES | {"datasources/extra.datasource": "SCHEMA >\n    `a` UInt8 `json:$.a`\n"}
    assert server.deploy(files).status_code == 200
    server.kill()
    assert _rows(start_server(), statement) == [{"n": 1}]


def test_without_telemetry_they_are_there_and_empty(start_server: StartServer) -> None:
    server = start_server(STONECHAT_TELEMETRY="off")
    assert server.deploy(_FILES).status_code == 200
    assert _call(server, "/v0/pipes/all.json", "unseen") == 200
    assert server.rows("/v0/pipes/calls.json") == []
    assert _rows(server, "SELECT count() AS n FROM tinybird.pipe_stats_rt") == [{"n": 0}]
