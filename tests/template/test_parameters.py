from __future__ import annotations

import pytest

from stonechat.template.parameters import Parameter
from stonechat.template.render import Template


def _parameters(sql: str) -> tuple[Parameter, ...]:
    return Template.compile(f"%{sql}", name="node").parameters


@pytest.mark.parametrize(
    ("sql", "parameter"),
    [
        ("{{ Int32(a) }}", Parameter("a", "Int32")),
        ("{{ Int32(a, 5, description='how many', required=True) }}", Parameter("a", "Int32", 5, True, "how many")),
        ("{{ Array(a, 'Int32', '1,2') }}", Parameter("a", "Array(Int32)", "1,2")),
        ("{{ Array(a, default=['x']) }}", Parameter("a", "Array(String)", ["x"])),
        ("{{ Float64(a, -1.5) }}", Parameter("a", "Float64", -1.5)),
        ("{{ String(a, enum=('x', 'y'), example='x') }}", Parameter("a", enum=["x", "y"], example="x")),
        ("{{ Float64(a, 1e400) }}", Parameter("a", "Float64", "inf")),
        ("{{ Float64(a, 1, enum=[1.5, -1e400], example={'x': 1e400, 2: {3} }) }}",
         Parameter("a", "Float64", 1, enum=[1.5, "-inf"], example={"x": "inf", "2": [3]})),
        (r"{{ String(a, 'x\ud800') }}", Parameter("a", default="x?")),
        ("{{ String(a, format='f') }}", Parameter("a", format="f")),
        ("{{ UInt64(a, 9007199254740992) }}", Parameter("a", "UInt64", "9007199254740992")),
        ("{{ UInt64(a, 9007199254740991) }}", Parameter("a", "UInt64", 9007199254740991)),
        ("{{ column(a, 'x') }}", Parameter("a", "column", "x")),
        ("{{ a }}", Parameter("a")),
        ("{% if defined(a) %}x{% end %}", Parameter("a", used_in="function_call")),
        ("{{ split_to_array(a, 'x,y') }}", Parameter("a", default="x,y", used_in="function_call")),
        ("{{ split_to_array(Date(a), description='d') }}", Parameter("a", "Date")),
        ("{% if defined(a) %}{{ Date(a, '2020-01-01') }}{% end %}", Parameter("a", "Date", "2020-01-01")),
        ("{{ Date(a) }}{% if defined(a) %}x{% end %}", Parameter("a", "Date")),
        ("{% if defined(a) %}{{ a }}{% end %}", Parameter("a")),
        ("{{ Int32(a) }}{{ Int64(a, 1, description='d') }}", Parameter("a", "Int32", 1, description="d")),
        ("{{ Int32(a, 1 + 1) }}", Parameter("a", "Int32")),
        ("{{ day_diff(Date(a), '2020-01-01') }}", Parameter("a", "Date")),
        ("{% set x = [y for y in a] %}", Parameter("a")),
        ("{% set x = map(lambda y: y + 1, a) %}", Parameter("a", used_in="function_call")),
        ("{% set x = sorted(map(int, a), key=abs) %}", Parameter("a", used_in="function_call")),
        ("{% if (x := a) and isinstance(x, str) %}{{ x }}{% end %}", Parameter("a")),
        ("{% set a += 1 %}", Parameter("a")),
        ("{% for x in [1] %}{{ x }}{% end %}{% set z = {1: 2} %}{% set z[a] = 1 %}", Parameter("a")),
    ],
)  # fmt: skip
def test_a_parameter_is_described_as_it_is_written(sql: str, parameter: Parameter) -> None:
    assert _parameters(sql) == (parameter,)


def test_parameters_come_in_the_order_of_their_first_use() -> None:
    loops = "{% for x in a %}{{ x }}{% else %}{{ d }}{% end %}{% while e %}{% end %}"
    sql = "{% if defined(c) %}{% end %}{{ Int8(b) }}" + loops
    assert [parameter.name for parameter in _parameters(sql)] == ["c", "b", "a", "d", "e"]


def test_variables_are_no_parameters() -> None:
    sql = (
        "{% set a = 1 %}{% for b, c in [] %}{{ a }}{{ b }}{{ c }}{% end %}"
        "{% try %}{% set d = [e for e in [1] if e] %}{{ d }}{% except Exception as f %}{{ f }}{% end %}"
    )
    assert _parameters(sql) == ()


def test_functions_are_no_parameters() -> None:
    assert _parameters("{% set a = max(len([1]), min(2, 3)) %}") == ()


def test_names_of_the_service_are_warned_about() -> None:
    template = Template.compile("%{{ String(token) }}{{ String(__tb__semver) }}{{ x }}{{ job_timestamp }}", name="node")
    assert template.service_names == ("__tb__semver", "token")


def test_plain_sql_has_no_parameters() -> None:
    template = Template.compile("SELECT 1", name="node")
    assert (template.parameters, template.names, template.service_names) == ((), frozenset(), ())
