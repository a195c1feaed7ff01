"""A copy pipe that could not run is not deployed: the problem has a place in its file."""

from __future__ import annotations

import pytest
from tests.engine.shared import shared_engine

from stonechat.deploy.rehearsal import rehearse
from stonechat.project.model import Project

_TARGET = (
    "SCHEMA >\n    `day` Date,\n    `n` UInt32,\n    `word` LowCardinality(String) DEFAULT 'x',\n"
    "    `note` Nullable(String),\n    `state` AggregateFunction(sum, UInt64) "
    "DEFAULT arrayReduce('sumState', [0::UInt64])\n"
)
_SOURCE = "SCHEMA >\n    `day` Date `json:$.day`,\n    `n` UInt16 `json:$.n`\n"


def _problems(*lines: str, schedule: str = "@on-demand") -> list[str]:
    sql = "\n".join(f"    {line}" for line in lines)
    pipe = f"NODE n_1\nSQL >\n{sql}\nTYPE copy\nTARGET_DATASOURCE target\nCOPY_SCHEDULE {schedule}\n"
    project = Project.from_files({"target.datasource": _TARGET, "source.datasource": _SOURCE, "keep.pipe": pipe})
    return [str(problem) for problem in rehearse(project, shared_engine()).problems]


@pytest.mark.parametrize(
    "lines",
    [
        ("SELECT day, n FROM source",),
        ("SELECT day, count()::UInt32 AS n, 'w' AS word, NULL AS note FROM source GROUP BY day -- all",),
        ("SELECT day, n, sumState(toUInt64(1)) AS state FROM source GROUP BY day, n SETTINGS join_use_nulls = 1",),
        ("%", "SELECT {{Date(day)}} AS day, {{UInt32(n)}} AS n"),
        ("%", "SELECT toDate(parseDateTimeBestEffort({{String(job_timestamp)}})) AS day, 1 AS n"),
        ("%", "SELECT day, n, {{tb_secret('s', '')}} AS word FROM source"),
        ("SELECT toDate(start_datetime) AS day, 1 AS n FROM tinybird.pipe_stats_rt",),
    ],
)
def test_a_copy_whose_columns_fit_is_sound(lines: tuple[str, ...]) -> None:
    assert _problems(*lines) == []


@pytest.mark.parametrize(
    ("line", "place", "words"),
    [
        ("SELECT day, count() AS n FROM source GROUP BY day", "3:28", "'n' is UInt64 in the query and UInt32"),
        ("SELECT day, n, 1 AS more FROM source", "3:25", "a column 'more' that the data source does not have"),
        ("SELECT n FROM source", "3:5", "does not give the column 'day'"),
        ("SELECT day, toNullable(n) AS n FROM source", "3:28", "'n' is Nullable(UInt16)"),
        ("SELECT day, nn FROM source", "3:17", "nn"),
        ("SELECT today() AS day, length(c1)::UInt32 AS n FROM url('http://127.0.0.1/')", "3:57", "url"),
        ("SELECT day, n FROM source FORMAT JSON", "3:5", "FORMAT clause is not allowed"),
        ("SELECT today() AS day, length(file('/etc/passwd'))::UInt32 AS n", "3:35", "'file' is not allowed"),
        ("SELECT today() AS day, count()::UInt32 AS n FROM system.tables", "3:54", "'system.tables' not found"),
    ],
)
def test_a_copy_that_does_not_fit_is_refused_with_its_place(line: str, place: str, words: str) -> None:
    (problem,) = _problems(line)
    assert words in problem
    assert problem.startswith(f"keep.pipe:{place}:"), problem


def test_a_copy_with_a_schedule_needs_a_default_for_every_parameter() -> None:
    lines = ("%", "SELECT today() AS day, toUInt32({{Int32(n, required=True)}}) AS n")
    assert _problems(*lines) == []
    (problem,) = _problems(*lines, schedule="0 * * * *")
    assert problem.startswith("keep.pipe:3:5: Copy pipe 'keep' has a schedule and cannot run by itself:")
    assert _problems("%", "SELECT today() AS day, {{UInt32(n, 7)}} AS n", schedule="0 * * * *") == []
