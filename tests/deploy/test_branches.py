"""Many conditions of a template are tried with few calls."""

from __future__ import annotations

from tests.engine.shared import shared_engine

from stonechat.deploy.branches import Branches
from stonechat.engine.contract import EngineFailure, Query
from stonechat.project.composition import Composed
from stonechat.project.model import Project

_FILTERS = 100


def test_filters_that_are_sound_together_are_tried_together() -> None:
    one = "    {{% if defined(x{n}) %}} AND number != {{{{Int32(x{n})}}}} {{% end %}}"
    filters = "\n".join(one.format(n=n) for n in range(_FILTERS))
    pipe = f"NODE n\nSQL >\n    %\n    SELECT number FROM numbers(3) WHERE 1\n{filters}\nTYPE endpoint\n"
    project = Project.from_files({"p.pipe": pipe})
    tried: list[str] = []

    def attempt(composed: Composed) -> EngineFailure | None:
        tried.append(composed.sql)
        try:
            shared_engine().query(Query(f"EXPLAIN {composed.sql}", "default", "TabSeparated"))
        except EngineFailure as failure:
            return failure
        return None

    node = project.pipes["p"].output
    assert list(Branches(project, project.pipes["p"], node, attempt, {}).broken()) == []
    assert len(tried) == 2
    nothing, everything = sorted(tried, key=len)
    assert "number !=" not in nothing
    assert everything.count("number !=") == _FILTERS
