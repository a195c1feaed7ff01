"""Each sentence of the contract on the Events API: who may call, what is answered, what is counted, what is refused."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer
from tests.waiting import until

_FILES = {
    "hits.datasource": (
        "TOKEN sender APPEND\nSCHEMA >\n    `n` UInt8 `json:$.n`,\n    `payload` String `json:$.payload` DEFAULT ''\n\n"
        "ENGINE_SORTING_KEY n\n"
    ),
    "others.datasource": "SCHEMA >\n    `n` UInt8 `json:$.n`\n\nENGINE_SORTING_KEY n\n",
    "counts.datasource": (
        "SCHEMA >\n    `n` UInt8,\n    `hits` UInt64\n\nENGINE SummingMergeTree\nENGINE_SORTING_KEY n\n"
    ),
    "fills_counts.pipe": (
        "NODE n\nSQL >\n    SELECT n, count() AS hits FROM hits "
        "WHERE NOT throwIf(payload = 'poison', 'no view takes it') GROUP BY n\nTYPE materialized\nDATASOURCE counts\n"
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("events") / "home"
    running = RunningServer(home, arguments=("serve",), environment={"STONECHAT_MAX_BODY_BYTES": "2000000"})
    response = running.deploy(_FILES)
    assert response.status_code == 200, response.text
    yield running
    assert running.stop() == 0


def test_a_name_and_an_id_mean_the_same(server: RunningServer) -> None:
    found = server.request("GET", "/v0/datasources/hits").json()
    before = server.value("SELECT count() FROM hits")
    for name in (found["name"], found["id"]):
        assert server.send('{"n":1}', name=name).json() == {"successful_rows": 1, "quarantined_rows": 0}
    assert server.value("SELECT count() FROM hits") == before + 2


def test_a_token_appends_to_its_data_source_and_no_other(server: RunningServer) -> None:
    token = server.tokens()["sender"]
    assert server.send('{"n":1}', name="hits", token=token).status_code == 200
    assert server.send('{"n":1}', name="others", token=token).status_code == 403
    assert server.send('{"n":1}', name="hits", token="p.wrong").status_code == 403
    assert server.client.post("/v0/events?name=hits", content='{"n":1}').status_code == 403


@pytest.mark.parametrize(
    "content_type", ["application/x-ndjson", "application/json", "text/plain", "application/x-www-form-urlencoded", ""]
)
def test_the_content_type_does_not_matter(server: RunningServer, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = server.send('{"n":2}\n{"n":3}', name="hits", headers=headers)
    assert answer.json() == {"successful_rows": 2, "quarantined_rows": 0}


def test_parameters_that_only_other_clients_know_are_ignored(server: RunningServer) -> None:
    answer = server.send('{"n":2}', name="hits", params={"mode": "append", "from": "mockingbird", "format": "ndjson"})
    assert answer.status_code == 200


def test_parameters_without_a_value_are_as_if_they_were_not_there(server: RunningServer) -> None:
    answer = server.request("POST", "/v0/events?name=hits&format=&wait=&idempotency_key=", content='{"n":2}\n{"n":3}')
    assert (answer.status_code, answer.json()["successful_rows"]) == (202, 2)
    assert server.request("GET", "/v0/jobs?status=&kind=").json() == server.request("GET", "/v0/jobs").json()


def test_a_string_that_holds_json_stays_the_string_that_was_sent(server: RunningServer) -> None:
    payload = json.dumps({"href": "https://example.com/?a=1", "quote": '"\\'})
    server.send(json.dumps({"n": 77, "payload": payload}), name="hits")
    assert server.value("SELECT payload FROM hits WHERE n = 77") == payload


def test_a_browser_may_send_from_any_origin(server: RunningServer) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "content-type,authorization"
    preflight = server.client.options("/v0/events?name=hits", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].lower()
    for name in ("authorization", "content-type", "content-encoding", "idempotency-key"):
        assert name in allowed
    answers = [
        server.send('{"n":1}', name="hits", headers={"Origin": "https://shop.example"}),
        server.send('{"n":1}', name="nowhere", headers={"Origin": "https://shop.example"}),
    ]
    assert [answer.headers["access-control-allow-origin"] for answer in answers] == ["*", "*"]


def test_a_failing_view_is_told_and_its_row_is_there_once(server: RunningServer) -> None:
    rows = '{"n":200,"payload":"fine"}\n{"n":201,"payload":"poison"}'
    answer = server.send(rows, name="hits")
    assert (answer.status_code, answer.json()["code"]) == (422, "SC622")
    assert server.send('{"n":202,"payload":"poison"}', name="hits", wait=False).status_code == 202
    _until(server, "SELECT count() FROM hits WHERE n = 202", 1)  # a block with it is answered with 422
    assert server.send('{"n":203}', name="hits").status_code == 200
    stored = server.sql("SELECT n, count() AS times FROM hits WHERE n >= 200 GROUP BY n ORDER BY n")
    assert [(row["n"], row["times"]) for row in stored] == [(200, 1), (201, 1), (202, 1), (203, 1)]
    viewed = server.sql("SELECT n, sum(hits) AS hits FROM counts WHERE n >= 200 GROUP BY n ORDER BY n")
    assert viewed == [{"n": 200, "hits": 1}, {"n": 203, "hits": 1}], "all that the view does not fail at"


def test_no_sender_is_told_the_values_of_another(server: RunningServer) -> None:
    """They may share a block, and its view fails for all of them."""
    answer = server.send('{"n":204,"payload":"poison"}', name="hits")
    assert answer.status_code == 422
    assert "fills_counts" in answer.json()["error"]
    assert "poison" not in answer.text
    assert "no view takes it" not in answer.text


def _until(server: RunningServer, statement: str, value: int) -> None:
    until(lambda: server.value(statement) == value)


def test_a_failing_view_under_a_key_is_not_tried_twice(server: RunningServer) -> None:
    first, again = (
        server.send('{"n":210,"payload":"poison"}', name="hits", headers={"Idempotency-Key": "view"}) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (422, 200)
    assert server.value("SELECT count() FROM hits WHERE n = 210") == 1


def test_fields_that_no_column_takes_are_counted_where_a_user_sees_them(server: RunningServer) -> None:
    rows = '{"n":5,"colour":"red","size":1}\n{"n":6,"colour":"blue"}\n{"n":7}\n{"n":"no","colour":1}'
    assert server.send(rows, name="others").json() == {"successful_rows": 3, "quarantined_rows": 1}
    assert server.send('{"n":8,"colour":null}', name="others").json()["successful_rows"] == 1
    seen = {"colour": {"jsonpath": "$.colour", "events": 4}, "size": {"jsonpath": "$.size", "events": 1}}
    assert server.request("GET", "/v0/datasources/others").json()["new_columns_detected"] == seen
    listed = server.request("GET", "/v0/datasources").json()["datasources"]
    assert {each["name"]: each["new_columns_detected"] for each in listed}["others"] == seen


def test_a_token_over_its_rate_gets_429_and_the_headers_that_say_how_long(tmp_path: Path) -> None:
    running = RunningServer(
        tmp_path / "home", arguments=("serve",), environment={"STONECHAT_MAX_REQUESTS_PER_SECOND": "3"}
    )
    try:
        running.deploy(_FILES)
        token = running.tokens()["sender"]
        answers: list[httpx.Response] = []

        def refusal() -> httpx.Response | None:
            answers.append(running.send('{"n":1}', name="hits", token=token, wait=False))
            return answers[-1] if answers[-1].status_code == 429 else None

        refused = until(refusal)
        assert [answer.status_code for answer in answers[:3]] == [202, 202, 202]
        assert answers[0].headers["x-ratelimit-remaining"] == "2"
        assert refused.json()["code"] == "SC430"
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["x-ratelimit-limit"] == "3"
        assert refused.headers["x-ratelimit-reset"] == "1"
        assert running.value("SELECT count() FROM hits") <= len(answers) - 1
    finally:
        running.kill()


_TOO_LARGE = 2_000_001


def test_a_body_over_the_limit_gets_413_before_it_is_sent(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        head = f"POST /v0/events?name=hits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
        connection.sendall(f"{head}Content-Length: {10**12}\r\n\r\n".encode())
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_body_of_unknown_length_gets_413_where_it_passes_the_limit(server: RunningServer) -> None:
    answer = server.send((b" " * 65_536 for _ in range(1000)), name="hits")  # type: ignore[arg-type]  # chunked
    assert answer.status_code == 413


def test_a_head_that_was_seen_before_is_judged_by_what_holds_now(server: RunningServer) -> None:
    made = server.request("POST", "/v0/tokens", params={"name": "passing", "scope": "DATASOURCES:APPEND:others"}).json()
    for _ in range(3):
        assert server.send('{"n":1}', name="others", token=made["token"]).status_code == 200
        assert server.send('{"n":1}', name="hits", token=made["token"]).status_code == 403
    before = server.value("SELECT count() FROM hits")
    changed = {**_FILES, "others.datasource": _FILES["others.datasource"].replace("UInt8", "UInt16")}
    assert server.deploy(changed).status_code == 200
    assert server.send('{"n":256}', name="others", token=made["token"]).json()["successful_rows"] == 1
    server.request("DELETE", "/v0/tokens/passing")
    assert server.send('{"n":1}', name="others", token=made["token"]).status_code == 403
    assert server.value("SELECT count() FROM hits") == before
