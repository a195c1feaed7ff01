"""The unmodified `tb` command in a workspace that reads what another one shares with it."""

from __future__ import annotations

from pathlib import Path

from tests.clients.conftest import Tb
from tests.conftest import RunningServer

_VISITS = "SHARED_WITH >\n    marketing\n\nSCHEMA >\n    `n` UInt32 `json:$.n`\n"
_TOTALS = "NODE rows\nSQL >\n    SELECT sum(n) AS total FROM sales.visits\nTYPE endpoint\n"


def test_what_is_shared_is_listed_with_its_origin_and_read(server: RunningServer, tmp_path: Path) -> None:
    sales, marketing = (_cloud(server.new_workspace(name), tmp_path / name) for name in ("sales", "marketing"))
    _write(sales, "datasources/visits.datasource", _VISITS)
    _write(marketing, "endpoints/totals.pipe", _TOTALS)
    sales("--cloud", "deploy", "--wait").must("is live")
    rows = sales.folder / "rows.ndjson"
    rows.write_text('{"n": 2}\n{"n": 3}\n')
    sales("--cloud", "datasource", "append", "visits", "--file", str(rows)).must()
    # Where a project has it, it is a file of the other workspace's, and no data source here.
    _write(marketing, "vendor/sales/datasources/visits.datasource", _VISITS)
    marketing("--cloud", "deploy", "--wait").must("is live")
    listed = marketing("--cloud", "datasource", "ls").must("shared from: sales", "name: visits", "row_count: 2")
    assert listed.count("name: visits") == 1
    marketing("--cloud", "--output", "json", "sql", "SELECT sum(n) AS total FROM sales.visits").must('"total": 5')
    marketing("--cloud", "endpoint", "data", "totals").must("5")
    refused = marketing("--cloud", "datasource", "append", "sales.visits", "--file", str(rows))
    assert refused.code != 0
    assert "can only be read here" in refused.output


def _cloud(seen: RunningServer, folder: Path) -> Tb:
    folder.mkdir()
    nowhere = {"TB_LOCAL_HOST": "127.0.0.1", "TB_LOCAL_PORT": "9"}
    home = folder.with_suffix(".home")
    home.mkdir()
    return Tb(folder, home, {"TB_HOST": seen.url, "TB_TOKEN": seen.token, **nowhere})


def _write(tb: Tb, name: str, text: str) -> None:
    path = tb.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
