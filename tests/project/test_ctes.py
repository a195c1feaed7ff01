"""Common table expressions of a node's own beside the nodes, pipes and tables that have their names.

A case of the corpus is nodes, each a line `PIPE.NODE: SQL`, a line `---`, the statement of the pipe `p`, and, after
another `---`, the engine's answer to it over `events`, whose column `a` has the numbers from 0 to 9. A new case is a
new file; STONECHAT_REWRITE_EXPECTED=1 has the rest written, to be read before it is kept.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from tests.engine.shared import shared_engine

from stonechat.engine.contract import EngineFailure, Query, QueryLimits
from stonechat.project.authored import require_authored
from stonechat.project.composition import compose_pipe
from stonechat.project.model import Project
from stonechat.project.plans import Plan
from stonechat.sql.qualifying import Placing

_EXAMPLES = 34
_CASES = sorted((Path(__file__).parent / "corpus_ctes").glob("*.sql"))
_DATABASE, _AS_TABLES, _EMPTY = "ctes", "ctes_as_tables", "ctes_empty"
_SCHEMA = "SCHEMA >\n    `a` UInt8 `json:$.a`\n"


@pytest.fixture(scope="module", autouse=True)
def _events() -> Iterator[None]:
    engine = shared_engine()
    engine.command(f"CREATE DATABASE {_DATABASE}")
    engine.command(f"CREATE DATABASE {_EMPTY}")
    for table in ("events", "events_quarantine"):
        engine.command(f"CREATE TABLE {table} (a Int64) ENGINE = MergeTree ORDER BY a", database=_DATABASE)
    engine.command("INSERT INTO events SELECT number FROM numbers(10)", database=_DATABASE)
    yield
    for database in (_DATABASE, _AS_TABLES, _EMPTY):
        engine.command(f"DROP DATABASE IF EXISTS {database} SYNC")


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


def test_a_pipe_answers_as_if_its_nodes_were_tables() -> None:
    """Each node is made a table of what its own text says; the pipe over the same texts has the rows of the last.

    So it has when its table has moved to another database.
    """
    moved = Placing({"events": _DATABASE})
    compared = 0
    for seed in range(_EXAMPLES):
        chance = random.Random(seed)
        nodes: dict[str, str] = {}
        for name in chance.sample(["x", "y", "z"], 3):
            nodes[name] = _select(chance, ["events", *nodes])
        try:
            _make_tables(nodes)
        except EngineFailure:
            continue  # definitions in circles
        project = _project("\n".join(f"p.{name}: {sql}" for name, sql in nodes.items()))
        composed = compose_pipe(project, project.pipes["p"], {})
        rows = _rows(f"SELECT * FROM {[*nodes][-1]}", _AS_TABLES)
        assert _rows(composed.sql, _DATABASE) == rows, composed.sql
        assert _rows(moved.apply(composed.sql), _EMPTY) == rows, composed.sql
        compared += 1
    assert compared > 0.4 * _EXAMPLES


def _make_tables(statements: Mapping[str, str]) -> None:
    engine = shared_engine()
    engine.command(f"DROP DATABASE IF EXISTS {_AS_TABLES} SYNC")
    engine.command(f"CREATE DATABASE {_AS_TABLES}")
    for name, sql in {"events": f"SELECT a FROM {_DATABASE}.events", **statements}.items():
        engine.command(f"CREATE TABLE {name} ENGINE = Memory AS SELECT * FROM ({sql})", database=_AS_TABLES)


def _rows(sql: str, database: str) -> list[bytes]:
    # Definitions within definitions take the engine seconds to plan, on a busy machine as many as its usual limit.
    query = Query(sql, database, "JSONCompactEachRow", limits=QueryLimits(seconds=60))
    return sorted(shared_engine().query(query).data.splitlines())


def _select(chance: random.Random, known: Sequence[str], depth: int = 0) -> str:
    """A SELECT of a column `a` that reads the known names, some of which it defines itself."""
    definitions: list[str] = []
    for name in chance.sample(sorted({*known, "w"}), chance.choice([0, 1, 2]) if depth < 3 else 0):
        definitions.append(f"{name} AS ({_select(chance, known, depth + 1)})")
        known = [*known, name]
    one, other = chance.choice(known), chance.choice(known)
    forms = [
        f"SELECT a + {depth} AS a FROM {one} WHERE a > 1",
        f"SELECT a FROM {one} WHERE a NOT IN {other}",
        f"SELECT l.a AS a FROM {one} AS l JOIN {other} AS r ON l.a = r.a + 1",
    ]
    if depth < 2:
        forms.append(f"SELECT a FROM ({_select(chance, known, depth + 1)}) WHERE a < 8")
        forms.append(f"SELECT a FROM {one} WHERE a < 5 UNION ALL {_select(chance, known, depth + 1)}")
    with_clause = f"WITH {', '.join(definitions)} " if definitions else ""
    return with_clause + chance.choice(forms)
