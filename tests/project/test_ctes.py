"""Common table expressions of a node's own beside the nodes, pipes and tables that have their names.

A case of the corpus is nodes, each a line `PIPE.NODE: SQL`, a line `---`, the statement of the pipe `p`, and, after
another `---`, the engine's answer to it over `events`, whose column `a` has the numbers from 0 to 9. A new case is a
new file; STONECHAT_REWRITE_EXPECTED=1 has the rest written, to be read before it is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.shared import shared_engine

from stonechat.engine.contract import Query
from stonechat.project.authored import require_authored
from stonechat.project.composition import compose_pipe
from stonechat.project.model import Project
from stonechat.project.plans import Plan

_CASES = sorted((Path(__file__).parent / "corpus_ctes").glob("*.sql"))
_DATABASE = "ctes"
_SCHEMA = "SCHEMA >\n    `a` UInt8 `json:$.a`\n"


@pytest.fixture(scope="module", autouse=True)
def _events() -> Iterator[None]:
    engine = shared_engine()
    engine.command(f"CREATE DATABASE {_DATABASE}")
    for table in ("events", "events_quarantine"):
        engine.command(f"CREATE TABLE {table} (a UInt8) ENGINE = MergeTree ORDER BY a", database=_DATABASE)
    engine.command("INSERT INTO events SELECT number FROM numbers(10)", database=_DATABASE)
    yield
    engine.command(f"DROP DATABASE {_DATABASE} SYNC")


def _project(nodes: str) -> Project:
    pipes: dict[str, str] = {}
    for line in nodes.splitlines():
        place, sql = line.split(": ", 1)
        pipe, node = place.split(".")
        pipes[pipe] = pipes.get(pipe, "") + f"NODE {node}\nSQL >\n    {sql}\n\n"
    files = {f"{name}.pipe": f"{text}TYPE endpoint\n" for name, text in pipes.items()}
    return Project.from_files({"events.datasource": _SCHEMA, **files})


@pytest.mark.parametrize("path", _CASES, ids=lambda path: path.stem)
def test_a_case_of_the_corpus(path: Path) -> None:
    nodes = path.read_text(encoding="utf-8").split("\n---\n")[0].rstrip("\n")
    project = _project(nodes)
    composed = compose_pipe(project, project.pipes["p"], {})
    engine = shared_engine()
    require_authored(composed, engine.explain)
    rows = engine.query(Query(composed.sql, _DATABASE, "JSONCompactEachRow")).data.decode()
    found = f"{nodes}\n---\n{composed.sql}\n---\n{rows}"
    if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")
    plan = Plan.of(project, project.pipes["p"], {})
    assert plan is not None
    assert plan.compose(project, {}) == composed
