"""kill -9 at random and at chosen points: nothing acknowledged is lost, nothing is there twice, views equal the table.

STONECHAT_CRASH_CYCLES sets the number of random kills; 4 by default. With it, a step is also died at more often.
"""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest
from tests.forking import ForkedProcess
from tests.ingest.crashing import BINARY, REFUSED

from stonechat.ingest.bulk.library import compiled_library

_CYCLES = int(os.environ.get("STONECHAT_CRASH_CYCLES", "4"))
_THOROUGH = "STONECHAT_CRASH_CYCLES" in os.environ


@dataclass
class History:
    """What several lives of the process on one folder have acknowledged."""

    folder: Path
    cycle: int = 0
    acknowledged: set[int] = field(default_factory=set)

    def live(self, *step: str, seconds: float) -> str:
        """Let the process live until it kills itself at the step, or for some time; check what it found."""
        self.cycle += 1
        reading, writing = os.pipe()
        errors = self.folder.with_suffix(".errors")
        with os.fdopen(reading, encoding="utf-8") as output, errors.open("wb") as file:
            arguments = (str(self.folder), str(self.cycle), *step)
            process = ForkedProcess("tests.ingest.crashing", arguments, output=writing, errors=file.fileno())
            os.close(writing)
            try:
                state = output.readline()
                if state:
                    self._check(json.loads(state))
                    return self._listen(process, output, seconds)
                assert step, errors.read_text()[-3000:]
                return "killed itself before it was ready"
            finally:
                process.kill()  # does nothing to one that has ended
                process.wait(60)

    def _listen(self, process: ForkedProcess, output: IO[str], seconds: float) -> str:
        end, ended = time.monotonic() + seconds, "killed itself"
        for line in output:
            if line.endswith("\n"):
                start, stop = map(int, line.split())
                self.acknowledged.update(range(start, stop))
            if time.monotonic() > end:
                process.kill()
                ended = "was killed"  # what it said before is read to the end
        return ended

    def _check(self, state: dict[str, object]) -> None:
        stored, quarantined = state["stored"], state["quarantined"]
        assert isinstance(stored, list)
        assert isinstance(quarantined, list)
        everything = stored + quarantined
        assert len(everything) == len(set(everything)), "a row is there twice"
        assert self.acknowledged <= set(everything), f"lost: {sorted(self.acknowledged - set(everything))[:5]}"
        assert all(number % REFUSED == 0 for number in quarantined)
        assert not any(number % REFUSED == 0 for number in stored)
        assert state["view"] == {"events": len(stored), "total": sum(stored)}


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


@pytest.mark.timeout(60 + 10 * _CYCLES)
def test_kills_at_random_points_lose_and_double_nothing(history: History) -> None:
    rng = random.Random(5)
    while history.cycle < _CYCLES or len(history.acknowledged) <= 100:  # on a slow machine, more of them
        history.live(seconds=rng.uniform(0.0, 0.6))
    history.live(seconds=0)
    assert (history.folder / BINARY).exists() == (compiled_library() is not None)


@pytest.mark.parametrize("step", ["before", "after"])
def test_kills_around_an_insert_lose_and_double_nothing(history: History, step: str) -> None:
    for count in ("1", "3", "8") if _THOROUGH else ("1", "8"):
        history.live(step, count, seconds=2)
    history.live(seconds=0)
    assert history.acknowledged


def test_kills_between_the_sync_of_the_log_and_the_commit_lose_and_double_nothing(history: History) -> None:
    for count in ("2", "5", "9", "14") if _THOROUGH else ("2", "9"):
        assert history.live("synced", count, seconds=60) == "killed itself"
    history.live(seconds=0)
    assert history.acknowledged


@pytest.mark.parametrize("step", ["before", "after"])
def test_kills_during_the_replay_lose_and_double_nothing(history: History, step: str) -> None:
    """The log has a plan and rows, so that the first insert of each later life is one of its replay."""
    assert history.live("before", "6", seconds=60) == "killed itself"
    for _ in range(3):
        assert history.live("before", "1", seconds=60) == "killed itself before it was ready"
    history.live(step, "1", seconds=60)
    history.live(seconds=0)
    assert history.acknowledged


@pytest.mark.parametrize("step", ["removal", "saving", "merge"])
def test_kills_while_the_log_is_cut_or_parts_are_merged_lose_and_double_nothing(history: History, step: str) -> None:
    for count in ("1", "2", "3") if _THOROUGH else ("1", "3"):
        # On a busy machine the replay of the former life's log comes to the step before the state is told.
        assert history.live(step, count, seconds=60).startswith("killed itself")
    history.live(seconds=0)
    assert history.acknowledged
