"""Parts that take the place of others are on the disk before those go, and large ones are merged column by column."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.forking import ForkedProcess, run
from tests.ingest.disks import Ext4, lose_power

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.table_settings import LEAN_MERGES, SYNCED_PARTS, bring_older_tables_up

_COLUMN_BY_COLUMN = "vertical_merge_algorithm_min_rows_to_activate = 1"
_CHILD = "tests.engine.child"


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        pytest.param("OPTIMIZE TABLE w.t FINAL", 20_000, id="merge of whole rows"),
        pytest.param(f"OPTIMIZE TABLE w.t FINAL; {_COLUMN_BY_COLUMN}", 20_000, id="merge column by column"),
        pytest.param("ALTER TABLE w.t DELETE WHERE k < 100 SETTINGS mutations_sync = 1", 18_000, id="deletion"),
        pytest.param("ALTER TABLE w.t UPDATE c = 1 WHERE 1 SETTINGS mutations_sync = 1", 20_000, id="update"),
        pytest.param("ALTER TABLE w.t MODIFY COLUMN c String SETTINGS alter_sync = 1", 20_000, id="another type"),
        pytest.param("ALTER TABLE w.t DROP COLUMN c SETTINGS alter_sync = 1", 20_000, id="a column less"),
        pytest.param("ALTER TABLE w.t ADD COLUMN d UInt64, MATERIALIZE COLUMN c", 20_000, id="a column more"),
    ],
)
def test_a_power_loss_after_parts_have_become_others_tears_none_and_takes_no_row(
    change: str, rows: int, tmp_path: Path
) -> None:
    disk = Ext4(tmp_path / "image", 700)
    with disk.mounted(tmp_path / "disk") as folder:
        arguments = ("merge-until-killed", str(folder / "engine"), *change.split("; "))
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as output:
            child = ForkedProcess(_CHILD, arguments, output=writing)
            os.close(writing)
            assert output.readline() == b"merged\n"
            lose_power(folder)
            child.kill()
            child.wait(60)
    with disk.mounted(tmp_path / "disk") as folder:
        looked = run(_CHILD, "look", str(folder / "engine"))
    assert (looked.returncode, looked.stdout) == (0, f"{rows} 0\n")


def test_tables_of_older_versions_get_what_is_missing_with_the_next_start(engine: ChdbEngine, database: str) -> None:
    older = "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    engine.command(f"CREATE TABLE {database}.`an old one` (k UInt64) ENGINE = MergeTree ORDER BY k {older}")
    aggregating = "(k UInt64, n SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY k"
    engine.command(f"CREATE TABLE {database}.sums {aggregating} {older}")
    engine.command(f"ALTER TABLE {database}.sums ADD COLUMN d String")
    engine.command(f"CREATE TABLE {database}.statistics (k UInt64) ENGINE = MergeTree ORDER BY k")

    bring_older_tables_up(engine)

    query = f"SELECT name, engine_full FROM system.tables WHERE database = '{database}' ORDER BY name"
    settings = {row["name"]: str(row["engine_full"]).partition("SETTINGS ")[2] for row in engine.fetch(query)}
    for name, value in (SYNCED_PARTS | LEAN_MERGES).items():
        assert f"{name} = {value}" in settings["an old one"]
        assert name not in settings["statistics"]
    engine.command(f"CREATE TABLE {database}.copied AS {database}.sums")
