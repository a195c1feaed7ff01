"""Copy pipes put their rows into data sources: added or in place of others, through views, and seen at once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.conftest import RunningServer, StartServer

_PROJECT = {
    "datasources/visits.datasource": """
SCHEMA >
    at DateTime `json:$.at`,
    page String `json:$.page`,
    n UInt32 `json:$.n`

ENGINE MergeTree
ENGINE_SORTING_KEY page
""",
    "datasources/pages.datasource": """
TOKEN "filler" APPEND

SCHEMA >
    page String,
    visits UInt64,
    moment DateTime DEFAULT '2000-01-01 00:00:00'

ENGINE MergeTree
ENGINE_PARTITION_KEY page
ENGINE_SORTING_KEY page
""",
    "datasources/totals.datasource": """
SCHEMA >
    letter String,
    visits UInt64,
    rows UInt64

ENGINE SummingMergeTree
ENGINE_SORTING_KEY letter
""",
    "datasources/everything.datasource": """
SCHEMA >
    one UInt8,
    visits UInt64

ENGINE SummingMergeTree
ENGINE_SORTING_KEY one
""",
    "materializations/by_letter.pipe": """
NODE letters
SQL >
    SELECT substringUTF8(page, 1, 1) AS letter, sum(visits) AS visits, count() AS rows FROM pages GROUP BY letter
TYPE materialized
DATASOURCE totals
""",
    "materializations/of_totals.pipe": """
NODE all
SQL >
    SELECT 1 AS one, sum(visits) AS visits FROM totals GROUP BY one
TYPE materialized
DATASOURCE everything
""",
    "copies/count_pages.pipe": """
TOKEN "filler" READ

NODE counted
SQL >
    %
    SELECT page, count() AS visits, parseDateTimeBestEffort({{String(job_timestamp)}}) AS moment
    FROM visits
    WHERE startsWith(page, {{String(start, '')}}) AND n >= {{UInt32(least, 0)}}
    GROUP BY page

NODE output
SQL >
    SELECT * FROM counted -- and no more
TYPE copy
TARGET_DATASOURCE pages
""",
    "copies/many.pipe": """
NODE numbers_of_pages
SQL >
    %
    SELECT concat('x', toString(number % 2)) AS page, number AS visits FROM numbers({{UInt64(rows, 10)}})
TYPE copy
TARGET_DATASOURCE pages
COPY_MODE replace
""",
    "copies/endless.pipe": """
NODE output
SQL >
    SELECT toString(sum(number)) AS page, count() AS visits FROM numbers(1000000000000)
TYPE copy
TARGET_DATASOURCE pages
""",
    "copies/nightly.pipe": """
NODE output
SQL >
    SELECT 'nightly' AS page, 1 AS visits
TYPE copy
TARGET_DATASOURCE pages
COPY_SCHEDULE 0 3 * * *
""",
    "endpoints/shown.pipe": """
NODE output
SQL >
    SELECT page, visits FROM pages ORDER BY page, visits
TYPE endpoint
""",
}
_PATIENCE = 120.0
"""Seconds after which what does not come counts as never coming: a machine under load takes its time."""
_VISITS = [("a", 1), ("a", 2), ("b", 3), ("ünï'", 4)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path_factory.mktemp("copies") / "home", arguments=("serve",), environment={})
    try:
        response = server.deploy(_PROJECT)
        assert response.status_code == 200, response.text
        lines = [f'{{"at":"2024-01-01 00:00:00","page":"{page}","n":{n}}}' for page, n in _VISITS]
        assert server.send("\n".join(lines), name="visits").json()["successful_rows"] == len(_VISITS)
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(autouse=True)
def _empty(server: RunningServer) -> None:
    """No test sees another's rows."""
    if server.value("SELECT count() FROM pages") or server.value("SELECT count() FROM totals"):
        copied(server, "many", rows="0")


def run(server: RunningServer, pipe: str, *, token: str | None = None, **params: str) -> httpx.Response:
    return server.request("POST", f"/v0/pipes/{pipe}/copy", params=params, token=token)


def ended(server: RunningServer, identity: str, seconds: float = 60) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job: dict[str, Any] = server.request("GET", f"/v0/jobs/{identity}").json()
        if job["status"] in {"done", "error", "cancelled"}:
            return job
        time.sleep(0.02)
    raise AssertionError(job)


def copied(server: RunningServer, pipe: str, **params: str) -> dict[str, Any]:
    answer = run(server, pipe, **params)
    assert answer.status_code == 200, answer.text
    job = ended(server, answer.json()["job"]["job_id"])
    assert job["status"] == "done", job
    return job


def pages(server: RunningServer) -> list[tuple[str, int]]:
    return [(row["page"], row["visits"]) for row in server.rows("/v0/pipes/shown.json")]


def test_a_run_appends_what_the_pipe_answers(server: RunningServer) -> None:
    job = copied(server, "count_pages")
    assert pages(server) == [("a", 2), ("b", 1), ("ünï'", 1)]
    assert job["kind"] == "copy"
    assert job["statistics"]["row_count"] == 3
    assert job["statistics"]["rows_read"] == len(_VISITS)
    assert job["pipe_name"] == "count_pages"
    assert job["datasource"]["name"] == "pages"
    assert job["progress_percentage"] == 100
    copied(server, "count_pages")
    assert len(pages(server)) == 6


def test_the_answer_names_the_job_and_the_data_source(server: RunningServer) -> None:
    body = run(server, "count_pages").json()
    assert body["job"]["status"] in {"waiting", "working"}
    assert body["job"]["job_url"].endswith(f"/v0/jobs/{body['job']['job_id']}")
    target = server.request("GET", f"/v0/datasources/{body['tags']['copy_target_datasource']}").json()
    assert target["name"] == "pages"
    ended(server, body["job"]["job_id"])


@pytest.mark.parametrize("start", ["ünï'", "ünï", "' OR 1=1 --", "{x:String}", "\\", "\t", "a\\' --"])
def test_parameters_stay_values(server: RunningServer, start: str) -> None:
    copied(server, "count_pages", start=start)
    assert pages(server) == ([("ünï'", 1)] if start.startswith("ünï") else [])


def test_parameters_may_come_in_a_form(server: RunningServer) -> None:
    answer = server.request("POST", "/v0/pipes/count_pages/copy", data={"least": "3"})
    ended(server, answer.json()["job"]["id"])
    assert pages(server) == [("b", 1), ("ünï'", 1)]


def test_a_parameter_that_does_not_fit_is_refused_at_once(server: RunningServer) -> None:
    answer = run(server, "count_pages", least="many")
    assert answer.status_code == 400, answer.text
    assert "'many'" in answer.json()["error"]


def test_a_run_has_the_moment_that_it_was_asked_for(server: RunningServer) -> None:
    job = copied(server, "count_pages")
    assert server.value("SELECT toString(min(moment)) FROM pages") == job["job_timestamp"]
    copied(server, "count_pages", job_timestamp="2020-02-02 02:02:02")
    assert server.value("SELECT toString(min(moment)) FROM pages") == "2020-02-02 02:02:02"


def test_replace_leaves_the_new_rows_alone(server: RunningServer) -> None:
    copied(server, "count_pages")
    copied(server, "many", rows="4")
    assert pages(server) == [("x0", 0), ("x0", 2), ("x1", 1), ("x1", 3)]
    copied(server, "count_pages", _mode="replace", least="4")
    assert pages(server) == [("ünï'", 1)]
    assert run(server, "many", _mode="mix").json()["code"] == "SC841"


def test_an_empty_result_appends_nothing_and_replaces_everything(server: RunningServer) -> None:
    copied(server, "count_pages")
    before = pages(server)
    assert copied(server, "count_pages", start="nothing")["statistics"]["row_count"] == 0
    assert pages(server) == before
    copied(server, "many", rows="0")
    assert pages(server) == []


def test_copied_rows_go_through_views_and_views_of_views_once(server: RunningServer) -> None:
    def sums() -> tuple[int, int, int]:
        (row,) = server.sql("SELECT sum(visits) AS v, sum(rows) AS r FROM totals")
        return int(row["v"]), int(row["r"]), int(server.value("SELECT sum(visits) FROM everything"))

    copied(server, "count_pages")
    copied(server, "count_pages")
    assert sums() == (8, 6, 8)
    copied(server, "many", rows="4")
    assert sums() == (6, 4, 6)
    copied(server, "count_pages")
    assert sums() == (10, 7, 10)


def test_rows_appended_after_a_swap_go_through_views(server: RunningServer) -> None:
    copied(server, "many", rows="1")
    before = int(server.value("SELECT sum(rows) FROM totals"))
    csv = server.request(
        "POST", "/v0/datasources", params={"mode": "append", "name": "pages"}, content="page,visits\nz,1\n"
    )
    assert csv.status_code == 200, csv.text
    assert int(server.value("SELECT sum(rows) FROM totals")) == before + 1


def test_a_large_copy_arrives_whole(server: RunningServer) -> None:
    rows = 2_500_000  # more than are copied at once
    job = copied(server, "many", rows=str(rows), _mode="append")
    assert job["statistics"]["row_count"] == rows
    assert server.value("SELECT count() FROM pages") == rows
    assert server.value("SELECT sum(visits) FROM pages") == rows * (rows - 1) // 2
    copied(server, "many", rows=str(rows), _mode="replace")
    assert server.value("SELECT sum(visits) FROM pages") == rows * (rows - 1) // 2


def test_readers_see_the_old_rows_or_the_new_and_never_none(server: RunningServer) -> None:
    copied(server, "many", rows="1000")
    going = True

    def read() -> set[int]:
        seen = set()
        while going:
            seen.add(int(server.value("SELECT count() FROM pages")))
        return seen

    with ThreadPoolExecutor(1) as threads:
        reader = threads.submit(read)
        for rows in ("2000", "1000") * 5:
            copied(server, "many", rows=rows)
        going = False
        assert reader.result(60) <= {1000, 2000}


def test_runs_into_one_data_source_follow_each_other(server: RunningServer) -> None:
    identities = [run(server, "many", rows=str(number), _mode="append").json()["job"]["id"] for number in (3, 4)]
    identities += [run(server, "many", rows="2").json()["job"]["id"]]
    for identity in identities:
        assert ended(server, identity)["status"] == "done"
    assert len(pages(server)) == 2


def test_a_cancelled_run_ends_its_query_and_leaves_nothing(server: RunningServer) -> None:
    identity = run(server, "endless").json()["job"]["id"]
    end = time.monotonic() + 30
    while not server.request("GET", f"/v0/jobs/{identity}").json()["progress_percentage"]:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert server.request("POST", f"/v0/jobs/{identity}/cancel").json()["status"] == "cancelling"
    assert ended(server, identity)["status"] == "cancelled"
    assert pages(server) == []
    assert server.request("POST", f"/v0/jobs/{identity}/cancel").status_code == 409


def test_a_cancelled_run_may_be_run_again(server: RunningServer) -> None:
    first = run(server, "endless").json()["job"]["id"]
    second = run(server, "many", rows="7", _mode="append").json()["job"]["id"]
    assert server.request("POST", f"/v0/jobs/{second}/cancel").json()["status"] == "cancelled"
    server.request("POST", f"/v0/jobs/{first}/cancel")
    ended(server, first)
    assert server.request("POST", f"/v0/jobs/{second}/retry").status_code == 200
    assert ended(server, second)["status"] == "done"
    assert len(pages(server)) == 7
    assert server.request("POST", f"/v0/jobs/{second}/retry").status_code == 409


def test_other_pipes_are_not_copied(server: RunningServer) -> None:
    assert run(server, "shown").json()["code"] == "SC840"
    assert run(server, "nowhere").status_code == 404


def test_a_token_runs_a_copy_if_it_may_read_the_pipe_and_append(server: RunningServer) -> None:
    token = server.tokens()["filler"]
    answer = run(server, "count_pages", token=token)
    assert answer.status_code == 200, answer.text
    identity = answer.json()["job"]["id"]
    assert ended(server, identity)["status"] == "done"
    assert server.request("GET", f"/v0/jobs/{identity}", token=token).json()["status"] == "done"
    assert run(server, "many", token=token).status_code == 403


def test_runs_are_recorded(server: RunningServer) -> None:
    identity = copied(server, "count_pages")["id"]
    listed = server.request("GET", "/v0/jobs", params={"kind": "copy", "status": "done"}).json()["jobs"]
    assert listed[0]["id"] == identity


def test_a_schedule_is_shown_paused_and_resumed(server: RunningServer) -> None:
    def shown() -> dict[str, Any]:
        schedule: dict[str, Any] = server.request("GET", "/v0/pipes/nightly").json()["schedule"]
        return schedule

    running = shown()
    assert (running["cron"], running["timezone"], running["status"]) == ("0 3 * * *", "UTC", "running")
    assert running["next_run_at"].endswith(" 03:00:00")
    answer = server.request("POST", "/v0/pipes/nightly/copy/pause")
    assert answer.json()["schedule"] == shown() == {**running, "status": "paused", "next_run_at": None}
    assert server.request("POST", "/v0/pipes/nightly/copy/pause").status_code == 200
    copied(server, "nightly")
    assert server.request("POST", "/v0/pipes/nightly/copy/resume").json()["schedule"] == running
    assert server.request("POST", "/v0/pipes/count_pages/copy/pause").json()["code"] == "SC846"
    assert "schedule" not in server.request("GET", "/v0/pipes/count_pages").json()
    denied = server.request("POST", "/v0/pipes/nightly/copy/pause", token=server.tokens()["filler"])
    assert denied.status_code == 403


def test_a_copy_that_was_missed_without_a_server_runs_once_after_the_start(start_server: StartServer) -> None:
    server = start_server()
    assert server.deploy(_PROJECT).status_code == 200
    end = time.monotonic() + _PATIENCE
    while not (state := _schedule_rows(server)):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert [name for name, _ in state] == ["nightly"]
    server.kill()
    with sqlite3.connect(server.home / "state.sqlite") as connection:
        connection.execute("UPDATE copy_schedules SET since = '2026-01-01T00:00:00+00:00'")
    server = start_server()
    end = time.monotonic() + _PATIENCE
    while not pages(server):
        assert time.monotonic() < end, server.request("GET", "/v0/jobs").text
        time.sleep(0.05)
    (job,) = server.request("GET", "/v0/jobs", params={"kind": "copy"}).json()["jobs"]
    job = ended(server, job["id"])
    assert job["scheduled"]
    assert job["job_timestamp"].endswith(" 03:00:00")
    assert pages(server) == [("nightly", 1)]


def _schedule_rows(server: RunningServer) -> list[tuple[str, str]]:
    with sqlite3.connect(server.home / "state.sqlite") as connection:
        return list(connection.execute("SELECT pipe, since FROM copy_schedules"))


def test_runs_end_with_their_workspace(server: RunningServer) -> None:
    user = server.client.get("/tokens").json()["user_token"]
    made = server.request("POST", "/v1/workspaces", params={"name": "short-lived"}, token=user).json()
    files = [("data_project://", (name, text.encode(), "text/plain")) for name, text in _PROJECT.items()]
    assert server.request("POST", "/v1/deploy?auto_promote=true", files=files, token=made["token"]).status_code == 200
    for _ in range(3):
        assert run(server, "endless", token=made["token"]).status_code == 200
    params = {"hard_delete_confirmation": "yes"}
    assert server.request("DELETE", f"/v1/workspaces/{made['id']}", params=params, token=user).status_code == 200
    with sqlite3.connect(server.home / "state.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM jobs WHERE workspace_id = ?", [made["id"]]).fetchone() == (0,)
    copied(server, "many", rows="1")


def test_a_copy_is_in_a_staged_version_of_its_data_source_too(server: RunningServer) -> None:
    server = server.new_workspace()
    assert server.deploy(_PROJECT).status_code == 200
    copied(server, "many", rows="4")
    old = _PROJECT["datasources/pages.datasource"]
    changed = {
        "datasources/pages.datasource": old.replace("visits UInt64,", "visits UInt64,\n    note String DEFAULT 'ü',")
    }
    identity = server.deploy({**_PROJECT, **changed}, auto_promote="false").json()["deployment"]["id"]
    end = time.monotonic() + 60
    while server.request("GET", f"/v1/deployments/{identity}").json()["deployment"]["status"] != "data_ready":
        assert time.monotonic() < end
        time.sleep(0.05)
    copied(server, "many", rows="3", _mode="append")
    assert run(server, "many", rows="3", __tb__deployment="staging").json()["code"] == "SC847"
    refused = ended(server, run(server, "many", rows="1").json()["job"]["id"])
    assert refused["status"] == "error"
    assert "is changing the data source" in refused["error"]
    assert len(pages(server)) == 7
    assert server.request("POST", f"/v1/deployments/{identity}/set-live").status_code == 200
    assert server.sql("SELECT count() AS rows, uniqExact(note) AS notes FROM pages") == [{"rows": 7, "notes": 1}]
    assert server.value("SELECT sum(rows) FROM totals") == 7
    copied(server, "many", rows="2")
    assert server.value("SELECT count() FROM pages") == 2
    assert server.request("POST", f"/v0/jobs/{refused['id']}/retry").status_code == 200
    assert ended(server, refused["id"])["status"] == "done"
    assert len(pages(server)) == 1


def test_a_view_that_fails_is_told_and_the_rows_are_there_and_in_other_views_once(server: RunningServer) -> None:
    server = server.new_workspace()
    view = _PROJECT["materializations/by_letter.pipe"].replace(
        "count() AS rows FROM pages", "count() + throwIf(max(page = 'x1'), 'thirteen') AS rows FROM pages"
    )
    sound = _PROJECT["materializations/by_letter.pipe"].replace("DATASOURCE totals", "DATASOURCE others")
    project = {**_PROJECT, "materializations/by_letter.pipe": view, "materializations/sound.pipe": sound}
    project["datasources/others.datasource"] = _PROJECT["datasources/totals.datasource"]
    deployed = server.deploy(project)
    assert deployed.status_code == 200, deployed.text
    job = ended(server, run(server, "many", rows="14", _mode="append").json()["job"]["id"])
    assert job["status"] == "error"
    assert job["error"].startswith("A materialized view failed, the rows are in the data source: ")
    assert "thirteen" in job["error"]
    assert job["statistics"]["row_count"] == 14
    assert len(pages(server)) == 14
    server.request("POST", f"/v0/jobs/{job['id']}/retry")
    assert ended(server, job["id"])["status"] == "error"
    assert len(pages(server)) == 14
    assert server.value("SELECT sum(rows) FROM others") == 14, "a view that does not fail has all rows"


def test_what_runs_did_is_in_the_service_data_sources(server: RunningServer) -> None:
    done = copied(server, "count_pages", start="a")
    failed = ended(server, run(server, "many", rows="3", _mode="append", only="x").json()["job"]["id"])
    listed = f"('{done['id']}', '{failed['id']}')"
    end = time.monotonic() + 60
    while True:
        operations = server.sql(
            "SELECT event_type, datasource_name, pipe_name, result, rows, read_rows, Options.Values AS options "
            f"FROM tinybird.datasources_ops_log WHERE job_id IN {listed} ORDER BY timestamp, pipe_name"
        )
        states = server.sql(
            f"SELECT job_type, status FROM tinybird.jobs_log FINAL WHERE job_id = '{done['id']}' AND status = 'done'"
        )
        if len(operations) == 2 and states:
            break
        assert time.monotonic() < end, (operations, states)
        time.sleep(0.2)
    first = next(row for row in operations if row["pipe_name"] == "count_pages")
    assert (first["event_type"], first["datasource_name"], first["result"]) == ("copy", "pages", "ok")
    assert (first["rows"], first["options"][0]) == (1, "append")
    assert states[0] == {"job_type": "copy", "status": "done"}


def test_a_copy_ends_at_its_limits_and_leaves_nothing(start_server: StartServer) -> None:
    server = start_server(STONECHAT_COPY_SECONDS="0.3")
    assert server.deploy(_PROJECT).status_code == 200
    job = ended(server, run(server, "endless").json()["job"]["id"])
    assert (job["status"], pages(server)) == ("error", [])
    assert "Timeout" in job["error"]


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_server_that_is_killed_during_a_copy_goes_on_with_it(start_server: StartServer, mode: str) -> None:
    rows = 1_000_000
    server = start_server()
    assert server.deploy(_PROJECT).status_code == 200
    copied(server, "many", rows="10")
    for seconds in (0.05, 0.4):
        identity = run(server, "many", rows=str(rows), _mode=mode).json()["job"]["id"]
        time.sleep(seconds)
        server.kill()
        server = start_server()
        assert ended(server, identity)["status"] == "done"
    assert server.value("SELECT count() FROM pages") == (10 + 2 * rows if mode == "append" else rows)
    assert server.value("SELECT sum(rows) FROM totals") == server.value("SELECT count() FROM pages")
    assert server.stop() == 0


def test_a_server_that_stops_during_a_copy_goes_on_with_it(start_server: StartServer) -> None:
    server = start_server()
    assert server.deploy(_PROJECT).status_code == 200
    identity = run(server, "many", rows="3000000", _mode="append").json()["job"]["id"]
    time.sleep(0.3)
    assert server.stop() == 0
    server = start_server()
    assert ended(server, identity)["status"] == "done"
    assert server.value("SELECT count() FROM pages") == 3_000_000
