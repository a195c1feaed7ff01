"""Rows come in batches of whole lines, from plain and compressed files and from the generator."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from stonechat.cli.rows import UnreadableRows, row_source

_LINES = b"".join(b'{"id": %d}\n' % number for number in range(5000))


def _read(text: str) -> tuple[bytes, int]:
    with row_source(text).open() as batches:
        got = list(batches)
    return b"".join(batch for batch, _ in got), sum(step for _, step in got)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("rows.ndjson", _LINES),
        ("rows.ndjson.gz", gzip.compress(_LINES)),
        ("rows.ndjson.gz", gzip.compress(_LINES[:700]) + gzip.compress(_LINES[700:])),
        ("rows.ndjson.zst", zstandard.compress(_LINES)),
    ],
    ids=["plain", "gzip", "gzip of two members", "zstd"],
)
def test_a_file_gives_its_lines_whatever_its_compression(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    lines, done = _read(str(path))
    assert lines == _LINES
    assert done == row_source(str(path)).total


def test_a_last_line_without_an_end_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_bytes(_LINES[:-1])
    assert _read(str(path))[0] == _LINES


def test_an_empty_file_gives_no_batch(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.touch()
    assert _read(str(path)) == (b"", 0)


@pytest.mark.parametrize("name", ["rows.ndjson.gz", "rows.ndjson.zst"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"no such thing")
    with pytest.raises(UnreadableRows, match=name):
        _read(str(path))


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(UnreadableRows, match=r"no file nothing\.ndjson"):
        row_source("nothing.ndjson")


def test_a_sample_has_the_asked_number_of_rows_and_the_same_bytes_each_time() -> None:
    rows, done = _read("sample:1234")
    assert rows.count(b"\n") == done == 1234
    assert _read("sample:1234")[0] == rows


def test_a_sample_of_no_number_is_refused() -> None:
    with pytest.raises(UnreadableRows, match="'many' is no number"):
        row_source("sample:many")
