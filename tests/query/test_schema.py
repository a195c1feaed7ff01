"""The columns that are told of an endpoint: each answer that a call may get is one of those."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.engine.shared import shared_engine
from tests.http.json_schemas import faults

from stonechat.engine.contract import Query
from stonechat.http.json_schema import column_schema
from stonechat.project.composition import compose_pipe
from stonechat.project.model import Project
from stonechat.project.snapshot import Snapshot
from stonechat.project.workspaces import Workspace
from stonechat.query.schema import ResultColumn, result_columns

_NUMBERS = "(SELECT 1 AS small, 2.5 AS fraction, 'x' AS text, 'y' AS other, toDateTime(0) AS at)"
_CALLS: list[tuple[str, list[dict[str, str]]]] = [
    ("{{Array(ids, 'Int32', '1')}} AS v", [{"ids": "1519"}, {"ids": "-7,70000"}, {"ids": "1,2"}]),
    ("{{Array(ids, 'Float64', '1')}} AS v", [{"ids": "1.5"}, {"ids": "1e300,1"}, {"ids": "-4"}]),
    ("{{Array(ids, 'UInt64', '1')}} AS v", [{"ids": "18446744073709551615"}]),
    ("{{Int(n, 1)}} AS v", [{"n": "-1"}, {"n": "300"}, {"n": "2147483647"}]),
    ("{{Integer(n)}} + 1 AS v", [{"n": "-1"}, {"n": "300"}]),
    ("{{Int32(n, 1) * 1000}} AS v", [{"n": "-1"}, {"n": "2147483647"}]),
    ("map('k', {{Int(n, 1)}}) AS v, tuple({{Int(n, 1)}}, 'a') AS w", [{"n": "-1"}, {"n": "300"}]),
    ("{% if defined(n) %}{{Int32(n)}}{% else %}NULL{% end %} AS v", [{}, {"n": "-5"}]),
    ("{% if mode == 'a' %}1{% elif mode == 'b' %}'x'{% else %}[1.5]{% end %} AS v", [{"mode": "a"}, {"mode": "b"}, {}]),
    ("1 AS a{% if Boolean(more, 0) %}, 2 AS b{% end %}{% if how == 'all' %}, 3 AS c{% end %}", [{"how": "all"}, {}]),
    ("{% if Int32(n, 5) > 9 %}'many'{% else %}5{% end %} AS v", [{"n": "10"}, {}]),
    ("{{column(by, 'small')}} AS k", [{"by": "text"}, {"by": "fraction"}, {}]),
    ("{{columns(which, 'small,text')}}", [{"which": "fraction"}, {"which": "text"}, {}]),
    ("1 AS {{symbol(name, 'total')}}", [{"name": "other"}, {}]),
    ("{% for c in split_to_array(which, 'small') %}{{symbol(c)}} AS x, {% end %}1 AS y", [{"which": "text"}, {}]),
    ("{{JSON(x, '{}').get('n', 1)}} AS v", [{"x": '{"n": "a"}'}, {"x": '{"n": 0.5}'}, {"x": '{"n": [1]}'}, {}]),
    ("dateTrunc({{String(unit, 'day')}}, at) AS v", [{"unit": "hour"}, {"unit": "day"}]),
    ("CAST('5', {{String(kind, 'UInt8')}}) AS v", [{"kind": "String"}, {"kind": "UInt8"}, {"kind": "Int64"}]),
    ("CAST('[]', {{String(kind, 'Array(UInt8)')}}) AS v", [{"kind": "String"}, {}]),
    ("{% if x %}1{% else %}'n'{% end %} AS v", [{"x": ""}, {"x": "a"}, {}]),
    ("{% set k = String(x, 'a') %}{% if k == 'b' %}'t'{% else %}1{% end %} AS v", [{"x": "b"}, {}]),
    ("{% if x is not None and x.startswith('ab') %}'t'{% else %}1{% end %} AS v", [{"x": "abc"}, {}]),
    ("{% set n = int(x or '1') %}{{n}} AS v", [{"x": "300"}, {"x": "-5"}, {}]),
    ("{% set n = len(split_to_array(ns, '1')) %}{{n}} AS v", [{"ns": "1," * 290}, {}]),
    ("{% if defined(a) %}{% if b == 'x' %}'t'{% else %}1{% end %}{% else %}[1]{% end %} AS v", [{"a": "", "b": "x"}]),
    ("{{String(n, 'a')}} AS v{% if n == 'b' and m == 'c' %}, 1 AS w{% end %}", [{"n": "b", "m": "c"}, {}]),
]


def test_settings_in_the_sql_decide_how_values_are_written() -> None:
    _, columns = _described("toUInt64(1) AS v", " SETTINGS output_format_json_quote_64bit_integers = 1")
    assert column_schema(columns[0]) == {"description": "UInt64, or other"}


def _described(sql: str, behind: str = "") -> tuple[Snapshot, tuple[ResultColumn, ...]]:
    files = {"one.pipe": f"NODE n\nSQL >\n    %\n    SELECT {sql} FROM {_NUMBERS}{behind}\n\nTYPE endpoint\n"}
    project = Project.from_files(files)
    snapshot = Snapshot(Workspace("w", "main", "default", "2026-01-01"), 1, project, {})
    columns = result_columns(shared_engine(), snapshot, project.pipes["one"])
    assert columns is not None
    return snapshot, columns


@pytest.mark.parametrize(("sql", "calls"), _CALLS, ids=[sql for sql, _ in _CALLS])
def test_every_answer_is_as_told(sql: str, calls: list[dict[str, str]]) -> None:
    snapshot, columns = _described(sql)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {column.name: column_schema(column) for column in columns},
        "required": [column.name for column in columns if column.always],
    }
    for values in calls:
        composed = compose_pipe(snapshot.project, snapshot.project.pipes["one"], values)
        answer = shared_engine().query(Query(composed.sql, "default", "JSONEachRow", {}))
        assert list(faults(json.loads(answer.data), schema, {})) == [], values


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("{{Array(ids, 'Int32', '1')}} AS v", {"type": "array", "items": {"type": "integer"}}),
        ("{{Int32(n, 1)}} AS v", {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}),
        ("1 AS v, {{Int(n, 1)}} AS w", {"type": "integer", "minimum": 0, "maximum": 255}),
        ("{{String(n, 'a')}} AS v", {"type": "string"}),
        ("text AS v, {{column(by, 'small')}} AS k", {"type": "string"}),
        ("{{column(by, 'small')}} AS v", {}),
    ],
)
def test_what_no_value_changes_is_told_exactly(sql: str, told: dict[str, object]) -> None:
    schema = column_schema(_described(sql)[1][0])
    del schema["description"]
    assert schema == told
