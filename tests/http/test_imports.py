"""Files into data sources over the HTTP API: whole, in part with the rest accounted for, or refused."""

from __future__ import annotations

import csv
import gzip
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import zstandard
from tests.conftest import RunningServer

_READINGS = """TOKEN "sensor" APPEND
TOKEN "reader" READ

SCHEMA >
    `sensor` String `json:$.sensor`,
    `at` DateTime `json:$.at`,
    `value` Float32 `json:$.value`,
    `note` Nullable(String) `json:$.note`

ENGINE "MergeTree"
ENGINE_SORTING_KEY "sensor, at"
"""
_HEADER = "sensor,at,value,note\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(
        tmp_path_factory.mktemp("imports") / "home",
        arguments=("serve",),
        environment={"STONECHAT_MAX_UPLOAD_BYTES": "1000000", "STONECHAT_URL_SECONDS": "0.5"},
    )
    try:
        assert server.deploy({"readings.datasource": _READINGS}).status_code == 200
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


def _append(server: RunningServer, content: bytes | str, **params: str) -> httpx.Response:
    params = {"mode": "append", "name": "readings", **params}
    return server.request("POST", "/v0/datasources", params=params, content=content)


def _counts(answer: httpx.Response) -> tuple[int, int, int]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["quarantine_rows"] == body["quarantined_rows"]
    return body["successful_rows"], body["quarantined_rows"], body["invalid_lines"]


def _ended(server: RunningServer, identity: str) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        job: dict[str, Any] = server.request("GET", f"/v0/jobs/{identity}").json()
        if job["status"] not in {"waiting", "working"}:
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def _stored(server: RunningServer, sensor: str) -> list[dict[str, Any]]:
    return server.sql(f"SELECT at, value, note FROM readings WHERE sensor = '{sensor}' ORDER BY ALL")


def test_a_csv_body_is_appended_and_seen_at_once(server: RunningServer) -> None:
    answer = _append(server, f"{_HEADER}a1,2024-01-01 10:00:00,1.5,\na1,2024-01-01 10:00:01,2,x\n")
    assert _counts(answer) == (2, 0, 0)
    body = answer.json()
    assert body["error"] is False
    assert body["datasource"]["name"] == "readings"
    assert _stored(server, "a1") == [
        {"at": "2024-01-01 10:00:00", "value": 1.5, "note": None},
        {"at": "2024-01-01 10:00:01", "value": 2, "note": "x"},
    ]


def test_rows_that_do_not_fit_are_counted_and_kept_with_the_import(server: RunningServer) -> None:
    answer = _append(server, f"{_HEADER}a2,2024-01-01 10:00:00,,\na2,shifted,2024-01-01 10:00:00,1,x\n")
    assert _counts(answer) == (0, 2, 1)
    text = "There was an error with file contents: 2 rows in quarantine and 1 invalid line."
    assert answer.json()["error"] == text
    mine = f"c__import_id = '{answer.json()['import_id']}'"
    kept = server.sql(f"SELECT c__error, c__raw FROM readings_quarantine WHERE {mine} ORDER BY ALL")
    assert kept == [
        {"c__error": ["line 3 has 5 fields, expected 4"], "c__raw": "a2,shifted,2024-01-01 10:00:00,1,x"},
        {"c__error": ["value '' on column 'value' is not Float32"], "c__raw": "a2,2024-01-01 10:00:00,,"},
    ]


def test_one_malformed_line_counts_once_in_each_counter(server: RunningServer) -> None:
    answer = _append(server, f"{_HEADER}a3,2024-01-01 10:00:00,1,\na3,1\n")
    assert _counts(answer) == (1, 1, 1)
    assert answer.json()["error"] == ("There was an error with file contents: 1 row in quarantine and 1 invalid line.")


def test_a_job_that_is_done_at_once_tells_of_rows_that_do_not_fit(server: RunningServer) -> None:
    path, params = "/v1/datasources/readings/append", {"format": "csv"}
    begun = server.request("POST", path, params=params, content=f"{_HEADER}a4,2024-01-01 10:00:00,much,\n").json()
    assert (begun["status"], begun["error"]) == ("done", "There was an error with file contents: 1 row in quarantine.")
    begun = server.request("POST", path, params=params, content=f"{_HEADER}a4,2024-01-01 10:00:00,1,\n").json()
    assert begun["status"] == "done"
    assert "error" not in begun


@pytest.mark.parametrize("field", ["csv", "ndjson", "file"])
def test_a_field_of_a_form_may_hold_any_format(server: RunningServer, field: str) -> None:
    row = json.dumps({"sensor": f"b-{field}", "at": "2024-01-01 10:00:00", "value": 3, "note": "é"}) + "\n"
    params = {"mode": "append", "name": "readings", "format": "ndjson"}
    answer = server.request("POST", "/v0/datasources", params=params, files={field: ("rows", row.encode())})
    assert _counts(answer) == (1, 0, 0)
    assert _stored(server, f"b-{field}") == [{"at": "2024-01-01 10:00:00", "value": 3, "note": "é"}]


def test_parameters_may_be_fields_of_the_form(server: RunningServer) -> None:
    fields = {"mode": "append", "name": "readings"}
    files = {"csv": ("r.csv", b"b1|2024-01-01 10:00:00|1|a,b\n")}
    answer = server.request("POST", "/v0/datasources", data=fields | {"dialect_delimiter": "|"}, files=files)
    assert _counts(answer) == (1, 0, 0)
    assert _stored(server, "b1")[0]["note"] == "a,b"


def test_the_name_of_a_file_says_its_format(server: RunningServer) -> None:
    row = gzip.compress(b'{"sensor": "b2", "at": "2024-01-01 10:00:00", "value": 3}\n')
    answer = server.request(
        "POST", "/v0/datasources", params={"mode": "append", "name": "readings"}, files={"csv": ("r.ndjson.gz", row)}
    )
    assert _counts(answer) == (1, 0, 0)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_compressed_files_need_no_word(server: RunningServer, compress: Any) -> None:
    name = compress.__module__
    content = compress(f"{name},2024-01-01 10:00:00,1,\n".encode() * 3)
    assert _counts(_append(server, content)) == (3, 0, 0)


def _parquet(server: RunningServer, sensor: str) -> bytes:
    columns = f"'{sensor}' AS sensor, toDateTime('2024-01-01 10:00:00') AS at, 1.25 AS value"
    statement = f"SELECT {columns}, NULL::Nullable(String) AS note"
    answer = server.request("POST", "/v0/sql", content=f"{statement} FORMAT Parquet")
    assert answer.status_code == 200, answer.text
    return answer.content


def test_parquet_is_appended(server: RunningServer) -> None:
    assert _counts(_append(server, _parquet(server, "c1"), format="parquet")) == (1, 0, 0)
    assert _stored(server, "c1") == [{"at": "2024-01-01 10:00:00", "value": 1.25, "note": None}]


def test_a_parquet_file_cut_in_half_is_refused_whole(server: RunningServer) -> None:
    whole = _parquet(server, "c2")
    answer = _append(server, whole[: len(whole) // 2], format="parquet")
    assert (answer.status_code, answer.json()["code"]) == (400, "SC650")
    assert "/" not in answer.json()["error"]
    assert _stored(server, "c2") == []


def _zipped(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("rows.csv", content)
    return archive.getvalue()


_REFUSED: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "no file": (b"", {}, 400, "SC959"),
    "no name": (b"x", {"name": ""}, 400, "SC952"),
    "unknown mode": (b"x", {"mode": "upsert"}, 400, "SC959"),
    "unknown format": (b"x", {"format": "xlsx"}, 400, "SC655"),
    "unknown data source": (b"x", {"name": "nothing"}, 404, "SC305"),
    "create": (b"x", {"mode": "create", "name": "new"}, 403, "SC956"),
    "bad delimiter": (b"x", {"dialect_delimiter": "||"}, 400, "SC652"),
    "a url of another kind": (b"", {"url": "file:///etc/passwd"}, 400, "SC654"),
    "no url": (b"", {"url": "rows.csv"}, 400, "SC654"),
    "zip": (_zipped(b"d,2024-01-01 10:00:00,1,\n"), {}, 400, "SC650"),
    "both": (b"x", {"url": "http://example.com/"}, 400, "SC959"),
    "latin-1": ("d,2024-01-01 10:00:00,1,é\n".encode("latin-1"), {}, 400, "SC650"),
    "utf-16": (_HEADER.encode("utf-16"), {}, 400, "SC650"),
    "torn gzip": (gzip.compress(b"d,2024-01-01 10:00:00,1,\n" * 1000)[:-20], {}, 400, "SC650"),
    "torn zstd": (zstandard.compress(b"d,2024-01-01 10:00:00,1,\n" * 1000)[:-5], {}, 400, "SC650"),
    "too large": (b"d" * 1_000_001, {}, 413, "SC920"),
    "bomb": (zstandard.compress(b"d" * 100_000_000), {}, 413, "SC651"),
    "gzip bomb": (gzip.compress(b"d" * 100_000_000), {}, 413, "SC651"),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_what_cannot_be_imported_is_refused_by_its_cause(server: RunningServer, name: str) -> None:
    content, params, status, code = _REFUSED[name]
    answer = _append(server, content, **params)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert list((server.home / "imports").iterdir()) == []


def test_creating_is_left_to_deployments_in_the_words_that_clients_know(server: RunningServer) -> None:
    answer = _append(server, "a\n1\n", mode="create")
    assert answer.json()["error"] == (
        "Adding or modifying data sources to this workspace can only be done via deployments"
    )


@pytest.mark.parametrize("content", [b"\n\n", _HEADER.encode(), b"\xef\xbb\xbf" + _HEADER.encode()])
def test_a_file_without_rows_is_no_error(server: RunningServer, content: bytes) -> None:
    answer = _append(server, content)
    assert _counts(answer) == (0, 0, 0)
    assert answer.json()["error"] is False


def test_odd_bytes_later_in_a_file_cost_their_line_alone(server: RunningServer) -> None:
    good = b"e1,2024-01-01 10:00:00,1,\n" * 15_000
    answer = _append(server, good + b"e1,2024-01-01 10:00:00,1,\xff\ne1,2024-01-01 10:00:00,2,a\x00b\n")
    assert _counts(answer) == (15_001, 1, 1)
    assert server.value("SELECT note FROM readings WHERE sensor = 'e1' AND value = 2") == "a\0b"


def test_only_who_may_append_imports(server: RunningServer) -> None:
    tokens = server.tokens()
    content = f"{_HEADER}f1,2024-01-01 10:00:00,1,\n"
    params = {"mode": "append", "name": "readings"}
    answer = server.request("POST", "/v0/datasources", params=params, content=content, token=tokens["reader"])
    assert answer.status_code == 403
    answer = server.request("POST", "/v0/datasources", params=params, content=content, token=tokens["sensor"])
    assert _counts(answer) == (1, 0, 0)
    assert answer.json()["datasource"].keys() == {"id", "name"}, "an appender may not read"


def test_a_job_imports_a_body_and_says_what_became_of_it(server: RunningServer) -> None:
    content = f"{_HEADER}g1,2024-01-01 10:00:00,1,\ng1,never,1,\n"
    answer = server.request(
        "POST", "/v1/datasources/readings/append", content=content, headers={"Content-Type": "text/csv"}
    )
    assert answer.status_code == 200, answer.text
    job = _ended(server, answer.json()["id"])
    assert (job["status"], job["kind"], job["datasource"]["name"]) == ("done", "import", "readings")
    assert job["blocks"][0]["process_return"] == [{"lines": 2, "quarantine": 1, "invalid_lines": 0}]
    assert len(_stored(server, "g1")) == 1
    assert list((server.home / "imports").iterdir()) == []


def test_whoever_asks_for_progress_gets_lines_and_at_last_the_answer(server: RunningServer) -> None:
    content = f"{_HEADER}g2,2024-01-01 10:00:00,1,\ng2,never,1,\n"
    answer = _append(server, content, progress="true", debug="blocks,block_log")
    assert answer.headers["content-type"] == "application/x-ndjson"
    *blocks, last = map(json.loads, answer.text.splitlines())
    assert (last["successful_rows"], last["quarantine_rows"], last["invalid_lines"]) == (1, 1, 0)
    assert last["error"] == "There was an error with file contents: 1 row in quarantine."
    assert last["datasource"]["name"] == "readings"
    assert [each["status"] for each in last["block_log"]] == ["waiting", "working", "done"]
    assert {each["block_id"] for each in [*blocks, *last["block_log"]]} == {last["import_id"]}
    assert (blocks[-1]["status"], blocks[-1]["lines"], blocks[-1]["quarantine"]) == ("done", 2, 1)
    assert [each["status"] for each in blocks] == sorted(
        {each["status"] for each in blocks}, key=["waiting", "working", "done"].index
    )
    assert len(_stored(server, "g2")) == 1


def test_the_last_line_of_a_progress_tells_the_error(server: RunningServer) -> None:
    answer = _append(server, b"PAR1 and no more", progress="1")
    *_, block, last = map(json.loads, answer.text.splitlines())
    assert block["status"] == "error"
    assert last["error"] == server.request("GET", f"/v0/jobs/{last['job_id']}").json()["error"] != ""


@pytest.mark.parametrize("name", ["progress", "type_guessing"])
def test_what_is_neither_true_nor_false_is_refused(server: RunningServer, name: str) -> None:
    answer = _append(server, _HEADER, **{name: "perhaps"})
    assert (answer.status_code, answer.json()["code"]) == (400, "SC959")


def test_a_job_that_cannot_read_its_file_says_why(server: RunningServer) -> None:
    answer = server.request("POST", "/v1/datasources/readings/append", params={"format": "parquet"}, content=b"x")
    job = _ended(server, answer.json()["id"])
    assert (job["status"], job["error"]) == (
        "error",
        "The file cannot be read as Parquet (CANNOT_EXTRACT_TABLE_STRUCTURE)",
    )


class _Site(BaseHTTPRequestHandler):
    """Files on this machine, redirects to them, and a path that never answers."""

    def do_GET(self) -> None:
        if self.path == "/silent":
            threading.Event().wait(60)
        elif self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/rows.ndjson":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"sensor": "u1", "at": "2024-01-01 10:00:00", "value": 1}\n' * 3)
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{site.server_port}"
        site.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/rows.ndjson",
        "http://localhost:{port}/rows.ndjson",
        "http://[::ffff:127.0.0.1]:{port}/rows.ndjson",
        "http://2130706433:{port}/rows.ndjson",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://0.0.0.0:{port}/",
    ],
)
def test_private_addresses_are_not_fetched_from(server: RunningServer, site: str, url: str) -> None:
    answer = _append(server, b"", url=url.format(port=site.rpartition(":")[2]))
    assert answer.status_code == 200, answer.text
    job = _ended(server, answer.json()["job"]["id"])
    assert job["status"] == "error"
    assert "is not on the public internet" in job["error"]


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that fetches from this machine."""
    server = RunningServer(
        tmp_path_factory.mktemp("trusting") / "home",
        arguments=("serve",),
        environment={
            "STONECHAT_ALLOW_PRIVATE_URLS": "true",
            "STONECHAT_URL_SECONDS": "3",
            "STONECHAT_MISSING_IS_FORBIDDEN": "true",
        },
    )
    try:
        assert server.deploy({"readings.datasource": _READINGS}).status_code == 200
        yield server
    finally:
        server.kill()


def test_a_url_is_imported_by_a_job_after_redirects(trusting: RunningServer, site: str) -> None:
    answer = _append(trusting, b"", url=f"{site}/to/{site}/to//rows.ndjson")
    body = answer.json()
    assert body["id"] == body["job_id"] == body["job"]["id"]
    job = _ended(trusting, body["id"])
    assert (job["status"], job["successful_rows"]) == ("done", 3)
    assert len(_stored(trusting, "u1")) == 3


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/silent", "did not answer in time"),
        ("/nothing", "answered with the status 404"),
        ("/to/file:///etc/passwd", "is no URL of a file"),
        ("/to//to//to//to//to//to//rows.ndjson", "redirects more than 5 times"),
    ],
)
def test_a_url_without_a_file_is_the_end_of_the_job(trusting: RunningServer, site: str, path: str, error: str) -> None:
    job = _ended(trusting, _append(trusting, b"", url=f"{site}{path}").json()["id"])
    assert job["status"] == "error"
    assert error in job["error"]


def test_a_missing_data_source_is_forbidden_where_that_is_wanted(trusting: RunningServer) -> None:
    answer = _append(trusting, b"x", name="nothing")
    assert (answer.status_code, answer.json()["code"]) == (403, "SC956")


def test_values_are_the_same_from_csv_ndjson_and_parquet(server: RunningServer) -> None:
    schema = ",\n".join(
        f"    `{name}` {kind} `json:$.{name}`"
        for name, kind in {
            "n": "UInt32", "i": "Int64", "u": "UInt64", "f": "Float64", "s": "String", "d": "Date", "t": "DateTime",
            "p": "DateTime64(3)", "c": "Decimal(18, 4)", "b": "Bool", "a": "Array(String)", "m": "Map(String, Int8)",
            "e": "Enum8('x' = 1, 'y' = 2)", "o": "Nullable(Int16)", "l": "LowCardinality(String)", "select": "UInt8",
            "v4": "IPv4", "v6": "Nullable(IPv6)", "uu": "UUID", "fs": "FixedString(4)", "d3": "Date32",
        }.items()
    )  # fmt: skip
    server = server.new_workspace()
    files = {
        f"{name}.datasource": f"SCHEMA >\n{schema}\n" for name in ("origin", "from_csv", "from_ndjson", "from_parquet")
    }
    assert server.deploy(files).status_code == 200
    rows = [
        {"n": 1, "i": -(2**63), "u": 2**64 - 1, "f": 0.1, "s": 'a "q", \n\\ \'é\' 🐦', "d": "2024-02-29",
         "t": "2024-01-01 23:59:59", "p": "2024-01-01 23:59:59.123", "c": "12345678901234.5678", "b": True,
         "a": ["x,y", 'z"', ""], "m": {"k": -1}, "e": "y", "o": None, "l": "", "select": 255, "v4": "255.0.0.1",
         "v6": "2001:db8::1", "uu": "61f0c404-5cb3-11e7-907b-a6006ad3dba0", "fs": "abcd", "d3": "1969-12-31"},
        {"n": 2, "i": 2**63 - 1, "u": 0, "f": -1e300, "s": "", "d": "1970-01-01", "t": "1970-01-01 00:00:01",
         "p": "1999-12-31 00:00:00.000", "c": "-0.0001", "b": False, "a": [], "m": {}, "e": "x", "o": -7, "l": "l",
         "select": 0, "v4": "0.0.0.0", "v6": None, "uu": "00000000-0000-0000-0000-000000000000", "fs": "wxyz",
         "d3": "2299-12-31"},
    ]  # fmt: skip
    assert server.send("\n".join(map(json.dumps, rows)), name="origin").json()["quarantined_rows"] == 0
    for form, output in {"csv": "CSVWithNames", "ndjson": "JSONEachRow", "parquet": "Parquet"}.items():
        exported = server.request("GET", "/v0/sql", params={"q": f"SELECT * FROM origin FORMAT {output}"}).content
        answer = _append(server, exported, name=f"from_{form}", format=form)
        assert _counts(answer) == (2, 0, 0), (form, server.sql(f"SELECT c__error FROM from_{form}_quarantine"))
        stored = server.request("GET", "/v0/sql", params={"q": f"SELECT * FROM from_{form} ORDER BY n FORMAT CSV"})
        expected = server.request("GET", "/v0/sql", params={"q": "SELECT * FROM origin ORDER BY n FORMAT CSV"})
        assert _rows(stored.text) == _rows(expected.text), form


def _rows(text: str) -> Sequence[Sequence[str]]:
    return list(csv.reader(io.StringIO(text)))
