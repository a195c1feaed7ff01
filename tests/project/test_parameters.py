"""The parameters of an endpoint: those of every node behind it, and which a call cannot do without."""

from __future__ import annotations

import pytest

from stonechat.project.model import Project
from stonechat.project.parameters import endpoint_parameters, minimal_values


def _project(*nodes: str, **pipes: str) -> Project:
    """A project whose pipe `top` has these nodes, named a, b, c ...; other pipes have one node each."""
    texts = [f"NODE {name}\nSQL >\n    %\n    {sql}\n" for name, sql in zip("abc", nodes, strict=False)]
    files = {"top.pipe": "\n".join(texts) + "\nTYPE endpoint\n"}
    files |= {f"{name}.pipe": f"NODE n_{name}\nSQL >\n    %\n    {sql}\n" for name, sql in pipes.items()}
    return Project.from_files(files)


def _required(project: Project) -> dict[str, object]:
    found = endpoint_parameters(project, project.pipes["top"])
    return {parameter.name: parameter.required for parameter in found}


@pytest.mark.parametrize(
    ("sql", "required"),
    [
        ("SELECT {{Int32(x)}} AS v", {"x": True}),
        ("SELECT {{Int32(x, 0)}} AS v", {"x": False}),
        ("SELECT {{Int32(x, 0, required=True)}} AS v", {"x": False}),
        ("SELECT 1 AS v {% if defined(x) %}, {{Int32(x)}} AS w {% end %}", {"x": False}),
        ("SELECT {{Int32(x)}} AS v, {{String(y)}} AS w", {"x": True, "y": True}),
        ("SELECT {{Int32(x)}} AS v {% if defined(x) %}, {{Int32(y)}} AS w {% end %}", {"x": True, "y": True}),
        ("SELECT {{Array(x, 'Int32')}} AS v", {"x": True}),
        ("SELECT {{Boolean(x)}} AS v", {"x": False}),
        (
            "{% if not defined(x) %}{{error('x please')}}{% end %} SELECT {{String(x, required=True)}} AS v",
            {"x": True},
        ),
    ],
)
def test_required_is_what_a_call_without_parameters_fails_on(sql: str, required: dict[str, bool]) -> None:
    assert _required(_project(sql)) == required


def test_parameters_of_all_nodes_and_pipes_behind_count_once_in_the_order_of_the_file() -> None:
    project = _project(
        "SELECT {{Int32(one, 1)}} AS v",
        "SELECT {{Int32(unused, 1)}} AS v",
        "SELECT a.v + {{Int32(two, 2)}} + {{Int32(one, 1, description='First')}} AS v FROM a, other",
        other="SELECT {{String(three)}} AS w",
    )
    found = {item.name: item for item in endpoint_parameters(project, project.pipes["top"])}
    assert list(found) == ["one", "two", "three"]
    assert (found["one"].default, found["one"].description) == (1, "First")


def test_a_declaration_counts_before_a_mere_mention() -> None:
    project = _project("SELECT {{len(split_to_array(x, ''))}} AS v", "SELECT {{UInt8(x, 3)}} AS v FROM a")
    (found,) = endpoint_parameters(project, project.pipes["top"])
    assert (found.type, found.default, found.used_in) == ("UInt8", 3, None)


def test_minimal_values_satisfy_the_types() -> None:
    project = _project("SELECT {{Int32(x)}} AS v, {{Date(day)}} AS w, {{Array(list, 'Float64')}} AS l")
    values = minimal_values(project, project.pipes["top"])
    assert values.keys() == {"x", "day", "list"}
    assert minimal_values(_project("SELECT 1 AS v"), _project("SELECT 1 AS v").pipes["top"]) == {}


def test_a_declared_type_counts_before_the_name_that_is_made_of_a_value() -> None:
    project = _project(
        "SELECT {{column(x, 'v')}} FROM b", "SELECT {{String(x, 'w', description='which')}} AS v", "SELECT v FROM a"
    )
    (parameter,) = endpoint_parameters(project, project.pipes["top"])
    assert (parameter.type, parameter.default, parameter.description) == ("String", "w", "which")


def test_nodes_in_branches_that_no_placeholder_takes_have_their_parameters_too() -> None:
    choosing = (
        "{% if k == 'a' %} SELECT v FROM a {% elif k == 'b' %} SELECT v FROM b {% else %} {{error('k')}} {% end %}"
    )
    project = _project("SELECT {{Int32(x, 1)}} AS v", "SELECT {{Int32(y, 1)}} AS v", choosing)
    assert [parameter.name for parameter in endpoint_parameters(project, project.pipes["top"])] == ["x", "y", "k"]
