"""What data sources hold, replaced, emptied and rid of rows over the HTTP API, with the views behind them."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest
from tests.conftest import RunningServer

_SALES = """TOKEN "appender" APPEND

SCHEMA >
    `day` Date `json:$.day`,
    `shop` String `json:$.shop`,
    `amount` Int32 `json:$.amount`

ENGINE "MergeTree"
ENGINE_PARTITION_KEY "toYYYYMM(day)"
ENGINE_SORTING_KEY "shop, day"
"""
_BY_DAY = """SCHEMA >
    `day` Date,
    `total` SimpleAggregateFunction(sum, Int64)

ENGINE "AggregatingMergeTree"
ENGINE_PARTITION_KEY "toYYYYMM(day)"
ENGINE_SORTING_KEY "day"
"""
_BY_MONTH = """SCHEMA >
    `month` UInt32,
    `total` Int64

ENGINE "SummingMergeTree"
ENGINE_SORTING_KEY "month"
"""
_SHOPS = """SCHEMA >
    `shop` String `json:$.shop`,
    `city` String `json:$.city`

ENGINE "MergeTree"
ENGINE_SORTING_KEY "shop"
"""
_FILL_DAYS = """NODE days
SQL >
    SELECT day, toInt64(sum(amount)) AS total FROM sales GROUP BY day

TYPE materialized
DATASOURCE by_day
"""
_FILL_MONTHS = """NODE months
SQL >
    SELECT toYYYYMM(day) AS month, sum(total) AS total FROM by_day GROUP BY month

TYPE materialized
DATASOURCE by_month
"""
_PLAIN = {"sales.datasource": _SALES, "by_day.datasource": _BY_DAY, "fill.pipe": _FILL_DAYS, "shops.datasource": _SHOPS}
_CHAINED = {**_PLAIN, "by_month.datasource": _BY_MONTH, "fill_months.pipe": _FILL_MONTHS}
_DAYS = "SELECT day, sum(total) AS total FROM by_day GROUP BY day ORDER BY day"
_RAW_DAYS = "SELECT day, toInt64(sum(amount)) AS total FROM sales GROUP BY day ORDER BY day"


@pytest.fixture(scope="module")
def running(module_server: RunningServer) -> RunningServer:
    return module_server


@pytest.fixture
def server(running: RunningServer) -> RunningServer:
    """The server with sales of three months, and empty shops."""
    return _filled(running, _PLAIN)


def _filled(server: RunningServer, files: dict[str, str]) -> RunningServer:
    answer = server.request("POST", "/v1/build", files=_parts({}))
    assert answer.status_code == 200, answer.text
    answer = server.request("POST", "/v1/build", files=_parts(files))
    assert answer.status_code == 200, answer.text
    rows = [("2024-01-01", "a", 1), ("2024-01-02", "a", 2), ("2024-02-01", "b", 4), ("2024-03-01", "b", 8)]
    lines = "".join(f'{{"day": "{day}", "shop": "{shop}", "amount": {amount}}}\n' for day, shop, amount in rows)
    assert server.send(lines, name="sales").json()["successful_rows"] == 4
    return server


def _parts(files: dict[str, str]) -> list[tuple[str, tuple[str, bytes, str]]]:
    parts = [("data_project://", (name, text.encode(), "text/plain")) for name, text in files.items()]
    return [*parts, ("context://", ("cli-version", b"1.0.0", "text/plain"))]


def _replace(server: RunningServer, content: str, **params: str) -> httpx.Response:
    return server.request(
        "POST", "/v0/datasources", params={"mode": "replace", "name": "sales", **params}, content=content
    )


def _ended(server: RunningServer, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    end = time.monotonic() + 60
    while time.monotonic() < end:
        job: dict[str, Any] = server.request("GET", f"/v0/jobs/{answer.json()['id']}").json()
        if job["status"] not in {"waiting", "working"}:
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def _amounts(server: RunningServer) -> list[int]:
    """The amounts of all sales, after a check that the view agrees with the table."""
    assert server.sql(_DAYS) == server.sql(_RAW_DAYS)
    (row,) = server.sql("SELECT arraySort(groupArray(amount)) AS amounts FROM sales")
    return list(row["amounts"])


def test_a_replacement_takes_the_place_of_all_rows_and_of_what_views_made_of_them(server: RunningServer) -> None:
    answer = _replace(server, "day,shop,amount\n2024-01-01,a,16\n2025-01-01,c,32\nnever,c,64\n")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["successful_rows"], body["quarantine_rows"], body["rows_replaced"]) == (2, 1, 4)
    assert body["error"] == "There was an error with file contents: 1 row in quarantine."
    assert _amounts(server) == [16, 32]
    assert server.send('{"day": "2024-01-05", "shop": "d", "amount": 128}\n', name="sales").status_code == 200
    assert _amounts(server) == [16, 32, 128]


def test_a_job_replaces_as_clients_ask_for_it(server: RunningServer) -> None:
    answer = server.request(
        "POST", "/v1/datasources/sales/replace", params={"format": "csv"}, content="2024-01-01,a,5\n"
    )
    job = _ended(server, answer)
    assert (job["status"], job["kind"], job["rows_replaced"]) == ("done", "import", 4)
    assert job["blocks"][0]["process_return"] == [{"lines": 1, "quarantine": 0, "invalid_lines": 0}]
    assert _amounts(server) == [5]


def test_a_partial_replacement_touches_only_what_its_condition_holds_for(server: RunningServer) -> None:
    answer = _replace(server, "2024-01-09,z,100\n2024-02-09,z,200\n", replace_condition="day < '2024-02-01'")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["rows_replaced"], answer.json()["rows_left_out"]) == (2, 1)
    assert _amounts(server) == [4, 8, 100]


def test_a_partial_replacement_keeps_the_other_rows_of_its_partitions(server: RunningServer) -> None:
    answer = _replace(server, "2024-01-02,a,20\n", replace_condition="amount = 2 OR amount = 20")
    assert answer.status_code == 200, answer.text
    assert _amounts(server) == [1, 4, 8, 20]


def test_a_partial_replacement_by_nothing_deletes(server: RunningServer) -> None:
    answer = _replace(server, "day,shop,amount\n", replace_condition="shop = 'b'")
    assert answer.status_code == 200, answer.text
    assert _amounts(server) == [1, 2]


def test_equal_rows_of_a_replacement_are_all_kept(server: RunningServer) -> None:
    content = "2024-01-02,a,2\n" * 3
    assert _replace(server, content, replace_condition="shop = 'a'").status_code == 200
    assert _amounts(server) == [2, 2, 2, 4, 8]
    assert _replace(server, content).status_code == 200
    assert _amounts(server) == [2, 2, 2]


_PICKY = _FILL_DAYS.replace("sum(amount)", "sum(amount + toUInt8(if(amount = 666, shop, '0')))")


def test_a_file_that_a_view_cannot_take_is_there_and_told_with_its_counts(running: RunningServer) -> None:
    server = _filled(running, {**_PLAIN, "fill.pipe": _PICKY})
    params = {"mode": "append", "name": "sales"}
    content = "2024-01-01,secret,666\n2024-01-02,c,32\nnever,c,1\n"
    answer = server.request("POST", "/v0/datasources", params=params, content=content)
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert (body["code"], body["successful_rows"], body["quarantine_rows"]) == ("SC661", 2, 1)
    assert "1 row in quarantine. The rows are in the data source, but the materialized view 'fill'" in body["error"]
    assert "secret" not in answer.text
    job = _ended(
        server, server.request("POST", "/v1/datasources/sales/append", params={"format": "csv"}, content=content)
    )
    assert (job["status"], job["successful_rows"], job["code"]) == ("error", 2, "SC661")
    assert job["hint"].startswith("Do not send them again")
    assert "the materialized view 'fill' cannot take all of them" in job["error"]
    again = server.request("POST", f"/v0/jobs/{job['id']}/retry")
    assert (_ended(server, again)["status"], server.value("SELECT count() FROM sales")) == ("error", 4 + 2 * 2)
    *_, last = server.request(
        "POST", "/v0/datasources", params=params | {"progress": "true"}, content=content
    ).text.splitlines()
    assert "cannot take all of them" in server.request("GET", f"/v0/jobs/{json.loads(last)['job_id']}").json()["error"]
    assert server.value("SELECT count() FROM sales") == 4 + 3 * 2
    assert server.sql("SELECT day, sum(total) AS total FROM by_day WHERE day = '2024-01-02' GROUP BY day") == [
        {"day": "2024-01-02", "total": 2 + 3 * 32}
    ]


def test_a_replacement_that_a_view_cannot_take_changes_nothing_and_quotes_no_row(running: RunningServer) -> None:
    server = _filled(running, {**_PLAIN, "fill.pipe": _PICKY})
    assert server.send('{"day": "2024-01-05", "shop": "secret", "amount": 666}', name="sales").status_code == 422
    for condition in ({}, {"replace_condition": "amount = 1"}):
        answer = _replace(server, "2024-01-01,private,666\n" if not condition else "2024-01-01,a,1\n", **condition)
        assert (answer.status_code, answer.json()["code"]) == (400, "SC662"), answer.text
        assert "the materialized view 'fill' cannot take the rows" in answer.json()["error"].lower()
        assert "secret" not in answer.text
        assert "private" not in answer.text
    assert server.sql("SELECT count() AS n, sum(amount) AS s FROM sales") == [{"n": 5, "s": 15 + 666}]


def test_a_replacement_goes_through_a_chain_of_views(running: RunningServer) -> None:
    server = _filled(running, _CHAINED)
    assert _replace(server, "2024-01-01,a,3\n2024-01-02,a,4\n2024-05-01,a,5\n").status_code == 200
    assert _amounts(server) == [3, 4, 5]
    months = server.sql("SELECT month, sum(total) AS total FROM by_month GROUP BY month ORDER BY month")
    assert months == [{"month": 202401, "total": 7}, {"month": 202405, "total": 5}]


def test_a_replacement_goes_through_every_member_of_a_union(running: RunningServer) -> None:
    whole = "SELECT day, toInt64(sum(amount)) AS total FROM sales GROUP BY day"
    members = [whole.replace("GROUP", f"WHERE {test} GROUP") for test in ("amount < 4", "amount >= 4")]
    server = _filled(running, {**_PLAIN, "fill.pipe": _FILL_DAYS.replace(whole, " UNION ALL ".join(members))})
    answer = _replace(server, "2024-01-09,z,1\n2024-01-09,z,200\n", replace_condition="day < '2024-02-01'")
    assert answer.status_code == 200, answer.text
    assert _amounts(server) == [1, 4, 8, 200]


def test_a_target_with_another_partition_key_is_named_or_left_as_it_is(running: RunningServer) -> None:
    server = _filled(running, _CHAINED)
    condition = "day < '2024-02-01'"
    answer = _replace(server, "2024-01-01,a,3\n", replace_condition=condition)
    assert (answer.status_code, answer.json()["code"]) == (409, "SC657")
    assert "by_month" in answer.json()["error"]
    assert _amounts(server) == [1, 2, 4, 8]
    skipping = {"replace_condition": condition, "skip_incompatible_partition_key": "true"}
    assert _replace(server, "2024-01-01,a,3\n", **skipping).status_code == 200
    assert _amounts(server) == [3, 4, 8]
    assert server.value("SELECT sum(total) FROM by_month WHERE month = 202401") == 3, "the old one"


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("", None),
        ("nothing = 1", "SC530"),
        ("shop + 1", "SC530"),
        ("'a'", "SC530"),
        ("amount IN (SELECT nothing FROM shops)", "SC530"),
        ("day <", "SC530"),
        ("1) OR (1", "SC530"),
        ("1; DROP TABLE sales", "SC530"),
        ("1) --", "SC530"),
        ("1 ORDER BY day", "SC530"),
        ("sleep(1)", "SC516"),
        ("day IN (SELECT day FROM system.tables)", "SC515"),
        ("amount IN (SELECT number FROM url('http://127.0.0.1/', CSV))", "SC516"),
    ],
)
def test_a_condition_is_one_expression_over_what_the_caller_may_read(
    server: RunningServer, condition: str, code: str | None
) -> None:
    for path in ("/v0/datasources/sales/delete", "/v1/datasources/sales/delete"):
        answer = server.request("POST", path, data={"delete_condition": condition})
        assert answer.status_code in {400, 403}, answer.text
        assert answer.json()["code"] == (code or "SC953"), answer.text
        assert "ws_" not in answer.text
        assert "position" not in answer.text, "in a statement that the caller has not written"
    assert _amounts(server) == [1, 2, 4, 8]


def test_a_replacement_whose_condition_makes_no_sense_is_refused_before_any_row_is_read(server: RunningServer) -> None:
    for path, params in (
        ("/v0/datasources", {"mode": "replace", "name": "sales"}),
        ("/v1/datasources/sales/replace", {}),
    ):
        answer = server.request(
            "POST", path, params={**params, "replace_condition": "nothing = 1"}, content="not,a,sale\n"
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "SC530"), answer.text
    assert server.value("SELECT count() FROM sales_quarantine") == 0
    assert _amounts(server) == [1, 2, 4, 8]


def test_a_truncation_empties_the_table_and_leaves_the_targets_of_views(server: RunningServer) -> None:
    answer = server.request("POST", "/v0/datasources/sales/truncate")
    assert (answer.status_code, answer.content) == (205, b"")
    assert server.value("SELECT count() FROM sales") == 0
    assert server.value("SELECT sum(total) FROM by_day") == 15
    assert server.send('{"day": "2024-01-01", "shop": "a", "amount": 1}\n', name="sales").status_code == 200
    assert server.value("SELECT count() FROM sales") == 1
    assert server.value("SELECT sum(total) FROM by_day") == 16


def test_a_quarantine_is_emptied_alone(server: RunningServer) -> None:
    assert server.send('{"day": "never"}\n', name="sales").json()["quarantined_rows"] == 1
    assert server.value("SELECT count() FROM sales_quarantine") == 1
    assert server.request("POST", "/v0/datasources/sales/truncate", params={"quarantine": "true"}).status_code == 205
    assert server.value("SELECT count() FROM sales_quarantine") == 0
    assert server.value("SELECT count() FROM sales") == 4


def test_events_that_were_accepted_before_a_truncation_are_gone_with_it(server: RunningServer) -> None:
    assert server.send('{"day": "2024-01-01", "shop": "a", "amount": 1}\n', name="sales", wait=False).status_code == 202
    assert server.request("POST", "/v0/datasources/sales/truncate").status_code == 205
    assert server.send('{"day": "2024-01-01", "shop": "a", "amount": 7}\n', name="sales").status_code == 200
    assert server.value("SELECT groupArray(amount) FROM sales") == [7]


def test_rows_are_deleted_by_a_job_that_counts_them(server: RunningServer) -> None:
    form = {"delete_condition": "shop = 'a'"}
    dry = server.request("POST", "/v0/datasources/sales/delete", data=form | {"dry_run": "true"})
    assert dry.json()["rows_to_be_deleted"] == 2
    assert server.value("SELECT count() FROM sales") == 4
    answer = server.request("POST", "/v0/datasources/sales/delete", data=form)
    body = answer.json()
    assert body["id"] == body["job_id"] == body["delete_id"] == body["job"]["id"]
    job = _ended(server, answer)
    assert (job["status"], job["kind"], job["rows_affected"]) == ("done", "delete_data", 2)
    assert job["datasource"]["name"] == "sales"
    assert server.value("SELECT arraySort(groupArray(amount)) FROM sales") == [4, 8]
    assert server.value("SELECT sum(total) FROM by_day") == 15, "what views made of them stays"


def test_a_lightweight_deletion_is_answered_when_the_rows_are_gone(server: RunningServer) -> None:
    answer = server.request("POST", "/v1/datasources/sales/delete", data={"delete_condition": "amount > 3"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["rows_affected"]) == ("done", 2)
    assert server.value("SELECT arraySort(groupArray(amount)) FROM sales") == [1, 2]
    form = {"delete_condition": "1", "partition": "202401", "wait": "false"}
    assert _ended(server, server.request("POST", "/v1/datasources/sales/delete", data=form))["rows_affected"] == 2


@pytest.mark.parametrize("path", ["/v0/datasources/sales/delete", "/v1/datasources/sales/delete"])
def test_a_dry_run_counts_and_deletes_nothing(server: RunningServer, path: str) -> None:
    form = {"delete_condition": "amount > 3", "dry_run": "true"}
    for sent in ({"data": form}, {"params": form}, {"json": {**form, "dry_run": True}}):
        answer = server.request("POST", path, **sent)
        assert answer.json() == {"rows_to_be_deleted": 2, "delete_condition": "amount > 3"}
    assert _amounts(server) == [1, 2, 4, 8]
    of_a_partition = server.request("POST", "/v1/datasources/sales/delete", data=form | {"partition": "202401"})
    assert of_a_partition.json()["rows_to_be_deleted"] < 2


def test_a_condition_may_look_into_other_data_sources(server: RunningServer) -> None:
    assert server.send('{"shop": "b", "city": "Ulm"}\n', name="shops").status_code == 200
    form = {"delete_condition": "shop IN (SELECT shop FROM shops WHERE city = 'Ulm')"}
    job = _ended(server, server.request("POST", "/v0/datasources/sales/delete", data=form))
    assert (job["status"], job["rows_affected"]) == ("done", 2), job
    assert server.value("SELECT arraySort(groupArray(amount)) FROM sales") == [1, 2]


def test_columns_may_have_the_names_that_the_program_uses_itself(running: RunningServer) -> None:
    names = ("id", "rows", "_partition", "reason", "raw", "column", "error")
    columns = ",\n    ".join(f"`{name}` UInt8 `json:$.{name}`" for name in names)
    schema = f'SCHEMA >\n    {columns}\n\nENGINE "MergeTree"\nENGINE_PARTITION_KEY "rows"\nENGINE_SORTING_KEY "id"\n'
    server = _filled(running, {**_PLAIN, "odd.datasource": schema})
    rows = "".join(f"{number},{number % 2},0,0,0,0,0\n" for number in range(4))
    params = {"mode": "append", "name": "odd"}
    assert server.request("POST", "/v0/datasources", params=params, content=rows + "x,x,x,x,x,x,x\n").status_code == 200
    params = {"mode": "replace", "name": "odd", "replace_condition": "rows = 1 AND id > 0 AND raw = 0"}
    answer = server.request("POST", "/v0/datasources", params=params, content="9,1,0,0,0,0,0\n").json()
    assert (answer.get("rows_replaced"), answer.get("successful_rows")) == (2, 1), answer
    form = {"delete_condition": "rows = 0 AND id = 2"}
    assert server.request("POST", "/v1/datasources/odd/delete", data=form).json()["rows_affected"] == 1
    assert server.value("SELECT arraySort(groupArray(id)) FROM odd") == [0, 9]
    assert server.request("GET", "/v0/datasources/odd/quarantine").json()["rows"] == 1


def test_no_answer_is_older_than_a_change_of_the_contents(server: RunningServer) -> None:
    count = "SELECT count() FROM sales"
    assert [server.value(count), server.value(count)] == [4, 4]
    assert _replace(server, "2024-01-01,a,3\n").status_code == 200
    assert server.value(count) == 1
    assert server.request("POST", "/v1/datasources/sales/delete", data={"delete_condition": "1"}).status_code == 200
    assert server.value(count) == 0


def test_who_may_only_append_removes_nothing(server: RunningServer) -> None:
    token = server.tokens()["appender"]
    for method, path in [
        ("POST", "/v0/datasources/sales/truncate"),
        ("POST", "/v0/datasources/sales/delete?delete_condition=1"),
        ("POST", "/v1/datasources/sales/delete?delete_condition=1"),
        ("POST", "/v1/datasources/sales/replace"),
        ("POST", "/v0/datasources?mode=replace&name=sales"),
        ("DELETE", "/v0/datasources/sales"),
    ]:
        answer = server.request(method, path, token=token, content="2024-01-01,a,3\n" if "replace" in path else b"")
        assert (answer.status_code, answer.json()["code"]) == (403, "SC402"), path
    assert _amounts(server) == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v0/datasources/sales"),
        ("DELETE", "/v0/datasources/sales"),
        ("POST", "/v0/datasources/sales/alter"),
        ("POST", "/v0/datasources/exchange"),
        ("POST", "/v0/datasources?name=new&schema=a+String"),
    ],
)
def test_what_deployments_do_is_refused_in_the_words_that_clients_know(
    server: RunningServer, method: str, path: str
) -> None:
    answer = server.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (403, "SC956")
    assert answer.json()["error"] == (
        "Adding or modifying data sources to this workspace can only be done via deployments"
    )


@pytest.mark.parametrize("path", ["truncate", "delete?delete_condition=1"])
def test_a_data_source_that_is_not_there_is_missing(server: RunningServer, path: str) -> None:
    answer = server.request("POST", f"/v0/datasources/nothing/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "SC305")
