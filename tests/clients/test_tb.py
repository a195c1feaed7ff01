"""The unmodified `tb` command builds, deploys, tests and looks after a project, as its users are used to."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.clients.conftest import Tb
from tests.conftest import RunningServer


@pytest.fixture(scope="module")
def built(tb: Tb) -> Tb:
    """`tb` with its project built once, fixtures loaded."""
    tb("build").must("datasources/orders.datasource created", "endpoints/sales.pipe created", "Build completed")
    return tb


def _value(tb: Tb, statement: str) -> object:
    (row,) = tb.json("sql", statement)["data"]
    (value,) = row.values()
    return value


def test_a_second_build_finds_no_changes_and_loads_no_fixture_again(built: Tb) -> None:
    assert _value(built, "SELECT count() FROM orders") == 3
    built("build").must("No changes")
    assert _value(built, "SELECT count() FROM orders") == 3


def test_a_build_names_the_place_of_what_is_wrong(built: Tb) -> None:
    path = built.folder / "endpoints" / "broken.pipe"
    path.write_text("NODE wrong\nSQL >\n    SELECT nothing FROM orders\nTYPE endpoint\n")
    try:
        ended = built("build")
        assert ended.code != 0
        assert "broken.pipe" in ended.output
        assert "nothing" in ended.output
    finally:
        path.unlink()
    built("build").must()


def test_the_tests_of_the_project_pass(built: Tb) -> None:
    built("test", "run").must("1/1 passed")


def test_a_test_that_does_not_hold_is_reported(built: Tb) -> None:
    path = built.folder / "tests" / "sales.yaml"
    text = path.read_text()
    path.write_text(text.replace('"orders":2', '"orders":20'))
    try:
        ended = built("test", "run")
        assert ended.code != 0
        assert "0/1 passed" in ended.output
    finally:
        path.write_text(text)


def test_resources_are_listed(built: Tb) -> None:
    built("datasource", "ls").must("orders", "orders_by_day", "big_customers")
    built("endpoint", "ls").must("sales")
    built("pipe", "ls").must("sales", "by_day", "find_big_customers")
    built("materialization", "ls").must("by_day")
    built("copy", "ls").must("find_big_customers")
    built("connection", "ls").must("bucket")


def test_an_endpoint_answers(built: Tb) -> None:
    built("endpoint", "data", "sales", "--since", "2024-01-02").must("2024-01-02", "7.25")


def test_the_url_of_an_endpoint_answers(built: Tb, server: RunningServer) -> None:
    printed = built("endpoint", "url", "sales").must()
    url = re.search(r"https?://\S+", printed)
    assert url, printed
    assert server.client.get(url[0]).json()["rows"] == 2


def test_the_token_of_an_endpoint_is_found(built: Tb, server: RunningServer) -> None:
    printed = built("endpoint", "token", "sales").must().strip()
    assert server.request("GET", "/v0/pipes/sales.json", token=printed).status_code == 200


def test_statements_run(built: Tb) -> None:
    assert _value(built, "SELECT sum(amount) FROM orders") == 22.75
    built("sql", "SELECT customer FROM orders ORDER BY at").must("ann", "Zoë")
    built("sql", "SELECT count() AS days FROM sales").must("2")
    assert "nowhere" in built("sql", "SELECT * FROM nowhere").output


def test_rows_are_appended_from_files_in_every_format(built: Tb, tmp_path: Path) -> None:
    before = _value(built, "SELECT count() FROM orders")
    assert isinstance(before, int)
    lines = tmp_path / "more.ndjson"
    lines.write_text('{"at":"2024-03-01 00:00:00","customer":"cy","amount":1,"items":[]}\n')
    built("datasource", "append", "orders", "--file", str(lines)).must()
    table = tmp_path / "more.csv"
    table.write_text("customer,amount\nbig,1000\n")
    built("datasource", "append", "big_customers", "--file", str(table)).must()
    table.write_text("customer,amount\nbig,much\n")
    built("datasource", "append", "big_customers", "--file", str(table)).must("1 row in quarantine", "much")
    event = '{"at":"2024-03-02 00:00:00","customer":"di","amount":2,"items":[]}'
    built("datasource", "append", "orders", "--events", event).must()
    assert _value(built, "SELECT count() FROM orders") == before + 2
    assert _value(built, "SELECT amount FROM big_customers WHERE customer = 'big'") == 1000
    built("datasource", "delete", "orders", "--sql-condition", "amount <= 2", "--yes", "--wait").must()
    assert _value(built, "SELECT count() FROM orders") == before


def test_rows_are_shown_and_exported(built: Tb) -> None:
    built("datasource", "data", "orders").must("ann", "bob")
    built("datasource", "export", "orders", "--format", "ndjson", "--target", "orders.ndjson").must()
    rows = [json.loads(line) for line in (built.folder / "orders.ndjson").read_text().splitlines()]
    assert sorted(row["customer"] for row in rows) == ["Zoë", "ann", "bob"]
    built("datasource", "export", "orders", "--format", "csv", "--target", "orders.csv").must()
    assert (built.folder / "orders.csv").read_text().startswith('"at","customer"')


def test_a_file_is_analyzed(built: Tb) -> None:
    built("datasource", "analyze", "fixtures/orders.ndjson").must("customer", "amount")


def test_rows_are_replaced_and_truncated(built: Tb, tmp_path: Path) -> None:
    table = tmp_path / "customers.csv"
    table.write_text("customer,amount\none,1\ntwo,2\n")
    built("datasource", "replace", "big_customers", str(table)).must()
    assert _value(built, "SELECT groupArray(customer) FROM (SELECT customer FROM big_customers ORDER BY 1)") == [
        "one",
        "two",
    ]
    built("datasource", "truncate", "big_customers", "--yes").must()
    assert _value(built, "SELECT count() FROM big_customers") == 0


def test_a_truncation_in_cascade_empties_what_views_filled(built: Tb) -> None:
    built("datasource", "truncate", "orders", "--yes", "--cascade").must("orders_by_day")
    assert _value(built, "SELECT (SELECT count() FROM orders) + (SELECT count() FROM orders_by_day)") == 0
    built("datasource", "append", "orders", "fixtures/orders.ndjson").must()
    assert _value(built, "SELECT count() > 0 FROM orders_by_day") == 1


def test_a_copy_runs_to_its_end(built: Tb) -> None:
    built("copy", "run", "find_big_customers", "--param", "least=5", "--wait", "--yes").must()
    assert _value(built, "SELECT count() FROM big_customers") == 2
    built("copy", "run", "find_big_customers", "--wait", "--yes").must()
    assert _value(built, "SELECT count() FROM big_customers") == 1


_NIGHTLY = """NODE n
SQL >
    SELECT 'nightly' AS customer, toFloat64(1) AS amount
TYPE copy
TARGET_DATASOURCE big_customers
COPY_SCHEDULE 0 3 * * *
"""
_ENDLESS = """NODE n
SQL >
    SELECT 'never' AS customer, toFloat64(sum(number)) AS amount FROM numbers(100000000000000)
TYPE copy
TARGET_DATASOURCE big_customers
"""


def test_schedules_are_paused_and_jobs_cancelled(built: Tb) -> None:
    copies = {"nightly": _NIGHTLY, "endless": _ENDLESS}
    for name, text in copies.items():
        (built.folder / "copies" / f"{name}.pipe").write_text(text)
    try:
        built("build").must()
        built("copy", "pause", "nightly").must("nightly paused")
        built("copy", "resume", "nightly").must("nightly resumed")
        built("copy", "run", "nightly", "--mode", "append", "--wait", "--yes").must()
        printed = built("copy", "run", "endless", "--yes").must()
        identity = _job_id(printed)
        built("job", "details", identity).must(identity, "pipe_name: endless", "is_cancellable: True")
        built("job", "cancel", identity).must("cancelling")
        end = time.monotonic() + 30
        while "status: cancelled" not in built("job", "details", identity).must():
            assert time.monotonic() < end
        assert _value(built, "SELECT count() FROM big_customers WHERE customer = 'never'") == 0
    finally:
        for name in copies:
            (built.folder / "copies" / f"{name}.pipe").unlink()
    built("build").must()


def test_jobs_are_listed_with_what_became_of_them(built: Tb) -> None:
    identity = _job_id(built("copy", "run", "find_big_customers", "--wait", "--yes").must())
    built("job", "ls").must(identity, "kind: copy", "status: done")
    built("job", "details", identity).must(identity, "statistics:", "status: done")
    assert "cannot be cancelled" in built("job", "cancel", identity).output
    assert "cannot be run again" in built("job", "retry", identity).output


def _job_id(printed: str) -> str:
    found = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", printed)
    assert found, printed
    return found[0]


def test_static_tokens_are_made_refreshed_and_removed(built: Tb, server: RunningServer) -> None:
    built("token", "create", "static", "dashboards", "--scope", "PIPES:READ", "--resource", "sales").must()
    before = _token(built, "dashboards")
    assert server.request("GET", "/v0/pipes/sales.json", token=before).status_code == 200
    built("token", "refresh", "dashboards", "--yes").must()
    after = _token(built, "dashboards")
    assert server.request("GET", "/v0/pipes/sales.json", token=before).status_code == 403
    assert server.request("GET", "/v0/pipes/sales.json", token=after).status_code == 200
    built("token", "ls").must("dashboards")
    built("token", "rm", "dashboards", "--yes").must()
    assert server.request("GET", "/v0/pipes/sales.json", token=after).status_code == 403


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def _token(tb: Tb, name: str) -> str:
    printed = tb("token", "ls", "--match", name).must()
    value = re.search(r"p\.e\S+", printed)
    assert value, printed
    return value[0]


def test_a_signed_token_reads_with_its_parameters_fixed(built: Tb, server: RunningServer) -> None:
    arguments = ("--scope", "PIPES:READ", "--resource", "sales", "--fixed-params", "since=2024-01-02")
    printed = built("token", "create", "jwt", "visitor", "--ttl", "1h", *arguments).must()
    value = re.search(r"ey[\w-]+\.[\w-]+\.[\w-]+", printed)
    assert value, printed
    rows = server.request("GET", "/v0/pipes/sales.json?since=2020-01-01", token=value[0]).json()["data"]
    assert min(row["day"] for row in rows) == "2024-01-02"


def test_tokens_with_a_filter_see_their_rows_alone(built: Tb, server: RunningServer) -> None:
    arguments = ("--scope", "DATASOURCES:READ", "--resource", "orders", "--filter", "customer = 'ann'")
    printed = built("token", "create", "jwt", "ann", "--ttl", "1h", *arguments).must()
    signed = re.search(r"ey[\w-]+\.[\w-]+\.[\w-]+", printed)
    assert signed, printed
    built("token", "create", "static", "ann", *arguments).must()
    built("token", "scopes", "ann").must("customer = 'ann'")
    for token in (signed[0], _token(built, "ann")):
        statement = {"q": "SELECT DISTINCT customer FROM orders FORMAT JSON"}
        assert server.request("GET", "/v0/sql", token=token, params=statement).json()["data"] == [{"customer": "ann"}]


def test_secrets_are_set_listed_and_removed(built: Tb) -> None:
    built("secret", "set", "bucket_key", "sesame").must()
    listed = built("secret", "ls").must("bucket_key")
    assert "sesame" not in listed
    built("secret", "rm", "bucket_key").must()
    assert "bucket_key" not in built("secret", "ls").must()


def test_the_service_data_sources_fill_the_logs(built: Tb) -> None:
    built("endpoint", "data", "sales").must()
    _until(lambda: "sales" in built("endpoint", "stats", "sales").must())
    _until(lambda: "sales" in built("logs").must("datasources_ops_log", "pipe_stats_rt"))
    built("logs", "--source", "*", "--start", "-1d").must("create", "orders")
    calls = "SELECT count() AS calls FROM tinybird.pipe_stats_rt WHERE pipe_name = 'sales'"
    assert _value(built, calls)


def test_a_deployment_is_checked_made_and_listed(built: Tb) -> None:
    built("deploy", "--check").must()
    path = built.folder / "endpoints" / "sales.pipe"
    text = path.read_text()
    path.write_text(text.replace("Orders and amounts", "Orders, and amounts,"))
    try:
        built("deploy").must("is live")
        built("deployment", "ls").must("Live")
    finally:
        path.write_text(text)
    built("deploy").must("is live")


def test_a_schema_changes_in_place_and_beside(built: Tb) -> None:
    path = built.folder / "datasources" / "orders.datasource"
    text = path.read_text()
    before = _value(built, "SELECT count() FROM orders")
    try:
        path.write_text(text.replace("`items`", "`coupon` String `json:$.coupon` DEFAULT 'none',\n    `items`"))
        built("deployment", "create", "--wait").must("Deployment")
        built("deployment", "ls").must("Live", "Staging")
        assert built("deploy").code != 0
        assert _value(built, "SELECT count() FROM orders") == before
        built("deployment", "discard").must()
        built("deploy").must("is live")
        assert _value(built, "SELECT countIf(coupon = 'none') FROM orders") == before
        built("deployment", "ls").must("Live")
    finally:
        path.write_text(text)
    built("deployment", "create", "--wait", "--allow-destructive-operations").must()
    built("deployment", "promote").must()
    assert "coupon" not in built("datasource", "data", "orders").must()
    assert _value(built, "SELECT count() FROM orders") == before


def test_a_deployment_that_fails_changes_nothing_and_does_not_stand_in_the_way(built: Tb) -> None:
    path = built.folder / "materializations" / "by_day.pipe"
    text = path.read_text()
    try:
        path.write_text(text.replace("sumState(amount)", "sumState(amount + throwIf(amount > 0))"))
        ended = built("deploy")
        assert ended.code != 0
        assert "Error migrating data" in ended.output
    finally:
        path.write_text(text)
    path = built.folder / "endpoints" / "sales.pipe"
    sales = path.read_text()
    path.write_text(sales.replace("Orders and amounts", "Amounts and orders"))
    try:
        built("deploy").must("is live")
    finally:
        path.write_text(sales)
