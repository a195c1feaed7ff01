"""Every exchange of the corpus with `/v0/sql` goes as its file says.

A case is a text file: the method and path, a line for each header (`token:` is the name of a token, the admin's
without one) and for each parameter of the URL (`?name=value`, not encoded), an empty line and the body; then `---`,
the status and the body of the answer. An answer in JSON has at least the members that are listed; texts that end in
`...` begin so. Run once with STONECHAT_REWRITE_EXPECTED=1 to have whole answers written, then read them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer

CORPUS = sorted((Path(__file__).parent / "corpus_sql").glob("*.txt"))
_SECRET = "hunter2"
_PROJECT = {
    "datasources/visits.datasource": """TOKEN visits_read READ

SCHEMA >
    site String `json:$.site`,
    tenant UInt8 `json:$.tenant`,
    seen DateTime `json:$.seen`
""",
    "datasources/tenants.datasource": "SCHEMA >\n    id UInt8 `json:$.id`\n",
    "pipes/own_visits.pipe": """TOKEN pipe_read READ

NODE all_visits
SQL >
    SELECT site, tenant, seen FROM visits

NODE rows
SQL >
    %
    SELECT site, seen FROM all_visits
    WHERE tenant IN tenants AND lower(site) != {{String(without, 'nothing')}}

TYPE endpoint
""",
    "pipes/counted.pipe": """NODE counts
SQL >
    %
    SELECT tenant, count() AS visits FROM visits WHERE tenant >= {{UInt8(least, 0)}} GROUP BY tenant ORDER BY tenant

TYPE copy
TARGET_DATASOURCE totals
""",
    "pipes/signed.pipe": """TOKEN pipe_read READ

NODE sizes
SQL >
    %
    SELECT length({{tb_secret('password', 'hunter2')}}) AS size

TYPE endpoint
""",
    "pipes/as_csv.pipe": """TOKEN pipe_read READ

NODE rows
SQL >
    SELECT site, count() AS format FROM visits GROUP BY site ORDER BY format DESC, site FORMAT CSV -- the request says

TYPE endpoint
""",
    "datasources/totals.datasource": "SCHEMA >\n    tenant UInt8,\n    visits UInt64\n",
}
_VISITS = [
    {"site": "home", "tenant": 1, "seen": "2024-01-01 10:00:00"},
    {"site": "shop", "tenant": 1, "seen": "2024-01-01 11:00:00"},
    {"site": "hidden", "tenant": 2, "seen": "2024-01-01 12:00:00"},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path_factory.mktemp("sql") / "home", arguments=("serve",), environment={})
    try:
        response = server.deploy(_PROJECT)
        assert response.status_code == 200, response.text
        server.send("\n".join(map(json.dumps, _VISITS)), name="visits")
        server.send('{"id":1}', name="tenants")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def tokens(server: RunningServer) -> dict[str, str]:
    return server.tokens()


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_each_exchange_goes_as_its_file_says(path: Path, server: RunningServer, tokens: dict[str, str]) -> None:
    request, _, expected = path.read_text().partition("\n---\n")
    response = _send(request, server, tokens)
    assert _SECRET not in response.text
    if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
        expected = f"{response.status_code}\n{_comparable(response)}"
        path.write_text(f"{request}\n---\n{expected}")
    status, _, body = expected.partition("\n")
    assert response.status_code == int(status), response.text
    if response.headers["content-type"] == "application/json":
        assert _holds(json.loads(body), response.json()), response.text
    else:
        assert response.text == body


def _send(text: str, server: RunningServer, tokens: dict[str, str]) -> httpx.Response:
    head, _, body = text.partition("\n\n")
    first, *lines = head.splitlines()
    method, path = first.split()
    parameters = [tuple(line[1:].split("=", 1)) for line in lines if line.startswith("?")]
    headers = dict(line.split(": ", 1) for line in lines if not line.startswith("?"))
    token = headers.pop("token", None)
    if "content-type" not in headers and body:
        headers["content-type"] = "text/plain"
    url = httpx.URL(path, params=parameters)
    return server.request(method, str(url), token=tokens[token] if token else None, headers=headers, content=body)


def _comparable(response: httpx.Response) -> str:
    if response.headers["content-type"] != "application/json":
        return response.text
    document = response.json()
    document.pop("statistics", None)
    document.pop("hint", None)
    if len(document.get("error", "")) > 100:
        document["error"] = document["error"][:80] + "..."
    return json.dumps(document, ensure_ascii=False) + "\n"


def _holds(expected: object, actual: object) -> bool:
    if isinstance(expected, dict) and isinstance(actual, dict):
        return all(key in actual and _holds(value, actual[key]) for key, value in expected.items())
    if isinstance(expected, str) and isinstance(actual, str) and expected.endswith("..."):
        return actual.startswith(expected.removesuffix("..."))
    return expected == actual


def test_a_table_that_is_out_of_reach_is_not_suggested(server: RunningServer, tokens: dict[str, str]) -> None:
    for name in ("tenant", "total", "own_visit", "tinybird.job_log"):
        refused = server.request("GET", "/v0/sql", token=tokens["visits_read"], params={"q": f"SELECT 1 FROM {name}"})
        assert refused.json()["error"] == f"Resource '{name}' not found."
        assert refused.json().get("hint") in {None, "Did you mean 'visits'?", "Did you mean 'visits_quarantine'?"}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
        "SELECT " + "abs(" * 10_000 + "1" + ")" * 10_000,
        "SELECT " + "-" * 60_000 + "1",
        "SELECT " + "1," * 30_000 + "1",
        "SELECT * FROM " + "(SELECT * FROM " * 300 + "visits" + ")" * 300,
        "SELECT 1" + " UNION ALL SELECT 1" * 3_000,
        "SELECT " + "[" * 30_000,
        "% {% for i in range(1000000) %}SELECT {% end %}",
        "% " + "{{" * 10_000,
        "% SELECT {{'a' * 1000000000}}",
        "SELECT '" + "a" * 70_000 + "'",
        "SELECT 1 \0 FROM visits",
    ],
    ids=range(12),
)
def test_a_huge_or_deep_statement_is_refused_or_answered_and_harms_nobody(
    server: RunningServer, statement: str
) -> None:
    response = server.request("POST", "/v0/sql", content=statement, headers={"content-type": "text/plain"})
    assert response.status_code in {200, 400, 413}, response.text
    assert "In scope WITH" not in response.text
    assert server.value("SELECT 1") == 1


def test_a_form_of_a_browser_holds_parameters_and_no_files(server: RunningServer) -> None:
    fields = [("q", "% SELECT {{Array(x)}} AS x FORMAT JSONEachRow"), ("x", "1"), ("x", "é\r\n2")]
    form = [(name, (None, value)) for name, value in fields]
    assert server.request("POST", "/v0/sql", files=form).text == '{"x":["1","é\\r\\n2"]}\n'
    called = server.request("POST", "/v0/pipes/own_visits.ndjson", files=[("without", (None, "home"))])
    assert '"site":"home"' not in called.text
    assert '"site":"shop"' in called.text
    refused = server.request("POST", "/v0/sql", files=[("q", ("q.sql", "SELECT 1"))])
    assert (refused.status_code, refused.json()["error"]) == (400, "The parameter 'q' is sent as a file")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/json"])
def test_a_pipe_takes_json_whatever_it_is_called(server: RunningServer, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    for body in ('{"without": "home"}', ' {"without": ["home"]}', "without=home"):
        if body.startswith("w") and kind == "application/json":
            continue
        answer = server.request("POST", "/v0/pipes/own_visits.ndjson", content=body, headers=headers)
        assert [json.loads(line)["site"] for line in answer.text.splitlines()] == ["shop"], body


def test_the_statement_may_be_as_long_as_its_limit(server: RunningServer) -> None:
    statement = f"SELECT length('{'é' * 30_000}') AS n FORMAT JSONEachRow"
    response = server.request("POST", "/v0/sql", content=statement.encode(), headers={"content-type": "text/plain"})
    assert response.text == '{"n":60000}\n'


@pytest.mark.parametrize(
    ("output", "media_type", "start"),
    [
        ("JSON", "application/json", b'{\n\t"meta":'),
        ("json", "application/json", b'{\n\t"meta":'),
        ("JSONCompact", "application/json", b"{"),
        ("JSONStrings", "application/json", b"{"),
        ("JSONEachRow", "application/x-ndjson", b'{"name":"a","value":1.5}\n'),
        ("JSONCompactEachRow", "application/x-ndjson", b'["a", 1.5]\n'),
        ("JSONCompactEachRowWithNamesAndTypes", "application/x-ndjson", b'["name", "value"]\n["String", "Float64"]\n'),
        ("JSONStringsEachRowWithProgress", "application/x-ndjson", b'{"meta"'),
        ("CSV", "text/csv; charset=utf-8", b'"a",1.5\n'),
        ("CSVWithNames", "text/csv; charset=utf-8", b'"name","value"\n"a",1.5\n'),
        ("TSV", "text/tab-separated-values; charset=utf-8", b"a\t1.5\n"),
        ("TSVWithNames", "text/tab-separated-values; charset=utf-8", b"name\tvalue\na\t1.5\n"),
        ("TabSeparated", "text/tab-separated-values; charset=utf-8", b"a\t1.5\n"),
        (
            "TabSeparatedWithNamesAndTypes",
            "text/tab-separated-values; charset=utf-8",
            b"name\tvalue\nString\tFloat64\n",
        ),
        ("PrettyCompact", "text/plain; charset=utf-8", "   ┌─name─┬─value─┐".encode()),
        ("Parquet", "application/vnd.apache.parquet", b"PAR1"),
        ("Prometheus", "text/plain; version=0.0.4; charset=utf-8", b"a 1.5\n"),
        ("Native", "application/octet-stream", b"\x02\x01"),
        ("RowBinaryWithNamesAndTypes", "application/octet-stream", b"\x02\x04name"),
        ("ODBCDriver2", "application/octet-stream", b""),
        ("Markdown", "text/markdown; charset=utf-8", b"| name | value |\n"),
    ],
)
def test_every_format_of_the_contract_comes_with_its_media_type(
    server: RunningServer, output: str, media_type: str, start: bytes
) -> None:
    statement = f"SELECT 'a' AS name, 1.5 AS value FORMAT {output}"
    response = server.request("GET", "/v0/sql", params={"q": statement})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == media_type
    assert response.content.startswith(start)
