"""`/metrics` of a server: what it counts, who may read it, and that the reference has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.conftest import RunningServer, StartServer
from tests.docs.markdown import page

_FILES = {
    "datasources/visits.datasource": 'TOKEN "tracker" APPEND\nSCHEMA >\n    `n` UInt8 `json:$.n`\n',
    "endpoints/all.pipe": "NODE out\nSQL >\n    SELECT n FROM visits\nTYPE endpoint\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path_factory.mktemp("metrics") / "home", arguments=("serve",), environment={})
    try:
        assert server.deploy(_FILES).status_code == 200
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


def _samples(server: RunningServer) -> Mapping[str, float]:
    response = server.request("GET", "/metrics")
    assert response.status_code == 200, response.text
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_what_happens_is_counted(server: RunningServer) -> None:
    server.send('{"n": 1}\n{"n": 1000}', name="visits")
    for _ in range(3):
        assert server.request("GET", "/v0/pipes/all.json").status_code == 200
    assert server.request("GET", "/v0/pipes/none.json").status_code == 404
    samples = _samples(server)
    assert samples["stonechat_rows_total['append-hfi', 'stonechat', 'visits', 'written']"] == 1
    assert samples["stonechat_rows_total['append-hfi', 'quarantined', 'stonechat', 'visits']"] == 1
    assert samples["stonechat_committed_rows_total[]"] == 1
    assert samples["stonechat_answers_total['miss']"] == 1
    assert samples["stonechat_answers_total['hit']"] == 2
    assert samples["stonechat_query_seconds_count[]"] == 1
    assert samples["stonechat_requests_total['/v0/pipes/{file}', '200', 'GET']"] == 3
    assert samples["stonechat_requests_total['/v0/pipes/{file}', '404', 'GET']"] == 1
    assert samples["stonechat_log_syncs_total[]"] >= 1
    assert samples["stonechat_cache_bytes[]"] > 0


def test_what_callers_make_up_makes_no_series(server: RunningServer) -> None:
    before = len(_samples(server))
    for number in range(120):
        server.request("GET", f"/made/up/{number}")
        server.request("GET", f"/v0/pipes/made_up_{number}.json")
        server.request("MADE", "/v0/sql")
        server.send("{}", name=f"made_up_{number}")
    assert len(_samples(server)) - before < 120


def test_the_metrics_are_for_the_owner(server: RunningServer) -> None:
    owner = server.client.get("/tokens").json()["user_token"]
    made = server.client.post("/v1/workspaces", params={"name": "another", "token": owner}).json()
    assert server.request("GET", "/metrics", token=owner).status_code == 200
    for token in (made["token"], server.tokens()["tracker"], "nonsense"):
        response = server.request("GET", "/metrics", token=token)
        assert response.status_code == 403
        assert "stonechat_" not in response.text
    assert server.client.get("/metrics").status_code == 403


def test_the_metrics_can_be_open(start_server: StartServer) -> None:
    server = start_server(STONECHAT_OPEN_METRICS="true")
    assert "stonechat_requests_total" in server.client.get("/metrics").text


def test_every_metric_and_no_other_is_in_the_reference(server: RunningServer) -> None:
    text = server.request("GET", "/metrics").text
    offered = {family.name for family in text_string_to_metric_families(text) if family.name.startswith("stonechat_")}
    reference = page("http-api.md")
    (section,) = [heading for heading in reference.headings if heading.plain == "GET /metrics"]
    documented = {row[0].strip("`") for row in reference.rows(section) if row[0].startswith("`stonechat_")}
    assert {name.removesuffix("_total") for name in documented} == offered
