"""The compiled reading touches no memory but its own; `make fuzz` tries many more inputs."""

from __future__ import annotations

from pathlib import Path

from tests.ingest.bulk.watching import run_watched


def test_random_bodies_are_read_without_a_byte_beside_them(tmp_path: Path) -> None:
    told = run_watched(tmp_path, 100)
    assert told.count("were read in bulk") == 4
