"""Each folder of the corpus is a deployment, and what comes of it.

`before/` is the project that is live, `rows/NAME.ndjson` what its data source of that name has been sent, `after/` the
project that is deployed, with data loss allowed where the case has a file `destructive`, and `later/NAME.ndjson` what
is sent afterwards. `expected.txt` has the explanation, and then what every data source holds, states of aggregates
finalized; or all the problems. A new case is a new folder; STONECHAT_REWRITE_EXPECTED=1 has its expected text written,
to be read before it is kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deploy.carrying_out import World
from tests.engine.shared import shared_engine

from stonechat.datafile.problems import DatafileProblem
from stonechat.deploy.explanation import explanation
from stonechat.errors import StonechatError
from stonechat.project.loader import load_folder
from stonechat.project.model import InvalidProject

CORPUS = Path(__file__).parent / "corpus"
_SIZE = re.compile(r"\([\d.]+ k?B\)")


@pytest.fixture
def world() -> Iterator[World]:
    world = World(shared_engine())
    yield world
    world.close()


@pytest.mark.parametrize("folder", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_a_deployment_does_what_is_expected(folder: Path, world: World) -> None:
    outcome = _outcome(folder, world)
    expected = folder / "expected.txt"
    if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
        expected.write_text(outcome, encoding="utf-8")
    assert outcome == expected.read_text(encoding="utf-8")


def _outcome(folder: Path, world: World) -> str:
    world.deploy(load_folder(folder / "before"))
    for file in sorted((folder / "rows").glob("*.ndjson")):
        world.send(file.stem, file.read_bytes())
    held = world.contents()
    try:
        prepared = world.deploy(load_folder(folder / "after"), allow_destructive=(folder / "destructive").exists())
    except InvalidProject as error:
        assert world.contents() == held, "a deployment that is refused changes nothing"
        return "\n\n".join(_told(problem) for problem in error.problems) + "\n"
    for file in sorted((folder / "later").glob("*.ndjson")):
        world.send(file.stem, file.read_bytes())
    explained = "\n".join(_SIZE.sub("(some)", line) for line in explanation(prepared))
    return f"{explained}\n\n{world.contents()}"


def _told(problem: StonechatError) -> str:
    if isinstance(problem, DatafileProblem):
        return f"{problem.code} {problem.explanation()}"
    return f"{problem.code} {problem}\nhint: {problem.hint}"
