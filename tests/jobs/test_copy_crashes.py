"""A copy that a kill cuts short is there once, as a whole, after the next start.

Every second step is tried; with STONECHAT_CRASH_CYCLES all of them are.
"""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.forking import run
from tests.jobs.crashing import BEFORE, ROWS

# What moves rows: staging them, then four blocks; writing them beside, then the swaps of the table and its view's.
_APPENDING = [("after", 1), ("after", 2), ("before", 4), ("after", 5)]
_REPLACING = [("after", 1), ("before", 2), ("after", 2), ("after", 3)]
_TRIED = slice(None, None, 1 if "STONECHAT_CRASH_CYCLES" in os.environ else 2)


def _run(home: Path, mode: str, *ends: str) -> dict[str, Any] | None:
    """What the process found at its end; None if it was killed."""
    ended = run("tests.jobs.crashing", str(home), mode, *ends)
    if ended.returncode == -signal.SIGKILL:
        return None
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _require_once(found: dict[str, Any] | None, mode: str) -> None:
    rows = ROWS + (BEFORE if mode == "append" else 0)
    assert found is not None
    assert found["jobs"] == ["done"]
    assert found["rows"] == {"rows": rows, "n": rows, "attempts": found["rows"]["attempts"]}
    assert found["rows"]["attempts"] == 1  # all of one attempt: no half of another
    former = sum(range(1_000_000, 1_000_000 + BEFORE)) if mode == "append" else 0
    assert found["view"] == {"n": former + sum(range(ROWS)), "rows": rows}
    assert found["staged"] == 0


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_copy_without_a_kill_is_there_once(tmp_path: Path, mode: str) -> None:
    _require_once(_run(tmp_path / "home", mode), mode)


@pytest.mark.parametrize(("step", "count"), _APPENDING[_TRIED])
def test_an_appending_copy_survives_a_kill_at_each_step(tmp_path: Path, step: str, count: int) -> None:
    assert _run(tmp_path / "home", "append", step, str(count)) is None
    _require_once(_run(tmp_path / "home", "append"), "append")


@pytest.mark.parametrize(("step", "count"), _REPLACING[_TRIED])
def test_a_replacing_copy_survives_a_kill_at_each_step(tmp_path: Path, step: str, count: int) -> None:
    assert _run(tmp_path / "home", "replace", step, str(count)) is None
    _require_once(_run(tmp_path / "home", "replace"), "replace")


@pytest.mark.parametrize("seed", range(2))
def test_a_copy_survives_a_kill_at_any_moment(tmp_path: Path, seed: int) -> None:
    mode = ("append", "replace")[seed % 2]
    seconds = random.Random(seed).uniform(0.0, 0.3)
    _run(tmp_path / "home", mode, f"{seconds:.4f}")
    _require_once(_run(tmp_path / "home", mode), mode)
