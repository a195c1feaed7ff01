"""`POST /v0/analyze`: every way to send rows, an answer that can be deployed, and no way to make the server fetch."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest
from tests.conftest import RunningServer

_NDJSON = (
    '{"id":1,"author":{"name":"Ada"},"sent":"2024-01-01T10:00:00Z","tags":["a"]}\n'
    '{"id":70000,"author":{"name":null},"sent":"2024-01-02T10:00:00Z"}\n'
)
_CSV = "id,name\n1,Ada\n2,\n"


def analyze(server: RunningServer, **arguments: Any) -> httpx.Response:
    return server.request("POST", "/v0/analyze", **arguments)


def schema_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return str(response.json()["analysis"]["schema"])


def test_the_answer_has_the_contracts_members(messaging_server: RunningServer) -> None:
    body = analyze(messaging_server, content=_NDJSON).json()
    assert body["analysis"] == {
        "columns": [
            {"name": "id", "path": "$.id", "recommended_type": "Int32", "present_pct": 1},
            {
                "name": "author_name",
                "path": "$.author.name",
                "recommended_type": "Nullable(String)",
                "present_pct": 0.5,
            },
            {"name": "sent", "path": "$.sent", "recommended_type": "DateTime", "present_pct": 1},
            {"name": "tags", "path": "$.tags[:]", "recommended_type": "Array(String)", "present_pct": 0.5},
        ],
        "schema": "id Int32 `json:$.id`, author_name Nullable(String) `json:$.author.name`, "
        "sent DateTime `json:$.sent`, tags Array(String) `json:$.tags[:]` DEFAULT []",
    }
    preview = body["preview"]
    assert list(preview) == ["meta", "data", "rows", "statistics"]
    assert preview["meta"][0] == {"name": "id", "type": "Int32"}
    assert preview["data"] == [
        {"id": 1, "author_name": "Ada", "sent": "2024-01-01 10:00:00", "tags": ["a"]},
        {"id": 70000, "author_name": None, "sent": "2024-01-02 10:00:00", "tags": []},
    ]
    assert preview["rows"] == 2
    assert (preview["statistics"]["rows_read"], list(preview["statistics"])) == (
        2,
        ["elapsed", "rows_read", "bytes_read"],
    )


def test_without_guessing_all_columns_of_csv_are_texts(messaging_server: RunningServer) -> None:
    answer = analyze(messaging_server, content=_CSV, params={"format": "csv", "type_guessing": "false"})
    assert schema_of(answer) == "id String, name Nullable(String)"


def test_a_preview_takes_rows_as_the_data_source_would(messaging_server: RunningServer) -> None:
    preview = analyze(messaging_server, content='{"a":1,"b":1}\n{"a":\r2,"b":2,"a":3}').json()["preview"]
    assert preview["data"] == [{"a": 1, "b": 1}, {"a": 3, "b": 2}]


def test_a_preview_has_ten_rows_of_many(messaging_server: RunningServer) -> None:
    preview = analyze(messaging_server, content="\n".join(f'{{"n":{n}}}' for n in range(500))).json()["preview"]
    assert (preview["rows"], preview["statistics"]["rows_read"]) == (10, 500)
    assert preview["data"] == [{"n": number} for number in range(10)]


@pytest.mark.parametrize(
    ("arguments", "schema"),
    [
        ({"content": _CSV}, "id Int16, name Nullable(String)"),
        ({"content": _CSV, "headers": {"content-type": "text/csv"}}, "id Int16, name Nullable(String)"),
        ({"content": '{"a":1}', "params": {"format": "ndjson"}}, "a Int16 `json:$.a`"),
        ({"content": '[{"a":1}]', "headers": {"content-type": "application/json"}}, "a Int16 `json:$.a`"),
        ({"files": {"csv": ("rows.csv", _CSV)}}, "id Int16, name Nullable(String)"),
        ({"files": {"ndjson": ("rows.ndjson", '{"a":1}')}}, "a Int16 `json:$.a`"),
        ({"files": {"file": ("anything", '{"a":1}')}}, "a Int16 `json:$.a`"),
        ({"files": {"csv": (None, _CSV)}}, "id Int16, name Nullable(String)"),
        ({"files": {"csv": ("rows.ndjson", '{"a":1}')}}, "a Int16 `json:$.a`"),
        ({"files": {"csv": (None, '{"a":1}')}}, "a Int16 `json:$.a`"),
        ({"files": {"csv": ("x", '{"a":1}')}, "params": {"format": "csv"}}, "column_1 String"),
        ({"files": {"csv": ("rows.csv.gz", gzip.compress(_CSV.encode()))}}, "id Int16, name Nullable(String)"),
        ({"content": gzip.compress(b'{"a":1}')}, "a Int16 `json:$.a`"),
    ],
)
def test_rows_come_as_a_body_or_a_field(messaging_server: RunningServer, arguments: Any, schema: str) -> None:
    assert schema_of(analyze(messaging_server, **arguments)) == schema


def test_a_parquet_file_is_known_by_its_first_bytes(messaging_server: RunningServer) -> None:
    statement = "SELECT number AS id, if(number = 0, NULL, 'x') AS name FROM numbers(2) FORMAT Parquet"
    file = messaging_server.request("GET", "/v0/sql", params={"q": statement}).content
    wanted = "id UInt64 `json:$.id`, name Nullable(String) `json:$.name`"
    assert schema_of(analyze(messaging_server, content=file)) == wanted
    assert schema_of(analyze(messaging_server, files={"parquet": ("rows.parquet", file)})) == wanted


def test_the_schema_can_be_deployed_and_takes_the_rows(messaging_server: RunningServer, messaging_files: Any) -> None:
    schema = schema_of(analyze(messaging_server, content=_NDJSON))
    files = {**messaging_files, "datasources/analyzed.datasource": f"SCHEMA >\n    {schema}\n"}
    assert messaging_server.deploy(files).status_code == 200
    answer = messaging_server.send(_NDJSON, name="analyzed").json()
    assert answer == {"successful_rows": 2, "quarantined_rows": 0}


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:7181/tokens", "http://169.254.169.254/", "file:///etc/passwd", "nonsense", ""],
)
def test_no_url_of_a_private_network_is_fetched(messaging_server: RunningServer, url: str) -> None:
    response = analyze(messaging_server, params={"url": url}, content=_NDJSON)
    assert response.status_code == 400
    assert response.json()["code"] in {"SC653", "SC654"}


def test_only_who_may_write_has_urls_fetched(messaging_server: RunningServer) -> None:
    tokens = messaging_server.tokens()
    reader = next(value for name, value in tokens.items() if "read" in name)
    answer = messaging_server.request("POST", "/v0/analyze", params={"url": "http://127.0.0.1/"}, token=reader)
    assert (answer.status_code, answer.json()["code"]) == (403, "SC402")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"content": ""}, 400),
        ({"content": " \n "}, 400),
        ({"content": "{}"}, 400),
        ({"content": b"\xff\xfe"}, 400),
        ({"content": "PAR1 and no more"}, 400),
        ({"content": "id,name", "params": {"format": "parquet"}}, 400),
        ({"content": "id,name", "params": {"format": "xml"}}, 400),
        ({"files": {"csv": ("rows.csv", "")}}, 400),
        ({"files": [("csv", ("a", "a\n1")), ("csv", ("b", "b\n2"))]}, 400),
        ({"content": "x", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"content": "x", "headers": {"content-encoding": "gzip"}}, 400),
        ({"content": '{"a":' * 100_000}, 400),
    ],
)
def test_what_cannot_be_analyzed_is_refused(messaging_server: RunningServer, arguments: Any, status: int) -> None:
    response = analyze(messaging_server, **arguments)
    assert response.status_code == status, response.text
    assert response.json()["error"]
    assert "stonechat-analyze" not in response.text


def test_a_body_has_a_limit_however_it_is_sent(start_server: Any) -> None:
    server: RunningServer = start_server(STONECHAT_MAX_BODY_BYTES="100000")
    rows = json.dumps({"a": "x" * 200_000})
    for response in (analyze(server, content=rows), analyze(server, files={"ndjson": ("rows", rows)})):
        assert response.status_code == 413
        assert response.json()["code"] == "SC920"


def test_without_a_token_there_is_no_analysis(messaging_server: RunningServer) -> None:
    assert messaging_server.client.post("/v0/analyze", content=_NDJSON).status_code == 403
    token = messaging_server.tokens()["messaging_read"]
    assert analyze(messaging_server, content=_NDJSON, token=token).status_code == 200
