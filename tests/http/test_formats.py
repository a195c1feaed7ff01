"""Every format of an endpoint, byte for byte.

A case is a text file: the extension of the endpoint and, each after a `?`, parameters of the URL; the statement over
the endpoint's one row; then `---` and the answer without its timing. A refusal is the status and the error. Run once
with STONECHAT_REWRITE_EXPECTED=1 to have the answers written, then read them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import NO_TELEMETRY, RunningServer
from tests.engine.shared import shared_engine

CORPUS = sorted((Path(__file__).parent / "corpus_formats").glob("*.txt"))
_PIPE = "NODE n\nSQL >\n    SELECT 1 AS x\n\nTYPE endpoint\n"
_FIXED = "NODE n\nSQL >\n    SELECT 1 AS x, 2 AS format FORMAT JSONCompact\n\nTYPE endpoint\n"
_PARQUET = "/v0/pipes/one.parquet"
_VARYING = re.compile(r'("(?:elapsed|bytes_read)": )[0-9.e-]+')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path_factory.mktemp("formats") / "home", arguments=("serve",), environment=NO_TELEMETRY)
    assert server.deploy({"one.pipe": _PIPE, "fixed.pipe": _FIXED}).status_code == 200
    yield server
    assert server.stop() == 0


def _comparable(response: httpx.Response) -> str:
    if response.status_code != 200:
        return f"{response.status_code} {response.json()['error']}"
    return _VARYING.sub(r"\1<varies>", response.content.decode())


@pytest.mark.parametrize("case", CORPUS, ids=lambda path: path.stem)
def test_an_answer_is_as_its_file_says(server: RunningServer, case: Path) -> None:
    request, _, expected = case.read_text().partition("\n---\n")
    head, statement = request.split("\n", 1)
    extension, *parameters = head.split(" ?")
    params = {"q": statement, **dict(item.split("=", 1) for item in parameters)}
    answer = _comparable(server.request("GET", f"/v0/pipes/one.{extension}", params=params))
    if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
        case.write_text(f"{request}\n---\n{answer}")
        return
    assert answer == expected


def test_the_extension_decides_even_where_the_pipe_names_a_format(server: RunningServer) -> None:
    assert server.request("GET", "/v0/pipes/fixed.csv").text == '"x","format"\n1,2\n'
    assert server.rows("/v0/pipes/fixed.json") == [{"x": 1, "format": 2}]


def _parquet_rows(content: bytes, folder: Path) -> list[dict[str, object]]:
    path = folder / "answer.parquet"
    path.write_bytes(content)
    return shared_engine().fetch(f"SELECT * FROM file('{path}', 'Parquet')")


def test_parquet_is_a_file_of_the_rows(server: RunningServer, tmp_path: Path) -> None:
    statement = (
        "SELECT arrayJoin([1, 2]) AS n, 'ünï🐦' AS text, [1.5] AS list, NULL::Nullable(String) AS nothing FROM _"
    )
    response = server.request("GET", _PARQUET, params={"q": statement})
    assert response.headers["content-type"] == "application/vnd.apache.parquet"
    assert _parquet_rows(response.content, tmp_path) == [
        {"n": number, "text": "ünï🐦", "list": [1.5], "nothing": None} for number in (1, 2)
    ]


def test_a_parquet_file_may_have_no_rows(server: RunningServer, tmp_path: Path) -> None:
    response = server.request("GET", _PARQUET, params={"q": "SELECT x FROM _ WHERE 0"})
    assert _parquet_rows(response.content, tmp_path) == []
    described = shared_engine().fetch(f"DESCRIBE TABLE file('{tmp_path / 'answer.parquet'}', 'Parquet')")
    assert [(column["name"], column["type"]) for column in described] == [("x", "UInt8")]


def test_parquet_strings_may_be_bytes(server: RunningServer) -> None:
    text, raw = (
        server.request("GET", _PARQUET, params={"q": "SELECT 'a' AS s", "output_format_parquet_string_as_string": flag})
        for flag in ("1", "0")
    )
    assert text.status_code == raw.status_code == 200
    assert text.content != raw.content


@pytest.mark.parametrize(
    ("extension", "media_type"),
    [
        ("json", "application/json"),
        ("csv", "text/csv; charset=utf-8"),
        ("ndjson", "application/x-ndjson"),
        ("parquet", "application/vnd.apache.parquet"),
        ("prometheus", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_head_answers_with_the_headers_alone(server: RunningServer, extension: str, media_type: str) -> None:
    params = {"q": "SELECT 'up' AS name, toFloat64(x) AS value FROM _"}
    path = f"/v0/pipes/one.{extension}"
    whole, head = (server.request(method, path, params=params) for method in ("GET", "HEAD"))
    assert (whole.status_code, head.status_code, head.content) == (200, 200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"] == media_type
    assert head.headers["content-length"] == str(len(whole.content))


def test_rows_read_counts_what_was_scanned(server: RunningServer) -> None:
    statement = "SELECT count() AS n FROM numbers(1000) WHERE number % 2 = 0 FORMAT JSON"
    answer = server.request("GET", "/v0/sql", params={"q": statement}).json()
    assert answer["data"] == [{"n": 500}]
    assert (answer["rows"], answer["statistics"]["rows_read"]) == (1, 1000)
    assert answer["statistics"]["bytes_read"] == 8000


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1 AS a format csvwithnames", '"a"\n1\n'),
        ("SELECT 1 AS a FORMAT CSV SETTINGS output_format_csv_crlf_end_of_line = 1", "1\r\n"),
        ("SELECT 'FORMAT JSON' AS a FORMAT TSV -- FORMAT JSON", "FORMAT JSON\n"),
        ("SELECT t.`format` csv FROM (SELECT 2 AS `format`) AS t FORMAT CSVWithNames;", '"csv"\n2\n'),
        ("SELECT 1 AS a UNION ALL SELECT 1 FORMAT `CSV`", "1\n1\n"),
        ("SELECT t.format csv FROM (SELECT 2 AS format) AS t", "2\n"),
    ],
)
def test_a_format_clause_is_what_the_engine_says_it_is(server: RunningServer, statement: str, expected: str) -> None:
    response = server.request("GET", "/v0/sql", params={"q": statement})
    assert response.text == expected
