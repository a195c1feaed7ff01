"""What a repeated token changes: nothing. Each test is one of the facts of DESIGN.md, with real tables and views."""

from __future__ import annotations

import pytest

from stonechat.engine import windows
from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import EngineFailure, FailureUntold, Insert

WINDOW = "SETTINGS non_replicated_deduplication_window = 1000"
ROWS = [b"".join(b'{"k":%d,"v":%d}\n' % (number, number % 3) for number in range(100))]


class Workspace:
    """A database with shorthands for tables, views, inserts and sums."""

    def __init__(self, engine: ChdbEngine, database: str) -> None:
        self.engine = engine
        self.database = database
        self.window = WINDOW

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.engine.command(statement, database=self.database)

    def table(self, name: str, columns: str = "k UInt64, v UInt64", engine: str = "MergeTree ORDER BY k") -> None:
        self.run(f"CREATE TABLE {name} ({columns}) ENGINE = {engine} {self.window}")

    def counts_into(self, target: str, source: str, view: str = "") -> None:
        self.run(
            f"CREATE MATERIALIZED VIEW {view or target + '_view'} TO {target} AS "
            f"SELECT k % 10 AS k, count() AS c FROM {source} GROUP BY k"
        )

    def insert(self, table: str, token: str, data: list[bytes] | None = None, columns: str = "kv") -> None:
        self.engine.insert(Insert(self.database, table, list(columns), "JSONEachRow", data or ROWS, token))

    def value(self, expression: str, table: str) -> object:
        rows = self.engine.fetch(f"SELECT {expression} AS x FROM {table}", database=self.database)
        return rows[0]["x"]


@pytest.fixture
def workspace(engine: ChdbEngine, database: str) -> Workspace:
    return Workspace(engine, database)


def test_a_token_holds_for_the_table_and_for_chained_aggregating_views(workspace: Workspace) -> None:
    workspace.table("t")
    states = "k UInt64, c SimpleAggregateFunction(sum, UInt64), u AggregateFunction(uniq, UInt64)"
    workspace.table("a", states, "AggregatingMergeTree ORDER BY k")
    workspace.table("b", "k UInt64, c UInt64", "SummingMergeTree ORDER BY k")
    workspace.run(
        "CREATE MATERIALIZED VIEW av TO a AS SELECT k % 9 AS k, count() AS c, uniqState(v) AS u FROM t GROUP BY k",
        "CREATE MATERIALIZED VIEW bv TO b AS SELECT k % 2 AS k, sum(c) AS c FROM a GROUP BY k",
    )
    for _ in range(3):
        workspace.insert("t", "one")
        found = [workspace.value(*pair) for pair in (("count()", "t"), ("sum(c)", "a"), ("sum(c)", "b"))]
        assert found == [100, 100, 100]
        assert workspace.value("uniqMerge(u)", "a") == 3


def test_equal_rows_under_another_token_are_new_rows(workspace: Workspace) -> None:
    workspace.table("t")
    for token in ("one", "two", "one", "three"):
        workspace.insert("t", token)
    assert workspace.value("count()", "t") == 300


def test_a_token_stands_for_its_first_rows_whatever_comes_later(workspace: Workspace) -> None:
    workspace.table("t")
    workspace.insert("t", "one")
    workspace.insert("t", "one", [b'{"k":1000,"v":1}\n'])
    assert workspace.value("max(k)", "t") == 99


def test_rows_cut_into_other_chunks_are_the_same_block(workspace: Workspace) -> None:
    workspace.table("t")
    workspace.insert("t", "one")
    workspace.insert("t", "one", [ROWS[0][start : start + 13] for start in range(0, len(ROWS[0]), 13)])
    assert workspace.value("count()", "t") == 100


def test_a_view_that_missed_a_block_gets_it_from_a_replay_exactly_once(workspace: Workspace) -> None:
    workspace.table("t")
    workspace.insert("t", "one")
    workspace.table("late", "k UInt64, c UInt64", "SummingMergeTree ORDER BY k")
    workspace.counts_into("late", "t")
    for _ in range(3):
        workspace.insert("t", "one")
        assert (workspace.value("count()", "t"), workspace.value("sum(c)", "late")) == (100, 100)


def test_a_failing_view_leaves_its_source_with_the_block_and_a_replay_completes_it(workspace: Workspace) -> None:
    workspace.table("t")
    workspace.table("target", "k UInt64, c UInt64", "SummingMergeTree ORDER BY k")
    workspace.run("CREATE MATERIALIZED VIEW view TO target AS SELECT throwIf(k = 77) + k AS k, 1 AS c FROM t")
    with pytest.raises(EngineFailure, match="Value passed to 'throwIf'"):
        workspace.insert("t", "one")
    assert (workspace.value("count()", "t"), workspace.value("count()", "target")) == (100, 0)
    workspace.run("DROP VIEW view SYNC")
    workspace.counts_into("target", "t", view="view")
    for _ in range(3):
        workspace.insert("t", "one")
        assert (workspace.value("count()", "t"), workspace.value("sum(c)", "target")) == (100, 100)


def test_a_token_holds_for_a_block_in_many_partitions(workspace: Workspace) -> None:
    workspace.table("t", engine="MergeTree ORDER BY k PARTITION BY k % 7")
    workspace.table("target", "k UInt64, c UInt64", "SummingMergeTree ORDER BY k PARTITION BY k % 3")
    workspace.counts_into("target", "t")
    for _ in range(3):
        workspace.insert("t", "one")
        assert (workspace.value("count()", "t"), workspace.value("sum(c)", "target")) == (100, 100)


def test_a_token_holds_for_the_members_of_a_union_within_a_view(workspace: Workspace) -> None:
    workspace.table("t")
    workspace.table("target", "k UInt64, member String", "MergeTree ORDER BY k PARTITION BY k % 3")
    members = [
        "SELECT k, 'all' AS member FROM t",
        "SELECT v AS k, 'sorted' AS member FROM (SELECT v FROM t ORDER BY k DESC)",
        "SELECT k, 'odd' AS member FROM t WHERE k % 2",
    ]
    workspace.run(f"CREATE MATERIALIZED VIEW view TO target AS SELECT * FROM ({' UNION ALL '.join(members)})")
    for _ in range(3):
        for token in ("one", "two"):
            workspace.insert("t", token)
        found = workspace.value("mapSort(sumMap(map(member, 1)))", "target")
        assert (workspace.value("count()", "t"), found) == (200, {"all": 200, "odd": 100, "sorted": 200})


def test_the_window_counts_parts_so_a_block_needs_one_place_in_it_for_each_partition(workspace: Workspace) -> None:
    workspace.run(
        "CREATE TABLE t (k UInt64, v UInt64) ENGINE = MergeTree ORDER BY k PARTITION BY k % 7 "
        "SETTINGS non_replicated_deduplication_window = 14"
    )
    for token in ("one", "two", "one"):
        workspace.insert("t", token)
    assert workspace.value("count()", "t") == 200
    for token in ("three", "one"):
        workspace.insert("t", token)
    assert workspace.value("count()", "t") == 400


def test_a_large_insert_is_one_block_with_one_part_in_each_partition(workspace: Workspace) -> None:
    workspace.table("t", engine="MergeTree ORDER BY k PARTITION BY k % 2")
    workspace.table("target", "k UInt64, c UInt64", "SummingMergeTree ORDER BY k")
    workspace.run("CREATE MATERIALIZED VIEW view TO target AS SELECT k, count() AS c FROM t GROUP BY k")
    data = [b"".join(b'{"k":%d}\n' % number for number in range(start, start + 220_000)) for start in range(5)]
    for _ in range(2):
        workspace.insert("t", "one", data, columns="k")
        assert (workspace.value("count()", "t"), workspace.value("sum(c)", "target")) == (1_100_000, 1_100_000)
    assert workspace.value("countIf(table = 't')", f"system.parts WHERE database = '{workspace.database}'") == 2


def test_tables_that_feed_one_target_may_use_the_same_token_text(workspace: Workspace) -> None:
    for name in ("x", "y"):
        workspace.table(name)
    workspace.table("target", "k UInt64, c UInt64", "SummingMergeTree ORDER BY k")
    for name in ("x", "y"):
        workspace.counts_into("target", name, view=f"{name}_view")
    for _ in range(2):
        workspace.insert("x", "same")
        workspace.insert("y", "same")
        assert workspace.value("sum(c)", "target") == 200
    workspace.insert("target", "same", [b'{"k":1,"c":1}\n'], columns="kc")
    assert workspace.value("sum(c)", "target") == 201


def test_two_ways_to_one_target_both_count_once(workspace: Workspace) -> None:
    workspace.table("t")
    workspace.table("target", "k UInt64, c UInt64", "SummingMergeTree ORDER BY k")
    for name in ("left_way", "right_way"):
        workspace.table(name, "k UInt64, c UInt64")
        workspace.counts_into(name, "t")
        workspace.run(f"CREATE MATERIALIZED VIEW {name}_on TO target AS SELECT k, c FROM {name}")
    for _ in range(2):
        workspace.insert("t", "one")
        assert workspace.value("sum(c)", "target") == 200


@pytest.fixture
def small(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """One whose tables remember 20 parts, so that a block of 30 partitions is large."""
    monkeypatch.setattr(windows, "DEDUPLICATION_WINDOW", 20)
    workspace.window = "SETTINGS non_replicated_deduplication_window = 20"
    return workspace


@pytest.mark.parametrize("form", ["JSONEachRow", "RowBinary"])
def test_a_block_of_more_partitions_than_a_window_has_places_is_remembered_whole(small: Workspace, form: str) -> None:
    by_day = "MergeTree PARTITION BY k ORDER BY k"
    small.table("t", "k UInt64", by_day)
    small.table("a", "k UInt64", by_day)
    small.table("b", "k UInt64", by_day)
    small.run("CREATE MATERIALIZED VIEW av TO a AS SELECT k FROM t")
    small.run("CREATE MATERIALIZED VIEW bv TO b AS SELECT k + 1 AS k FROM a")
    lines = [b"".join(b'{"k":%d}\n' % number for number in range(30))]
    for number in range(3):
        if form == "RowBinary" and not number:  # as the write path does where the engine does not say what fails
            binary = [b"".join(number.to_bytes(8, "little") for number in range(30))]
            with pytest.raises(FailureUntold):
                small.engine.insert(Insert(small.database, "t", ["k"], form, binary, "one"))
        small.insert("t", "one", lines, "k")
        assert [small.value("count()", name) for name in "tab"] == [30] * 3
    small.insert("t", "two", lines, "k")
    assert [small.value("count()", name) for name in "tab"] == [60] * 3


def test_a_target_whose_partitions_are_finer_than_its_source_remembers_all_of_them(small: Workspace) -> None:
    small.table("t", "k UInt64")
    small.table("a", "k UInt64", "MergeTree PARTITION BY k ORDER BY k")
    small.run("CREATE MATERIALIZED VIEW av TO a AS SELECT k FROM t")
    lines = [b"".join(b'{"k":%d}\n' % number for number in range(30))]
    for _ in range(2):
        small.insert("t", "one", lines, "k")
        assert [small.value("count()", name) for name in "ta"] == [30] * 2


def test_a_table_of_an_earlier_name_remembers_as_much(small: Workspace) -> None:
    lines = [b"".join(b'{"k":%d}\n' % number for number in range(30))]
    for _ in range(2):
        small.table("t", "k UInt64", "MergeTree PARTITION BY k ORDER BY k")
        for _ in range(2):
            small.insert("t", "one", lines, "k")
        assert small.value("count()", "t") == 30
        small.run("DROP TABLE t SYNC")


def test_a_target_without_a_window_counts_a_replay_twice(workspace: Workspace) -> None:
    workspace.table("t")
    workspace.run("CREATE TABLE target (k UInt64, c UInt64) ENGINE = SummingMergeTree ORDER BY k")
    workspace.counts_into("target", "t")
    for _ in range(2):
        workspace.insert("t", "one")
    assert (workspace.value("count()", "t"), workspace.value("sum(c)", "target")) == (100, 200)


def test_a_null_table_passes_the_token_on(workspace: Workspace) -> None:
    workspace.run("CREATE TABLE landing (k UInt64, v UInt64) ENGINE = Null")
    workspace.table("t")
    workspace.run("CREATE MATERIALIZED VIEW view TO t AS SELECT * FROM landing")
    for _ in range(2):
        workspace.insert("landing", "one")
        assert workspace.value("count()", "t") == 100


def test_truncate_forgets_the_tokens_of_the_table_but_not_those_of_its_views(workspace: Workspace) -> None:
    workspace.table("t")
    workspace.table("target", "k UInt64, c UInt64", "SummingMergeTree ORDER BY k")
    workspace.counts_into("target", "t")
    workspace.insert("t", "one")
    workspace.run("TRUNCATE TABLE t")
    workspace.insert("t", "one")
    assert (workspace.value("count()", "t"), workspace.value("sum(c)", "target")) == (100, 100)


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("ALTER TABLE t DELETE WHERE 1 SETTINGS mutations_sync = 2", 0),
        ("DELETE FROM t WHERE 1", 0),
        ("OPTIMIZE TABLE t FINAL", 100),
        ("ALTER TABLE t ADD COLUMN n UInt8", 100),
        ("ALTER TABLE t DROP PARTITION tuple()", 100),
    ],
)
def test_tokens_outlive_mutations_and_merges_but_not_a_dropped_partition(
    workspace: Workspace, statement: str, rows: int
) -> None:
    workspace.table("t")
    workspace.insert("t", "one")
    workspace.run(statement)
    workspace.insert("t", "one")
    assert workspace.value("count()", "t") == rows


def test_tokens_move_with_their_table_when_names_change(workspace: Workspace) -> None:
    workspace.table("x")
    workspace.table("y")
    workspace.insert("x", "one")
    workspace.run("EXCHANGE TABLES x AND y", "RENAME TABLE y TO z")
    workspace.insert("z", "one")
    workspace.insert("x", "one")
    assert (workspace.value("count()", "z"), workspace.value("count()", "x")) == (100, 100)


def test_the_number_of_rows_taken_counts_views_and_does_not_tell_a_replay(workspace: Workspace) -> None:
    workspace.table("t")
    workspace.table("target", "k UInt64, c UInt64", "SummingMergeTree ORDER BY k")
    workspace.counts_into("target", "t")
    insert = Insert(workspace.database, "t", ["k", "v"], "JSONEachRow", ROWS, "one")
    assert [workspace.engine.insert(insert) for _ in range(2)] == [110, 110]
