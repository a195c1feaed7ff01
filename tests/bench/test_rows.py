"""The rows of the benchmark: of the size and the shape that it says they have."""

from __future__ import annotations

import json

from bench.rows import ROW_BYTES, blocks, rows


def test_rows_have_ten_columns_and_about_340_bytes() -> None:
    lines = list(rows(2000))
    assert all(len(json.loads(line)) == 10 for line in lines)
    assert all(len(line) >= ROW_BYTES for line in lines)
    assert sum(map(len, lines)) / len(lines) < ROW_BYTES * 1.02


def test_no_two_rows_are_the_same_and_no_two_runs_differ() -> None:
    lines = list(rows(2000))
    assert len(set(lines)) == 2000
    assert list(rows(2000)) == lines


def test_blocks_hold_all_rows_in_their_order() -> None:
    lines = list(rows(25))
    parts = list(blocks(iter(lines), 10))
    assert [part.count(b"\n") for part in parts] == [10, 10, 5]
    assert b"".join(parts) == b"".join(lines)
