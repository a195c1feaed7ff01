"""Schemas of parameters: what authors write, as readers of schemas understand it."""

from __future__ import annotations

import pytest

from stonechat.http.json_schema import column_schema, parameter_schema
from stonechat.query.schema import ResultColumn
from stonechat.template.parameters import Parameter

_PARAMETERS = [
    (Parameter("x"), {"type": "string"}),
    (Parameter("x", "Nonsense"), {"type": "string"}),
    (Parameter("x", "Int8"), {"type": "integer", "minimum": -128, "maximum": 127}),
    (Parameter("x", "UInt64"), {"type": "integer", "minimum": 0}),
    (Parameter("x", "Int32", default=""), {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}),
    (Parameter("x", "Int64", default="9007199254740993"), {"type": "integer", "default": 9007199254740993}),
    (Parameter("x", "Float64", default=1, enum=["1", 2.5, "?"]), {"type": "number", "enum": [1, 2.5], "default": 1}),
    (Parameter("x", "Float64", default="inf", example="nan"), {"type": "number"}),
    (Parameter("x", default="all", enum=["a", "b"]), {"type": "string", "enum": ["all", "a", "b"], "default": "all"}),
    (
        Parameter("x", "Array(String)", default="all", enum=["a"]),
        {"type": "array", "items": {"type": "string", "enum": ["all", "a"]}, "default": ["all"]},
    ),
    (Parameter("x", "Boolean", default=0), {"type": "boolean", "default": False}),
    (Parameter("x", "Boolean", default="yes"), {"type": "boolean", "default": True}),
    (Parameter("x", "String", default=5, example=6), {"type": "string", "default": "5", "examples": ["6"]}),
    (Parameter("x", "Date", format="YYYY"), {"type": "string", "format": "date"}),
    (Parameter("x", "String", format="uuid"), {"type": "string", "format": "uuid"}),
    (Parameter("x", "DateTime", default="2020-01-01 00:00:00"), {"type": "string", "default": "2020-01-01 00:00:00"}),
    (
        Parameter("x", "Date", default="", enum=["1", "2024-01-01"]),
        {"type": "string", "format": "date", "enum": ["2024-01-01"]},
    ),
    (
        Parameter("x", "Int8", default=300, example="-5"),
        {"type": "integer", "minimum": -128, "maximum": 127, "examples": [-5]},
    ),
    (Parameter("x", "JSON"), {"type": "string", "contentMediaType": "application/json"}),
    (Parameter("x", "Array(String)", default=""), {"type": "array", "items": {"type": "string"}, "default": []}),
    (
        Parameter("x", "Array(UInt8)", default="1,2", example=[3], enum=[1, 2, 3]),
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "maximum": 255, "enum": [1, 2, 3]},
            "default": [1, 2],
            "examples": [[3]],
        },
    ),
    (Parameter("x", "Array(Float32)", default="1,?"), {"type": "array", "items": {"type": "number"}}),
]


@pytest.mark.parametrize(("parameter", "schema"), _PARAMETERS, ids=lambda item: str(getattr(item, "type", "")))
def test_a_parameter_has_the_schema_of_its_declaration(parameter: Parameter, schema: dict[str, object]) -> None:
    assert parameter_schema(parameter) == schema


def test_schemas_do_not_share_what_one_of_them_adds() -> None:
    parameter_schema(Parameter("x", "Int32", default=1, enum=[1, 2]))
    assert parameter_schema(Parameter("y", "Int32")) == {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}


_INTEGERS: dict[str, object] = {"type": "array", "items": {"type": "integer"}}


@pytest.mark.parametrize(
    ("types", "schema"),
    [
        (("Nullable(String)",), {"type": ["string", "null"]}),
        (("Nullable(Float64)",), {"type": ["number", "null"]}),
        (("LowCardinality(Nullable(String))",), {"type": ["string", "null"]}),
        (("SimpleAggregateFunction(max, DateTime)",), {"type": "string"}),
        (("Map(String, Array(Bool))",), {"additionalProperties": {"type": "array", "items": {"type": "boolean"}}}),
        (("Dynamic",), {}),
        (("NoSuchType(1)",), {}),
        (("UInt8", "String"), {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (("UInt8", "UInt16", "Int64"), {"type": "integer"}),
        (("Array(Nothing)", "Array(UInt8)"), {"anyOf": [{"type": "array", "items": {"type": "null"}}, _INTEGERS]}),
        (("Tuple(minimum UInt8)", "Tuple(minimum Int8)"), {"properties": {"minimum": {"type": "integer"}}}),
    ],
)
def test_a_column_has_the_schema_of_its_types(types: tuple[str, ...], schema: dict[str, object]) -> None:
    found = column_schema(ResultColumn("c", types, always=True))
    assert found.pop("description") == " or ".join(types)
    assert {key: found.get(key) for key in schema} == schema
    assert bool(schema) == bool(found)


def test_nothing_is_said_of_a_column_that_callers_choose() -> None:
    schema = column_schema(ResultColumn("c", ("UInt8",), always=True, open=True))
    assert schema == {"description": "UInt8, or other"}
