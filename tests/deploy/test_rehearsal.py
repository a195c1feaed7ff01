"""A project is tried out with placeholders for values: what is wrong is found, not what they alone break."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.shared import shared_engine

from stonechat.deploy.rehearsal import rehearse
from stonechat.project.composition import compose_pipe
from stonechat.project.loader import load_folder
from stonechat.project.model import Project

_PROJECTS = sorted((Path(__file__).parent / "projects").iterdir())
_VISITS = (
    "SCHEMA >\n    moment DateTime `json:$.moment`,\n    page String `json:$.page`,\n    n UInt32 `json:$.n`\n"
    "ENGINE MergeTree\nENGINE_SORTING_KEY moment\n"
)


def _problems(*nodes: str) -> list[str]:
    text = "\n".join(
        f"NODE node_{number}\nSQL >\n" + "\n".join(f"    {line}" for line in sql.strip().splitlines()) + "\n"
        for number, sql in enumerate(nodes)
    )
    project = Project.from_files({"visits.datasource": _VISITS, "reading.pipe": f"{text}TYPE endpoint\n"})
    return [
        f"{problem.position.line if problem.position else 0}: {problem.message}"
        for problem in rehearse(project, shared_engine()).problems
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "%\nSELECT * FROM visits WHERE moment > parseDateTimeBestEffort({{String(since)}})",
        "%\nSELECT * FROM visits WHERE n = toUInt32({{String(n)}})",
        "%\nSELECT * FROM visits WHERE match(page, concat('(', {{String(pattern)}}))",
        "%\nSELECT toUUID({{String(id)}}) AS id FROM visits",
        "%\n{% if k == 'p' %} SELECT page FROM visits {% elif k == 'n' %} SELECT 1 {% else %} {{error('k')}} {% end %}",
        "%\nSELECT {% if k == 'p' %} page AS w, {% elif k == 'n' %} n AS w, {% end %} 1 FROM visits GROUP BY w",
        "%\nSELECT {% if k in ['page'] %} page AS w, {% else %} {{error('no')}} {% end %} 1 FROM visits GROUP BY w",
        "%\nSELECT {% if k == 1 %} n AS w, {% else %} {{custom_error({'a': 1}, 4)}} {% end %} 1 FROM visits GROUP BY w",
        "%\nSELECT toString({% if kind == 'page' %} page {% else %} {{error('no')}} {% end %}) AS what FROM visits",
        "%\nSELECT {{symbol(x)}}, {{columns(y)}} FROM visits ORDER BY {{column(z)}}",
        "%\nSELECT count() FROM {{table(t)}}",
        "%\nSELECT {% for x in split_to_array(cols) %} {{column(x)}}, {% end %} 1 FROM visits",
        "%\nSELECT * FROM visits WHERE n IN {{Array(numbers)}}",
        "%\nSELECT substring(page, {{Int32(start)}}) FROM visits",
        "SELECT page FROM visits, zeros(2)",
        "SELECT page, neighbor(n, 1), runningDifference(n) FROM visits",
        "SELECT page FROM visits SETTINGS max_threads = 4, allow_experimental_analyzer = 0, optimize_read_in_order = 0",
    ],
)
def test_what_only_a_placeholder_breaks_stops_no_project(sql: str) -> None:
    assert _problems(sql) == []


@pytest.mark.parametrize(
    ("sql", "line", "words"),
    [
        ("SELECT missing FROM visits", 3, "missing"),
        ("SELECT toDateTime('never') AS moment FROM visits", 3, "never"),
        ("%\nSELECT {% if defined(x) %} missing, {% end %} page FROM visits", 4, "missing"),
        ("%\nSELECT page\nFROM visits\n{% if defined(x) %} WHER n = {{UInt32(x)}} {% end %}", 6, "Syntax error"),
        (
            "%\nSELECT nofunction(page) FROM visits {% if kind == 'a' %} {% else %} {{error('no')}} {% end %}",
            4,
            "nofun",
        ),
        ("%\nSELECT page AS what FROM visits WHERE {{String(x, '')}} != '' GROUP BY wat", 4, "wat"),
        ("%\nSELECT page + {{UInt32(x)}} FROM visits", 4, "type"),
        ("%\nSELECT {{String(x)}} AS a, missing FROM visits WHERE page = {{String(x)}}", 4, "missing"),
    ],
)
def test_what_no_value_can_mend_is_found_where_it_stands(sql: str, line: int, words: str) -> None:
    (problem,) = _problems(sql)
    assert problem.startswith(f"{line}: ")
    assert words in problem


def test_a_failing_node_is_named_once_and_not_for_all_that_read_it() -> None:
    problems = _problems("SELECT missing FROM visits", "SELECT * FROM node_0", "SELECT * FROM node_1", "SELECT other")
    assert [problem[:12] for problem in problems] == ["3: Node 'nod", "15: Node 'no"]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("count()", "Nullable(UInt64)"),
        ("max(moment)", "DateTime('UTC')"),
        ("max(moment)", "SimpleAggregateFunction(max, DateTime('Europe/Madrid'))"),
        ("max(toDateTime64(moment, 3, 'UTC'))", "DateTime64(3)"),
        ("any(page)", "LowCardinality(Nullable(String))"),
        ("countState()", "AggregateFunction(count, UInt64)"),
        ("countIfState(n > 1)", "AggregateFunction(count)"),
        ("sumIfState(n, n > 1)", "AggregateFunction(sum, UInt32)"),
        ("quantilesState(0.5, 0.9)(n)", "AggregateFunction(quantiles(0.5), UInt32)"),
        ("maxState(moment)", "AggregateFunction(max, DateTime('UTC'))"),
    ],
)
def test_a_view_may_write_what_its_data_source_stores_alike(column: str, kind: str) -> None:
    assert _view_problems(column, kind) == []


@pytest.mark.parametrize(
    ("column", "kind", "given"),
    [
        ("count()", "Int64", "UInt64"),
        ("toNullable(1)", "UInt8", "Nullable(UInt8)"),
        ("max(moment)", "Date", "DateTime"),
        ("max(toDateTime64(moment, 6))", "DateTime64(3, 'UTC')", "DateTime64(6)"),
        ("sumState(n)", "AggregateFunction(sum, UInt64)", "AggregateFunction(sum, UInt32)"),
        ("uniqState(page)", "AggregateFunction(uniqExact, String)", "AggregateFunction(uniq, String)"),
        ("sumState(n)", "UInt64", "AggregateFunction(sum, UInt32)"),
        ("sum(n)", "AggregateFunction(sum, UInt32)", "UInt64"),
    ],
)
def test_a_view_may_write_nothing_else(column: str, kind: str, given: str) -> None:
    (problem,) = _view_problems(column, kind)
    assert problem.endswith(f"the column 'x' is {given} in the query and {kind} in the data source")


def _view_problems(column: str, kind: str) -> list[str]:
    view = (
        f"NODE v\nSQL >\n    SELECT page, {column} AS x FROM visits GROUP BY page\nTYPE materialized\nDATASOURCE kept\n"
    )
    kept = f"SCHEMA >\n    page String, x {kind}\nENGINE AggregatingMergeTree\nENGINE_SORTING_KEY page\n"
    project = Project.from_files({"visits.datasource": _VISITS, "kept.datasource": kept, "view.pipe": view})
    return [problem.message for problem in rehearse(project, shared_engine()).problems]


@pytest.mark.parametrize(
    ("lines", "notice"),
    [
        (
            [
                "SELECT page FROM visits WHERE",
                "{% if defined(page) %} page = {{String(page)}} {% end %}",
                "{% if defined(n) %} AND n = {{UInt32(n)}} {% end %}",
                "ORDER BY page",
            ],
            "reading.pipe:7:11: Node 'node_0' fails when 'page' is not given: Syntax error: failed at position ",
        ),
        (
            [
                "SELECT page FROM visits",
                "{% if not defined(n) %} PREWERE n IN (SELECT n FROM visits) {% end %}",
                "WHERE true {% if defined(page) %} AND page = {{String(page)}} {% end %}",
            ],
            "reading.pipe:5:37: Node 'node_0' fails when 'n' is not given: Syntax error: failed at position ",
        ),
    ],
)
def test_a_parameter_that_calls_cannot_do_without_is_told_and_no_problem(lines: list[str], notice: str) -> None:
    sql = "".join(f"    {line}\n" for line in ["%", *lines])
    pipe = f"NODE node_0\nSQL >\n{sql}TYPE endpoint\n"
    project = Project.from_files({"visits.datasource": _VISITS, "reading.pipe": pipe})
    rehearsed = rehearse(project, shared_engine())
    assert rehearsed.problems == []
    (told,) = rehearsed.notices
    assert f"{told.position}: {told.message}".startswith(notice)


@pytest.mark.parametrize("folder", _PROJECTS, ids=lambda folder: folder.name)
def test_projects_as_people_write_them_are_sound(folder: Path) -> None:
    project = Project.from_files(load_folder(folder))
    rehearsed = rehearse(project, shared_engine())
    assert (rehearsed.problems, rehearsed.notices) == ([], [])


def test_a_call_of_such_a_project_is_composed_of_what_it_gives() -> None:
    (logs,) = (folder for folder in _PROJECTS if folder.name == "logs")
    project = Project.from_files(load_folder(logs))
    given = {"start_date": "2024-05-01 00:00:00.000", "environment": "production,preview", "search": "it's"}
    statement = compose_pipe(project, project.pipes["find_lines"], given).sql
    assert "AND environment IN ['production','preview']" in statement
    assert r"concat('%', 'it\'s', '%')" in statement
    assert "OFFSET 0" in statement


def test_a_table_that_fails_for_want_of_its_secrets_says_so() -> None:
    source = (
        "SCHEMA >\n    n {{ tb_secret('TYPE') }},\n    at DateTime\n"
        "ENGINE_SORTING_KEY n\nENGINE_TTL at + toIntervalDay({{ tb_secret('DAYS') }})\n"
    )
    problems = rehearse(Project.from_files({"kept.datasource": source}), shared_engine()).problems
    assert [(problem.code, str(problem.position)) for problem in problems] == [
        ("SC307", "kept.datasource:2:7"),
        ("SC307", "kept.datasource:5:31"),
    ]
    told = Project.from_files({"kept.datasource": source}, {"TYPE": "UInt8", "DAYS": "1"})
    assert rehearse(told, shared_engine()).problems == []
