"""Endpoints and statements: the contract's envelope and formats, and refusals of everything a token may not do."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import pytest
from tests.conftest import RunningServer

_PATH = "/v0/pipes/get_messages_by_conversation"


@pytest.fixture(scope="module", autouse=True)
def conversation(messaging_server: RunningServer) -> None:
    rows = [
        {
            "message_id": f"m{number}",
            "sender_id": "ada",
            "recipient_id": "bob",
            "conversation_id": "conv1",
            "message_type": "text",
            "message_content": f"Nr. {number}, ünïcode",
            "timestamp": f"2023-05-15 14:30:0{number}",
            "read": number % 2,
            "attachments": [],
            "character_count": 7,
        }
        for number in range(5)
    ]
    response = messaging_server.send("\n".join(map(json.dumps, rows)))
    assert response.json() == {"successful_rows": 5, "quarantined_rows": 0}


def _error(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    body = response.json()
    assert {"error", "code"} <= body.keys()
    return str(body["error"])


def test_json_comes_in_the_contracts_envelope(messaging_server: RunningServer) -> None:
    response = messaging_server.request("GET", f"{_PATH}.json", params={"conversation_id": "conv1", "limit": 2})
    body = response.json()
    assert list(body) == ["meta", "data", "rows", "rows_before_limit_at_least", "statistics"]
    assert list(body["statistics"]) == ["elapsed", "rows_read", "bytes_read"]
    assert body["meta"][0] == {"name": "message_id", "type": "String"}
    assert [row["message_id"] for row in body["data"]] == ["m0", "m1"]
    assert (body["rows"], body["rows_before_limit_at_least"]) == (2, 5)
    assert response.headers["content-type"] == "application/json"
    assert "query;dur=" in response.headers["server-timing"]


def test_csv_has_a_header_and_ndjson_an_object_a_line(messaging_server: RunningServer) -> None:
    params = {"conversation_id": "conv1", "limit": "1", "q": "SELECT message_id, timestamp, read FROM _"}
    csv = messaging_server.request("GET", f"{_PATH}.csv", params=params)
    assert csv.text == '"message_id","timestamp","read"\n"m0","2023-05-15 14:30:00",0\n'
    ndjson = messaging_server.request("GET", f"{_PATH}.ndjson", params=params)
    assert ndjson.text == '{"message_id":"m0","timestamp":"2023-05-15 14:30:00","read":0}\n'
    parquet = messaging_server.request("GET", f"{_PATH}.parquet", params=params)
    assert parquet.content[:4] == parquet.content[-4:] == b"PAR1"


def test_parameters_come_by_url_form_or_json(messaging_server: RunningServer) -> None:
    by_form = messaging_server.request("POST", f"{_PATH}.json", data={"conversation_id": "conv1", "limit": "3"})
    by_json = messaging_server.request("POST", f"{_PATH}.json", json={"conversation_id": "conv1", "limit": 3})
    assert by_form.json()["data"] == by_json.json()["data"]
    assert by_form.json()["rows"] == 3


def test_a_statement_over_underscore_sees_the_endpoints_rows(messaging_server: RunningServer) -> None:
    params = {"conversation_id": "conv1", "q": "SELECT count() AS n, sum(read) AS r FROM _"}
    assert messaging_server.rows(f"{_PATH}.json", **params) == [{"n": 5, "r": 2}]
    params["q"] = "SELECT count() AS n, (SELECT sum(read) FROM _) AS r FROM get_messages_by_conversation"
    assert messaging_server.rows(f"{_PATH}.json", **params) == [{"n": 5, "r": 2}]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM messages",
        "SELECT * FROM _, messages",
        "SELECT * FROM peak_hours",
        "SELECT * FROM system.tables",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT (SELECT count() FROM messages) FROM _",
        "SELECT 1 FROM _ WHERE 'x' IN messages",
        "SELECT 1; SELECT 2",
        "SELECT * FROM _ INTO OUTFILE '/tmp/stolen'",
        "DROP TABLE messages",
        "SELECT * FROM _ SETTINGS max_execution_time = 0",
        "SELECT file('/etc/passwd')",
        "SELEC 1",
    ],
)
def test_a_statement_over_underscore_reads_nothing_else(messaging_server: RunningServer, statement: str) -> None:
    token = messaging_server.tokens()["messaging_read"]
    response = messaging_server.request("GET", f"{_PATH}.json", params={"q": statement}, token=token)
    assert response.status_code in {400, 403}, response.text
    assert "root:" not in response.text


def test_a_value_never_becomes_sql(messaging_server: RunningServer) -> None:
    for value in ["' OR 1=1 --", "\\' OR 1=1 --", "conv1' UNION ALL SELECT", "{{1}}", "\0", "''", "%"]:
        assert messaging_server.rows(f"{_PATH}.json", conversation_id=value) == []


def test_a_wrong_parameter_is_refused_in_the_contracts_words(messaging_server: RunningServer) -> None:
    response = messaging_server.request("GET", f"{_PATH}.json", params={"limit": "ten"})
    assert "Error validating 'ten' to type Int32" in _error(response, 400)
    response = messaging_server.request("GET", f"{_PATH}.json", params={"start_date": "2023"})
    assert "Error validating '2023' to type DateTime" in _error(response, 400)
    form = "YYYY-MM-DD HH:MM:SS"
    assert response.json()["hint"] == f"It is the value of the parameter 'start_date', which is written as {form}."


def test_a_pipe_that_is_no_endpoint_is_said_to_be_none(messaging_server: RunningServer) -> None:
    response = messaging_server.request("GET", "/v0/pipes/materialize_activity.json")
    assert _error(response, 404) == "The pipe 'materialize_activity' does not exist"
    assert "TYPE endpoint" in response.json()["hint"]


def test_unknown_endpoints_are_not_found(messaging_server: RunningServer) -> None:
    response = messaging_server.request("GET", "/v0/pipes/nothing.json")
    assert _error(response, 404) == "The pipe 'nothing' does not exist"
    for path in ["/v0/pipes/get_messages_by_conversation.xml", "/v0/pipes/.json", "/nowhere", "/v0/pipes/a/b.json"]:
        _error(messaging_server.request("GET", path), 404)


def test_a_slip_in_a_name_is_told_to_those_who_may_read_what_was_meant(messaging_server: RunningServer) -> None:
    path, tokens = "/v0/pipes/get_message_by_conversation.json", messaging_server.tokens()
    for token in (None, tokens["messaging_read"]):
        told = messaging_server.request("GET", path, token=token)
        assert _error(told, 404) == "The pipe 'get_message_by_conversation' does not exist"
        assert told.json()["hint"] == "Did you mean 'get_messages_by_conversation'?"
    told = messaging_server.request("GET", path, token=tokens["messaging_append"])
    assert _error(told, 404) == "The pipe 'get_message_by_conversation' does not exist"
    assert "hint" not in told.json()
    told = messaging_server.request("GET", "/v0/pipes/materialize_activity.json", token=tokens["messaging_append"])
    assert "hint" not in told.json()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v0/events?name=message"),
        ("POST", "/v0/datasources?mode=append&name=message"),
        ("POST", "/v1/datasources/message/append?format=ndjson"),
        ("GET", "/v0/datasources/message/quarantine"),
    ],
)
def test_a_slip_in_the_name_of_a_data_source_is_told_to_those_who_may_use_it(
    messaging_server: RunningServer, method: str, path: str
) -> None:
    told = messaging_server.request(method, path, content=b"{}")
    assert (told.status_code, told.json()["hint"]) == (404, "Did you mean 'messages'?")
    assert told.json()["error"] == 'Data Source "message" does not exist'
    may_append = messaging_server.request(
        method, path, content=b"{}", token=messaging_server.tokens()["messaging_append"]
    )
    assert ("messages" in may_append.text) == (method == "POST")
    may_read_pipes = messaging_server.request(
        method, path, content=b"{}", token=messaging_server.tokens()["messaging_read"]
    )
    assert "messages" not in may_read_pipes.text


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v0/sql?q=SELECT+1+FROM+_&pipeline=get_message_by_conversation", "get_messages_by_conversation"),
        ("/v0/pipes/get_message_by_conversation", "get_messages_by_conversation"),
        ("/v0/datasources/message", "messages"),
    ],
)
def test_a_slip_in_what_is_asked_about_is_told_alike(messaging_server: RunningServer, path: str, meant: str) -> None:
    tokens = messaging_server.tokens()
    assert messaging_server.request("GET", path).json()["hint"] == f"Did you mean '{meant}'?"
    told = messaging_server.request("GET", path, token=tokens["messaging_append"])
    assert told.status_code == 404
    assert meant not in told.text.replace("get_message_by_conversation", "")


def test_a_method_that_is_none_is_refused(messaging_server: RunningServer) -> None:
    _error(messaging_server.request("DELETE", f"{_PATH}.json"), 405)


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer p.wrong", "Basic YTpi", "Bearer " + "x" * 5000])
def test_without_a_valid_token_there_is_no_answer(messaging_server: RunningServer, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    for path in [f"{_PATH}.json", "/v0/sql?q=SELECT+1", "/v0/tokens", "/v1/deployments"]:
        _error(messaging_server.client.get(path, headers=headers), 403)


def test_a_token_does_only_what_its_lines_say(messaging_server: RunningServer) -> None:
    tokens = messaging_server.tokens()
    read, append = tokens["messaging_read"], tokens["messaging_append"]
    assert messaging_server.request("GET", f"{_PATH}.json", token=read).status_code == 200
    _error(messaging_server.request("GET", f"{_PATH}.json", token=append), 403)
    _error(messaging_server.request("POST", "/v0/events?name=messages", token=read, content="{}"), 403)
    _error(messaging_server.request("GET", "/v0/sql?q=SELECT+*+FROM+messages", token=read), 403)
    _error(messaging_server.request("GET", "/v0/tokens", token=read), 403)
    _error(messaging_server.request("POST", "/v1/deploy", token=read), 403)
    assert messaging_server.request("GET", "/v0/sql?q=SELECT+1", token=read).status_code == 200


def test_a_ten_megabyte_parameter_is_refused(messaging_server: RunningServer) -> None:
    huge = "x" * 10_000_000
    _error(messaging_server.request("GET", f"{_PATH}.json", params={"conversation_id": huge[:60_000]}), 414)
    _error(messaging_server.request("POST", f"{_PATH}.json", data={"conversation_id": huge}), 413)


def test_a_large_parameter_in_a_form_is_a_value_like_any_other(messaging_server: RunningServer) -> None:
    response = messaging_server.request("POST", f"{_PATH}.json", data={"conversation_id": "'\\" * 100_000})
    assert response.json()["data"] == []


@pytest.mark.parametrize("body", ["[1]", "{", "null", '{"a": ' * 100_000])
def test_a_json_body_that_is_no_object_is_refused(messaging_server: RunningServer, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    _error(messaging_server.request("POST", f"{_PATH}.json", content=body, headers=headers), 400)


def test_statements_come_by_url_form_json_or_plain_text(messaging_server: RunningServer) -> None:
    statement = "SELECT count() AS n FROM messages WHERE conversation_id = 'conv1' FORMAT JSON"
    answers = [
        messaging_server.request("GET", "/v0/sql", params={"q": statement}),
        messaging_server.request("POST", "/v0/sql", data={"q": statement}),
        messaging_server.request("POST", "/v0/sql", json={"q": statement}),
        messaging_server.request("POST", "/v0/sql", content=statement),
    ]
    assert [answer.json()["data"] for answer in answers] == [[{"n": 5}]] * 4


def test_harmless_settings_are_taken_and_others_refused(messaging_server: RunningServer) -> None:
    harmless = "SELECT toUInt64(1) AS n FORMAT JSON SETTINGS output_format_json_quote_64bit_integers = 1"
    assert messaging_server.request("GET", "/v0/sql", params={"q": harmless}).json()["data"] == [{"n": "1"}]
    for setting in ["max_execution_time = 0", "max_memory_usage = 0", "readonly = 0", "max_threads = 64"]:
        response = messaging_server.request("GET", "/v0/sql", params={"q": f"SELECT 1 SETTINGS {setting}"})
        assert "is not allowed" in _error(response, 403)


def test_bound_parameters_are_out_of_a_callers_reach(messaging_server: RunningServer) -> None:
    response = messaging_server.request("GET", "/v0/sql", params={"q": "SELECT {secret:String}", "secret": "x"})
    assert "{secret:...} is not allowed" in _error(response, 403)


def test_output_settings_come_as_parameters(messaging_server: RunningServer) -> None:
    params = {"conversation_id": "conv1", "q": "SELECT count() AS n FROM _", "limit": "1"}
    quoted = {**params, "output_format_json_quote_64bit_integers": "1"}
    assert messaging_server.request("GET", f"{_PATH}.json", params=quoted).json()["data"] == [{"n": "1"}]
    unsure = messaging_server.request(
        "GET", f"{_PATH}.json", params={**params, "output_format_json_quote_64bit_integers": "maybe"}
    )
    assert "may be 1, 0, true or false, not 'maybe'" in _error(unsure, 400)
    bare = {**params, "__tb__csv_header": "0"}
    assert messaging_server.request("GET", f"{_PATH}.csv", params=bare).text == "1\n"


def test_pipes_are_tables_in_statements(messaging_server: RunningServer) -> None:
    statement = "SELECT count() AS n FROM get_messages_by_conversation AS g FORMAT JSON"
    params = {"q": statement, "conversation_id": "conv1"}
    assert messaging_server.request("GET", "/v0/sql", params=params).json()["data"] == [{"n": 5}]
    statement = "SELECT max(message_id) AS m FROM _ FORMAT JSON"
    params = {"q": statement, "conversation_id": "conv1", "pipeline": "get_messages_by_conversation"}
    assert messaging_server.request("GET", "/v0/sql", params=params).json()["data"] == [{"m": "m4"}]


@pytest.mark.parametrize(
    "statement",
    ["SELECT * FROM system.processes", "INSERT INTO messages SELECT 1", "SELECT * FROM nothing", "SHOW TABLES", ""],
)
def test_other_statements_are_refused(messaging_server: RunningServer, statement: str) -> None:
    response = messaging_server.request("GET", "/v0/sql", params={"q": statement})
    assert response.status_code in {400, 403, 404}
    assert response.json()["error"]


def test_the_only_region_is_the_server_itself(messaging_server: RunningServer) -> None:
    (region,) = messaging_server.client.get("/v0/regions").json()["regions"]
    assert region["api_host"] == messaging_server.url
    assert region.keys() == {"key", "name", "provider", "api_host"}


def test_the_version_is_told_as_text(messaging_server: RunningServer) -> None:
    response = messaging_server.client.get("/version")
    assert (response.status_code, response.text) == (200, f"stonechat {version('stonechat')}")


def test_every_answer_has_a_request_id_and_may_be_read_by_any_page(messaging_server: RunningServer) -> None:
    response = messaging_server.client.get("/v0/health", headers={"X-Request-Id": "mine"})
    assert response.headers["x-request-id"] == "mine"
    assert response.headers["access-control-allow-origin"] == "*"
    preflight = messaging_server.client.options("/v0/events", headers={"Origin": "https://a.example"})
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://a.example"}, {"Host": "evil.example"}, {"X-Forwarded-For": "1.2.3.4"}],
)
def test_the_admin_token_is_not_handed_to_web_pages_and_proxies(
    messaging_server: RunningServer, headers: dict[str, str]
) -> None:
    _error(messaging_server.client.get("/tokens", headers=headers), 403)
