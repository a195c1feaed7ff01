"""Nodes and pipes that a statement names stand in front of it, each pipe's nodes in a scope of their own."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from stonechat.project.composition import CompositionTooLarge, compose_pipe
from stonechat.project.model import Project
from stonechat.template.errors import ParameterMissing, TemplateAborted

_SOURCE = {"rows.datasource": "SCHEMA >\n    `a` UInt8 `json:$.a`,\n    `mid` UInt8 `json:$.mid`\n"}


def _pipe(*nodes: tuple[str, str]) -> str:
    text = "".join(f"NODE {name}\nSQL >\n    {sql}\n\n" for name, sql in nodes)
    return text + "TYPE endpoint\n"


def _project(**pipes: str) -> Project:
    return Project.from_files({**_SOURCE, **{f"{name}.pipe": text for name, text in pipes.items()}})


def _composed(project: Project, name: str, values: Mapping[str, str] | None = None) -> str:
    return " ".join(compose_pipe(project, project.pipes[name], values or {}).sql.split())


def test_a_single_node_stands_as_it_is() -> None:
    project = _project(p=_pipe(("n", "SELECT a FROM rows")))
    composed = compose_pipe(project, project.pipes["p"], {})
    assert composed.sql == "SELECT a FROM rows"
    assert composed.reads == {"rows"}


def test_nodes_come_in_front_each_after_those_it_reads() -> None:
    project = _project(
        p=_pipe(
            ("one", "SELECT a FROM rows"), ("two", "SELECT a FROM one"), ("three", "SELECT * FROM two JOIN one ON 1")
        )
    )
    assert _composed(project, "p") == (
        "WITH `one` AS ( SELECT a FROM rows ), `two` AS ( SELECT a FROM one ) SELECT * FROM two JOIN one ON 1"
    )


def test_nodes_that_are_not_read_stay_away() -> None:
    project = _project(p=_pipe(("one", "SELECT a FROM rows"), ("two", "SELECT a AS one FROM rows")))
    assert _composed(project, "p") == "SELECT a AS one FROM rows"


def test_equal_node_names_of_different_pipes_do_not_meet() -> None:
    project = _project(
        inner=_pipe(("step", "SELECT 1 AS x"), ("end", "SELECT x FROM step")),
        outer=_pipe(("step", "SELECT 2 AS x"), ("last", "SELECT * FROM step, inner")),
    )
    assert _composed(project, "outer") == (
        "WITH `step` AS ( SELECT 2 AS x ), "
        "`inner` AS ( WITH `step` AS ( SELECT 1 AS x ) SELECT x FROM step ) SELECT * FROM step, inner"
    )


def test_a_statement_keeps_its_own_with() -> None:
    project = _project(p=_pipe(("n", "SELECT a FROM rows"), ("m", "WITH 1 AS x SELECT x, a FROM n")))
    assert _composed(project, "p") == "WITH `n` AS ( SELECT a FROM rows ), 1 AS x SELECT x, a FROM n"


def test_parameters_reach_every_node() -> None:
    project = _project(
        p=_pipe(("n", "%\n    SELECT {{Int32(x)}} AS x"), ("m", "%\n    SELECT {{Int32(x)}} + x FROM n"))
    )
    composed = compose_pipe(project, project.pipes["p"], {"x": "7", "unused": "1"})
    assert composed.sql.count("toInt32('7')") == 2
    assert composed.used == {"x"}


def test_the_endpoints_error_wins_over_a_missing_parameter_behind_it() -> None:
    project = _project(
        p=_pipe(
            ("behind", "%\n    SELECT {{Int32(x)}} AS x"),
            ("end", "%\n    {% if not defined(x) %} {{error('give x')}} {% end %}\n    SELECT * FROM behind"),
        )
    )
    with pytest.raises(TemplateAborted, match=r"^give x$"):
        compose_pipe(project, project.pipes["p"], {})


def test_a_missing_parameter_of_an_inner_pipe_is_named() -> None:
    project = _project(
        inner=_pipe(("n", "%\n    SELECT {{Int32(needed)}} AS x")), outer=_pipe(("m", "SELECT * FROM inner"))
    )
    with pytest.raises(ParameterMissing, match="needed"):
        compose_pipe(project, project.pipes["outer"], {})


def _doubling(levels: int) -> str:
    nodes = [
        (f"n{level}", f"SELECT l.a FROM n{level - 1} AS l JOIN n{level - 1} AS r USING a") for level in range(1, levels)
    ]
    return _pipe(("n0", "SELECT 1 AS a"), *nodes)


def test_nodes_that_double_are_bounded_by_what_the_engine_makes_of_them() -> None:
    project = _project(p=_doubling(10))
    assert compose_pipe(project, project.pipes["p"], {}).sql.count("JOIN") == 9
    project = _project(p=_doubling(41))
    with pytest.raises(CompositionTooLarge, match="More than 1000 reads of tables stand behind 'n10' of 'p'"):
        compose_pipe(project, project.pipes["p"], {})


def test_pipes_that_multiply_are_bounded() -> None:
    pipes = {f"p{level}": _pipe((f"n{level}", f"SELECT * FROM p{level + 1}, p{level + 2}")) for level in range(40)}
    pipes |= {f"p{level}": _pipe((f"n{level}", "SELECT 1")) for level in (40, 41)}
    project = _project(**pipes)
    with pytest.raises(CompositionTooLarge, match="More than 1000 nodes"):
        compose_pipe(project, project.pipes["p0"], {})
