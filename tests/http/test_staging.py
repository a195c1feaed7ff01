"""A deployment beside the live one is written, read, promoted and discarded, and nobody else notices."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import RunningServer, StartServer
from tests.waiting import until

_EVENTS = """SCHEMA >
    `kind` String `json:$.kind`,
    `n` UInt32 `json:$.n`

ENGINE "MergeTree"
ENGINE_SORTING_KEY "kind"
"""
_WIDER = _EVENTS.replace("`kind`", "`more` String `json:$.more` DEFAULT 'none',\n    `kind`", 1)
_SUMS = """SCHEMA >
    `kind` String,
    `total` UInt64

ENGINE "SummingMergeTree"
ENGINE_SORTING_KEY "kind"
"""
_SUMMING = """NODE summed
SQL >
    SELECT kind, sum(n) AS total FROM events GROUP BY kind

TYPE materialized
DATASOURCE sums
"""
_PROJECT = {"events.datasource": _EVENTS, "sums.datasource": _SUMS, "summing.pipe": _SUMMING}
_WANTED = {
    **_PROJECT,
    "events.datasource": _WIDER,
    "added.datasource": _EVENTS,
    "counted.pipe": "NODE n\nSQL >\n    SELECT count() AS rows FROM events WHERE more != ''\nTYPE endpoint\n",
}
_STAGING = {"__tb__deployment": "staging"}


@pytest.fixture
def server(module_server: RunningServer) -> RunningServer:
    server = module_server.new_workspace()
    assert server.deploy(_PROJECT).json()["result"] == "success"
    server.send(_rows(1, 2), name="events")
    return server


def _rows(*numbers: int) -> str:
    return "\n".join(json.dumps({"kind": "k", "n": n, "more": f"m{n}"}) for n in numbers)


def _stage(server: RunningServer) -> str:
    body = server.deploy(_WANTED, auto_promote="false").json()
    assert (body["result"], body["deployment"]["status"]) == ("success", "data_ready"), body
    assert body["deployment"]["live"] is False
    return str(body["deployment"]["id"])


def _values(server: RunningServer, statement: str, **params: str) -> list[Any]:
    answer = server.request("GET", "/v0/sql", params={"q": f"{statement} FORMAT JSONCompact", **params})
    assert answer.status_code == 200, answer.text
    return [value for (value,) in answer.json()["data"]]


def _live(server: RunningServer) -> str:
    (live,) = server.request("GET", "/v1/deployments").json()["deployments"]
    return str(live["id"])


def test_what_is_written_goes_to_both(server: RunningServer) -> None:
    _stage(server)
    server.send(_rows(3), name="events")
    assert _values(server, "SELECT n FROM events ORDER BY n") == [1, 2, 3]
    assert _values(server, "SELECT more FROM events ORDER BY n", **_STAGING) == ["none", "none", "m3"]
    assert _values(server, "SELECT toInt32(sum(total)) FROM sums") == [6]
    assert _values(server, "SELECT toInt32(sum(total)) FROM sums", **_STAGING) == [6]


def test_each_judges_events_by_its_own_schema(module_server: RunningServer) -> None:
    server = module_server.new_workspace()
    assert server.deploy({"events.datasource": _EVENTS}).status_code == 200
    strict = _EVENTS.replace("`n` UInt32", "`must` UInt8 `json:$.must`,\n    `n` UInt32")
    assert server.deploy({"events.datasource": strict}, auto_promote="false").status_code == 200
    sent = [{"kind": "both", "n": 1, "must": 1}, {"kind": "live", "n": 2}, {"kind": "staged", "n": -1, "must": 1}]
    answer = server.send("\n".join(map(json.dumps, sent)), name="events")
    assert answer.json() == {"successful_rows": 2, "quarantined_rows": 1}
    assert _values(server, "SELECT kind FROM events ORDER BY n") == ["both", "live"]
    assert _values(server, "SELECT kind FROM events_quarantine") == ["staged"]
    assert _values(server, "SELECT kind FROM events ORDER BY n", **_STAGING) == ["both"]
    rejected = _values(server, "SELECT kind FROM events_quarantine ORDER BY kind", **_STAGING)
    assert rejected == ["live", "staged"]


def test_endpoints_of_a_staged_deployment_answer_those_who_ask_for_it(server: RunningServer) -> None:
    _stage(server)
    assert server.request("GET", "/v0/pipes/counted.json").status_code == 404
    assert server.request("GET", "/v0/pipes/counted.json", params=_STAGING).json()["data"] == [{"rows": 2}]
    names = [each["name"] for each in server.request("GET", "/v0/datasources", params=_STAGING).json()["datasources"]]
    assert names == ["added", "events", "sums"]


def test_events_for_the_staged_deployment_stay_there(server: RunningServer) -> None:
    _stage(server)
    server.send(_rows(5), name="events", params=_STAGING)
    server.send(_rows(6), name="added", params=_STAGING)
    assert server.send(_rows(6), name="added").status_code == 404
    assert _values(server, "SELECT n FROM events ORDER BY n") == [1, 2]
    assert _values(server, "SELECT n FROM events ORDER BY n", **_STAGING) == [1, 2, 5]
    assert _values(server, "SELECT n FROM added", **_STAGING) == [6]


def test_files_for_the_staged_deployment_stay_there(server: RunningServer) -> None:
    _stage(server)
    for name in ("events", "added"):
        params = {"mode": "append", "name": name, "format": "ndjson", **_STAGING}
        answer = server.request("POST", "/v0/datasources", params=params, content=_rows(5))
        assert (answer.status_code, answer.json()["successful_rows"]) == (200, 1), answer.text
        path = f"/v1/datasources/{name}/append"
        job = server.request("POST", path, params={"format": "ndjson", **_STAGING}, content=_rows(6)).json()
        _until_done(server, job["id"])
    assert _values(server, "SELECT n FROM events ORDER BY n") == [1, 2]
    assert _values(server, "SELECT n FROM events ORDER BY n", **_STAGING) == [1, 2, 5, 6]
    assert _values(server, "SELECT more FROM events WHERE n = 6", **_STAGING) == ["m6"], "by the staged schema"
    assert _values(server, "SELECT n FROM added ORDER BY n", **_STAGING) == [5, 6]


def _until_done(server: RunningServer, identity: str) -> None:
    deadline = time.monotonic() + 60
    while (job := server.request("GET", f"/v0/jobs/{identity}").json())["status"] in {"waiting", "working"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert job["status"] == "done", job


@pytest.mark.parametrize("name", ["events", "added", "sums"])
def test_nothing_is_removed_for_a_staged_deployment(server: RunningServer, name: str) -> None:
    _stage(server)
    path = f"/v0/datasources/{name}"
    asked = [
        ("POST", f"{path}/truncate", {}),
        ("POST", f"{path}/delete", {"delete_condition": "1"}),
        ("POST", f"/v1/datasources/{name}/delete", {"delete_condition": "1"}),
        ("POST", f"/v1/datasources/{name}/replace", {}),
        ("POST", "/v0/datasources", {"mode": "replace", "name": name}),
        ("POST", f"{path}/quarantine/retry", {}),
    ]
    for method, route, params in asked:
        answer = server.request(method, route, params={**params, **_STAGING}, content=b"")
        assert (answer.status_code, answer.json()["code"]) == (409, "SC317"), answer.text
    assert _values(server, "SELECT n FROM events ORDER BY n") == [1, 2]
    assert _values(server, "SELECT toInt32(sum(total)) FROM sums") == [3]


def test_a_promotion_makes_it_live_with_all_that_was_written(server: RunningServer) -> None:
    former = _live(server)
    identity = _stage(server)
    server.send(_rows(3), name="events")
    body = server.request("POST", f"/v1/deployments/{identity}/set-live").json()
    assert (body["deployment"]["live"], body["deployment"]["status"]) == (True, "data_ready")
    server.send(_rows(4), name="events")
    assert _values(server, "SELECT more FROM events ORDER BY n") == ["none", "none", "m3", "m4"]
    assert _values(server, "SELECT toInt32(sum(total)) FROM sums") == [10]
    listed = server.request("GET", "/v1/deployments", params={"history": "true"}).json()["deployments"]
    assert [(each["id"], each["live"], each["status"]) for each in listed] == [
        (identity, True, "data_ready"),
        (former, False, "deleted"),
    ]
    assert server.request("POST", f"/v1/deployments/{identity}/set-live").json()["code"] == "SC706"
    assert server.request("DELETE", f"/v1/deployments/{identity}").json()["code"] == "SC706"


def test_a_discarded_deployment_leaves_nothing(server: RunningServer) -> None:
    identity = _stage(server)
    server.send(_rows(3), name="events")
    body = server.request("DELETE", f"/v1/deployments/{identity}").json()
    assert body["deployment"]["status"] == "deleted"
    server.send(_rows(4), name="events")
    assert _values(server, "SELECT n FROM events ORDER BY n") == [1, 2, 3, 4]
    answer = server.request("GET", "/v0/sql", params={"q": "SELECT 1", **_STAGING})
    assert (answer.status_code, answer.json()["code"]) == (404, "SC981")
    assert server.request("DELETE", f"/v1/deployments/{identity}").status_code == 200
    assert server.request("DELETE", "/v1/deployments/7777").status_code == 404


def test_the_live_deployment_is_listed_before_its_candidate(server: RunningServer) -> None:
    live = _live(server)
    identity = _stage(server)
    listed = server.request("GET", "/v1/deployments").json()["deployments"]
    assert [(each["id"], each["live"]) for each in listed] == [(live, True), (identity, False)]
    server.request("DELETE", f"/v1/deployments/{identity}")
    assert _live(server) == live


def test_one_candidate_at_a_time(server: RunningServer) -> None:
    identity = _stage(server)
    answer = server.deploy(_PROJECT | {"more.datasource": _EVENTS})
    assert (answer.status_code, answer.json()["code"]) == (409, "SC703")
    assert identity in answer.json()["errors"][0]["error"]
    assert server.deploy(_PROJECT | {"more.datasource": _EVENTS}, check="true").json()["result"] == "success"


def test_a_staged_deployment_outlives_a_kill(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(tmp_path / "home")
    assert server.deploy(_PROJECT).status_code == 200
    server.send(_rows(1), name="events")
    identity = _stage(server)
    server.send(_rows(2), name="events", wait=False)
    server.kill()
    server = start_server(tmp_path / "home")
    server.send(_rows(3), name="events")
    assert _values(server, "SELECT more FROM events ORDER BY n", **_STAGING) == ["none", "m2", "m3"]
    assert server.request("POST", f"/v1/deployments/{identity}/set-live").status_code == 200
    server.kill()
    server = start_server(tmp_path / "home")
    assert _values(server, "SELECT more FROM events ORDER BY n") == ["none", "m2", "m3"]
    assert _values(server, "SELECT toInt32(sum(total)) FROM sums") == [6]


def test_a_staged_deployment_that_nobody_promotes_is_discarded(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(tmp_path / "home")
    assert server.deploy(_PROJECT).status_code == 200
    identity = _stage(server)
    assert server.stop() == 0
    server = start_server(tmp_path / "home", STONECHAT_STAGING_HOURS="0.000001")
    deadline = time.monotonic() + 60
    while server.request("GET", f"/v1/deployments/{identity}").json()["deployment"]["status"] != "deleted":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    # What it had made is removed after it is told to be deleted; until then, no other deployment begins.
    until(lambda: server.deploy(_WANTED).json()["result"] == "success", "no other deployment goes live")


def test_a_data_source_is_not_emptied_while_another_version_of_it_is_staged(server: RunningServer) -> None:
    identity = _stage(server)
    answer = server.request("POST", "/v0/datasources/events/truncate")
    assert (answer.status_code, answer.json()["code"]) == (409, "SC317")
    assert _values(server, "SELECT count() FROM events") == [2]
    assert server.request("DELETE", f"/v1/deployments/{identity}").status_code == 200
    assert server.request("POST", "/v0/datasources/events/truncate").status_code == 205
    assert _values(server, "SELECT count() FROM events") == [0]


def test_rows_are_not_replaced_while_a_staged_view_has_seen_them(server: RunningServer) -> None:
    others = {"others.datasource": _SUMS, "other.pipe": _SUMMING.replace("DATASOURCE sums", "DATASOURCE others")}
    identity = server.deploy({**_PROJECT, **others}, auto_promote="false").json()["deployment"]["id"]
    replacing: dict[str, Any] = {
        "params": {"mode": "replace", "name": "events", "format": "ndjson"},
        "content": _rows(7),
    }
    refused = server.request("POST", "/v0/datasources", **replacing)
    assert "is changing the data source 'others'" in refused.text
    assert server.request("DELETE", f"/v1/deployments/{identity}").status_code == 200
    assert server.request("POST", "/v0/datasources", **replacing).status_code == 200
    assert _values(server, "SELECT sum(total) FROM sums") == [7]


def test_a_deployment_under_way_is_discarded(server: RunningServer) -> None:
    server.send(_rows(*range(3, 90)), name="events")
    slow = _SUMMING.replace("sum(n)", "sum(n + arrayCount(x -> sipHash64(toString(x)) = 0, range(300000)))")
    answers: list[httpx.Response] = []
    deploying = threading.Thread(target=lambda: answers.append(server.deploy({**_PROJECT, "summing.pipe": slow})))
    deploying.start()
    deadline = time.monotonic() + 60
    while len(listed := server.request("GET", "/v1/deployments").json()["deployments"]) < 2 or not listed[1]["filling"]:
        assert time.monotonic() < deadline
        assert not answers, answers[0].text
    assert server.deploy(_WANTED).json()["code"] == "SC703"
    path = f"/v1/deployments/{listed[1]['id']}"

    def working() -> list[dict[str, Any]] | None:
        jobs: list[dict[str, Any]] = server.request("GET", "/v0/jobs", params={"status": "working"}).json()["jobs"]
        return jobs if len(jobs) == 2 else None

    filling, job = until(working)
    assert (filling["kind"], filling["pipe_name"], filling["is_cancellable"]) == ("populateview", "summing", False)
    assert server.request("POST", f"/v0/jobs/{filling['id']}/cancel").json()["code"] == "SC831"
    assert (job["deployment_id"], job["is_cancellable"]) == (listed[1]["id"], True)
    assert server.request("POST", f"/v0/jobs/{job['id']}/cancel").status_code == 200
    assert server.request("DELETE", path).status_code == 200
    deploying.join()
    assert (answers[0].status_code, answers[0].json()["code"]) == (409, "SC707")
    assert server.request("GET", path).json()["deployment"]["status"] == "deleted"
    for each in (job, filling):
        assert server.request("GET", f"/v0/jobs/{each['id']}").json()["status"] == "cancelled"
    server.send(_rows(100), name="events")
    assert _values(server, "SELECT toInt32(sum(total)) FROM sums") == [sum(range(1, 90)) + 100]
    assert server.deploy(_WANTED).json()["result"] == "success"


def test_deployments_are_jobs_that_clients_find_by_kind_and_id(server: RunningServer) -> None:
    live, identity = _live(server), _stage(server)
    jobs = server.request("GET", "/v0/jobs", params={"kind": "deployment"}).json()["jobs"]
    assert [job["deployment_id"] for job in jobs] == [identity, live]
    staged = jobs[0]
    shown = [staged[key] for key in ("kind", "status", "progress_percentage", "is_cancellable", "error", "errors")]
    assert shown == ["deployment", "done", 100.0, False, None, []]
    assert server.client.get(staged["job_url"], headers={"Authorization": f"Bearer {server.token}"}).json() == staged
    assert jobs == server.request("GET", "/v0/jobs", params={"status": "done"}).json()["jobs"]
    assert server.request("GET", "/v0/jobs", params={"kind": "deployment", "status": "error"}).json() == {"jobs": []}
    assert server.request("POST", f"/v0/jobs/{staged['id']}/cancel").json()["code"] == "SC831"
    assert server.request("POST", f"/v0/jobs/{staged['id']}/retry").json()["code"] == "SC832"
    server.request("DELETE", f"/v1/deployments/{identity}")
    assert server.request("GET", f"/v0/jobs/{staged['id']}").json()["status"] == "cancelled"
    failing = _SUMMING.replace("sum(n)", "toUInt64(sum(n) + throwIf(max(n) > 1))")
    assert server.deploy({**_PROJECT, "summing.pipe": failing}).status_code == 400
    failed = server.request("GET", "/v0/jobs", params={"status": "error"}).json()["jobs"]
    assert [job["kind"] for job in failed] == ["populateview", "deployment"]
    assert all("Error migrating data" in job["error"] for job in failed)


def test_views_that_a_deployment_fills_are_jobs_of_their_own(server: RunningServer) -> None:
    assert server.request("GET", "/v0/jobs", params={"kind": "populateview"}).json()["jobs"] == []
    added = {"more.datasource": _SUMS, "more_summing.pipe": _SUMMING.replace("DATASOURCE sums", "DATASOURCE more")}
    assert server.deploy({**_PROJECT, **added}).json()["result"] == "success"
    (job,) = server.request("GET", "/v0/jobs", params={"kind": "populateview"}).json()["jobs"]
    assert (job["pipe_name"], job["datasource"]["name"], job["status"]) == ("more_summing", "more", "done")
    assert (job["statistics"], job["progress_percentage"]) == ({"row_count": 1}, 100.0)
    assert (job["deployment_id"], job["error"]) == (_live(server), None)
    assert job["created_at"] <= job["updated_at"]
    assert job["datasource"]["id"] == server.request("GET", "/v0/datasources/more").json()["id"]
    assert server.request("GET", f"/v0/jobs/{job['id']}").json() == job
    assert server.deploy({**_PROJECT, **added, "sums.datasource": "DESCRIPTION more\n" + _SUMS}).status_code == 200
    assert [each["id"] for each in server.request("GET", "/v0/jobs?kind=populateview").json()["jobs"]] == [job["id"]]


def test_who_may_not_deploy_sees_no_deployments_among_the_jobs(server: RunningServer) -> None:
    scopes = {"name": "sender", "scope": "DATASOURCES:APPEND:events"}
    sender = server.request("POST", "/v0/tokens", params=scopes).json()["token"]
    (job,) = server.request("GET", "/v0/jobs").json()["jobs"]
    assert server.request("GET", "/v0/jobs", token=sender).json() == {"jobs": []}
    assert server.request("GET", f"/v0/jobs/{job['id']}", token=sender).status_code == 404


def test_a_request_waits_for_the_deployment_that_it_needs(server: RunningServer) -> None:
    identity = _stage(server)
    needed = {"__tb__min_deployment": identity}
    assert _values(server, "SELECT count() FROM events", __tb__min_deployment=str(int(identity) - 1)) == [2]
    answers: list[Any] = []
    waiting = threading.Thread(
        target=lambda: answers.append(server.request("GET", "/v0/pipes/counted.json", params=needed))
    )
    waiting.start()
    time.sleep(0.5)
    assert answers == []
    assert server.request("POST", f"/v1/deployments/{identity}/set-live").status_code == 200
    waiting.join()
    assert answers[0].json()["data"] == [{"rows": 2}]
    assert server.send(_rows(7), name="added", params=needed).status_code == 200
    refused = server.send(_rows(8), name="added", params={"__tb__min_deployment": str(int(identity) + 1)})
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "SC984", "1")
    assert _values(server, "SELECT n FROM added") == [7]
    assert server.request("GET", "/v0/pipes/counted.json", params=needed, token="p.wrong").status_code == 403


def test_a_deployment_goes_on_after_the_server_was_stopped(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(tmp_path / "home")
    assert server.deploy(_PROJECT).status_code == 200
    server.send(_rows(*range(1, 401)), name="events")
    slow = _SUMMING.replace(
        "sum(n)", "sum(n + arrayCount(x -> sipHash64(hex(sipHash64(toString(x + n)))) = 0, range(40000)))"
    )
    deploying = threading.Thread(target=lambda: server.deploy({**_PROJECT, "summing.pipe": slow}))
    deploying.start()
    deadline = time.monotonic() + 60
    while len(listed := server.request("GET", "/v1/deployments").json()["deployments"]) < 2 or not listed[1]["filling"]:
        assert time.monotonic() < deadline
    assert server.stop() == 0
    deploying.join()
    server = start_server(tmp_path / "home")
    server.send(_rows(401), name="events")
    while len(server.request("GET", "/v1/deployments").json()["deployments"]) > 1:
        time.sleep(0.1)
    (live,) = server.request("GET", "/v1/deployments").json()["deployments"]
    assert (live["id"], live["live"]) == ("2", True)
    assert _values(server, "SELECT toInt32(sum(total)) FROM sums") == [sum(range(1, 402))]


def test_rows_that_cannot_be_brought_along_end_the_deployment(server: RunningServer) -> None:
    failing = _SUMMING.replace("sum(n)", "toUInt64(sum(n) + throwIf(max(n) > 1))")
    answer = server.deploy({**_PROJECT, "summing.pipe": failing})
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert (body["result"], body["code"]) == ("failed", "SC704")
    assert "Error on datasource 'sums': Error migrating data" in body["errors"][0]["error"]
    server.send(_rows(3), name="events")
    assert _values(server, "SELECT n FROM events ORDER BY n") == [1, 2, 3]
    listed = server.request("GET", "/v1/deployments", params={"history": "true"}).json()["deployments"]
    (identity,) = (each["id"] for each in listed if not each["live"])
    failed = server.request("GET", f"/v1/deployments/{identity}").json()["deployment"]
    assert failed["status"] == "failed"
    assert "Error migrating data" in failed["errors"][0]["error"]
