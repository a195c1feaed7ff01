"""A kill between a token and its part does not turn the replay of the block into a repetition."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.forking import run

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import Fill, Insert, Query
from stonechat.engine.token_logs import TokenLogs, is_synced, sync_refusal

_BLOCK = ("block", [1, 2, 3])


def _insert(folder: Path, *blocks: tuple[str, list[int]]) -> list[int]:
    output = run("tests.engine.child", "insert-and-be-killed", str(folder), json.dumps(blocks)).stdout
    # The warning of the repair stands in front of the answer.
    return [row["n"] for row in json.loads(output.splitlines()[-1])]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an engine that was killed with the block in its table."""
    folder = tmp_path_factory.mktemp("filled") / "engine"
    assert _insert(folder, _BLOCK) == [1, 2, 3, 100, 101, 103]
    return folder


@pytest.fixture
def folder(filled: Path, tmp_path: Path) -> Path:
    """The same for one test."""
    return Path(shutil.copytree(filled, tmp_path / "engine", symlinks=True))


def _lose_newest_part(folder: Path, partition: int) -> None:
    """What a kill leaves when it comes after the token and before the part is moved into place."""
    parts = sorted(folder.glob(f"store/*/*/{partition}_*_*_*"), key=lambda part: int(part.name.split("_")[1]))
    shutil.rmtree(parts[-1])


def test_a_block_whose_part_was_lost_is_completed_by_its_replay(folder: Path) -> None:
    _lose_newest_part(folder, 2)
    assert _insert(folder, _BLOCK) == [1, 2, 3, 100, 101, 103]


def test_tokens_of_parts_that_are_there_or_were_merged_are_remembered(folder: Path) -> None:
    blocks = [("first", [100, 101]), ("merged", [103]), _BLOCK]
    assert _insert(folder, *blocks) == [1, 2, 3, 100, 101, 103]


@pytest.mark.parametrize("torn", ["\0" * 30, "1", "1\t0_5_5_0", "1\t2_1_1_0\t2_1", "\xff\t\n"])
def test_a_log_of_tokens_that_a_power_loss_has_torn_is_read_up_to_there(folder: Path, torn: str) -> None:
    (log,) = folder.glob("store/*/*/deduplication_logs/deduplication_log_*.txt")
    with log.open("ab") as file:
        file.write(torn.encode("latin-1"))
    blocks = [("first", [100, 101]), ("merged", [103]), _BLOCK]
    for number in range(2):
        block = f"later {number}", [200 + number]
        blocks.append(block)
        assert _insert(folder, *blocks, block) == [1, 2, 3, 100, 101, 103, *range(200, 201 + number)]


def test_tokens_of_all_tables_are_written_through_to_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "engine"
    _insert(folder, _BLOCK)
    logs = [path for path in folder.glob("store/*/*/deduplication_logs/**/*") if path.is_file()]
    assert logs
    if reason := sync_refusal(tmp_path):
        pytest.skip(f"files have no such attribute here: {reason}")
    assert all(map(is_synced, logs))
    older = folder / "store" / "abc" / "table" / "deduplication_logs"
    older.mkdir(parents=True)
    (older / "deduplication_log_1.txt").touch()
    TokenLogs(folder).sync_new()
    (older / "deduplication_log_2.txt").touch()
    assert [is_synced(path) for path in sorted(older.iterdir())] == [True, True]


_WRITES: dict[str, Callable[[ChdbEngine, str], object]] = {
    "insert": lambda engine, name: engine.insert(Insert(name, "t", ["n"], "JSONEachRow", [b'{"n":1}'], "token")),
    "fill": lambda engine, name: engine.fill(Fill(name, "t", ("n",), Query("SELECT 1 AS n", name), "token")),
    "command": lambda engine, name: engine.command("INSERT INTO t VALUES (1)", database=name),
}


@pytest.mark.parametrize("write", _WRITES.values(), ids=_WRITES)
def test_a_new_table_has_its_tokens_written_through_from_its_first_rows_on(
    engine: ChdbEngine, database: str, tmp_path: Path, write: Callable[[ChdbEngine, str], object]
) -> None:
    if reason := sync_refusal(tmp_path):
        pytest.skip(f"files have no such attribute here: {reason}")
    engine.command(
        "CREATE TABLE t (n UInt32) ORDER BY n SETTINGS non_replicated_deduplication_window = 100", database=database
    )
    write(engine, database)
    (row,) = engine.fetch(f"SELECT data_paths[1] AS path FROM system.tables WHERE database = '{database}'")
    logs = [*Path(str(row["path"])).glob("deduplication_logs/*.txt")]
    assert logs
    assert all(map(is_synced, logs))


def test_a_file_system_that_syncs_no_single_files_is_told_from_others(tmp_path: Path) -> None:
    assert sync_refusal(Path("/proc")) is not None
    assert sync_refusal(tmp_path / "nowhere") is not None
    assert not list(tmp_path.iterdir())
