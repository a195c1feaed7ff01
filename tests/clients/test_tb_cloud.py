"""The unmodified `tb` command in cloud mode, as a team in production uses it: a host, a token, and no local server."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.clients.conftest import PROJECT, Tb
from tests.conftest import RunningServer

_NOWHERE = {"TB_LOCAL_HOST": "127.0.0.1", "TB_LOCAL_PORT": "9"}


class Cloud:
    """`tb --cloud` in a folder, pointed at a server as the hosted one."""

    def __init__(self, server: RunningServer, folder: Path, home: Path) -> None:
        self.tb = Tb(folder, home, {"TB_HOST": server.url, "TB_TOKEN": server.token, **_NOWHERE})

    def must(self, *arguments: str, texts: tuple[str, ...] = (), seconds: float = 60) -> str:
        """What a command printed that must have succeeded, with these texts in it."""
        return self.tb("--cloud", *arguments, seconds=seconds).must(*texts)

    def fails(self, *arguments: str, texts: tuple[str, ...]) -> None:
        """A command must end with an error that has these texts."""
        ended = self.tb("--cloud", *arguments)
        assert ended.code != 0, ended.output
        for text in texts:
            assert text in ended.output, f"{text!r} is not in:\n{ended.output}"

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text of a file of the project."""
        file = self.tb.folder / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def cloud(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """A project that is deployed, with its three orders in it."""
    folder = tmp_path_factory.mktemp("cloud") / "shop"
    shutil.copytree(PROJECT, folder)
    cloud = Cloud(server, folder, tmp_path_factory.mktemp("cloud-home"))
    cloud.must("secret", "set", "bucket_key", "sesame")
    cloud.must("deploy", "--check", texts=("Deployment is valid",))
    cloud.must("deploy", "--wait", texts=("Deployment #1 is live!",))
    cloud.must("datasource", "append", "orders", "--file", "fixtures/orders.ndjson")
    return cloud


def test_a_team_looks_around(cloud: Cloud) -> None:
    cloud.must("workspace", "current", texts=("stonechat",))
    cloud.must("workspace", "ls", texts=("stonechat",))
    cloud.must("datasource", "ls", texts=("orders", "orders_by_day"))
    cloud.must("endpoint", "ls", texts=("sales",))
    cloud.must("connection", "ls", texts=("bucket",))
    cloud.must("token", "ls", texts=("workspace admin token", "sales_read"))
    cloud.must("secret", "ls", texts=("bucket_key",))
    cloud.must("info", texts=("Branch count: 0",))
    cloud.must("branch", "ls")


def test_rows_are_read(cloud: Cloud, server: RunningServer) -> None:
    assert cloud.tb.json("--cloud", "sql", "SELECT count() AS orders FROM orders")["data"] == [{"orders": 3}]
    cloud.must("endpoint", "data", "sales", texts=("2024-01-02",))
    assert server.value("SELECT sum(amount) FROM orders") == 22.75


def test_a_project_at_fault_is_refused_with_its_place_and_what_is_live_stays(cloud: Cloud) -> None:
    path = cloud.tb.folder / "endpoints" / "broken.pipe"
    path.write_text("NODE wrong\nSQL >\n    SELECT nothing FROM orders\nTYPE endpoint\n")
    try:
        cloud.fails("deploy", "--wait", texts=("broken.pipe", "nothing"))
    finally:
        path.unlink()
    cloud.must("endpoint", "data", "sales", texts=("2024-01-02",))


def test_a_schema_grows_through_staging(cloud: Cloud, server: RunningServer) -> None:
    path = "datasources/orders.datasource"
    cloud.edit(
        path, "`items` Array(String)", "`channel` String `json:$.channel` DEFAULT 'web',\n    `items` Array(String)"
    )
    cloud.must("deploy", "--check", texts=("orders",))
    cloud.must("deployment", "create", "--wait", texts=("ready",))
    cloud.must("deployment", "ls", texts=("Live", "Staging"))
    order = '{"at":"2024-02-01 00:00:00","customer":"eve","amount":5,"items":[]}'
    assert server.send(order, name="orders").status_code == 200
    statement = "SELECT channel, count() AS orders FROM orders GROUP BY channel"
    cloud.fails("sql", statement, texts=("channel",))
    staged = cloud.tb.json("--cloud", "--staging", "sql", statement)
    assert staged["data"] == [{"channel": "web", "orders": 4}]
    cloud.fails("deploy", "--wait", texts=("deployment",))
    cloud.must("deployment", "promote", "--wait", texts=("live",))
    assert cloud.tb.json("--cloud", "sql", statement)["data"] == [{"channel": "web", "orders": 4}]
    assert server.value("SELECT countMerge(orders) FROM orders_by_day") == 4


def test_a_staged_deployment_is_discarded(cloud: Cloud, server: RunningServer) -> None:
    path = "endpoints/sales.pipe"
    text = (cloud.tb.folder / path).read_text()
    cloud.edit(path, "ORDER BY day", "ORDER BY day DESC")
    try:
        cloud.must("deployment", "create", "--wait", texts=("ready",))
        cloud.must("deployment", "discard", "--wait")
    finally:
        (cloud.tb.folder / path).write_text(text)
    assert "Staging" not in cloud.must("deployment", "ls")
    assert server.rows("/v0/pipes/sales.json")[0]["day"] == "2024-01-01"


def test_what_would_lose_data_needs_a_word(cloud: Cloud, server: RunningServer) -> None:
    kept = (cloud.tb.folder / "datasources" / "big_customers.datasource").read_text()
    pipe = (cloud.tb.folder / "copies" / "find_big_customers.pipe").read_text()
    (cloud.tb.folder / "datasources" / "big_customers.datasource").unlink()
    (cloud.tb.folder / "copies" / "find_big_customers.pipe").unlink()
    cloud.fails("deploy", "--wait", texts=("big_customers", "--allow-destructive-operations"))
    assert server.value("SELECT count() FROM big_customers") == 0
    cloud.must("deploy", "--wait", "--allow-destructive-operations", texts=("is live",))
    assert server.request("GET", "/v0/datasources/big_customers").status_code == 404
    (cloud.tb.folder / "datasources" / "big_customers.datasource").write_text(kept)
    (cloud.tb.folder / "copies" / "find_big_customers.pipe").write_text(pipe)
    cloud.must("deploy", "--wait", texts=("is live",))
