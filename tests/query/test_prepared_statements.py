"""What a plan's statement is prepared to with the values of a call is what the call is prepared to by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stonechat.engine.contract import Query
from stonechat.errors import StonechatError
from stonechat.project.composition import Composed, compose_pipe
from stonechat.project.model import Project
from stonechat.project.places import Place
from stonechat.project.plans import Plans
from stonechat.project.snapshot import Snapshot
from stonechat.project.workspaces import Workspace
from stonechat.query.prepared import Prepared
from stonechat.query.prepared_statements import PreparedStatement

_SOURCE = (
    "SCHEMA >\n    page String `json:$.page`,\n    t DateTime `json:$.t`\nENGINE MergeTree\nENGINE_SORTING_KEY page\n"
)
_TEMPLATES = {
    "visits.datasource": _SOURCE,
    "moved.datasource": _SOURCE,
    "fading.datasource": f"{_SOURCE}ENGINE_TTL t + INTERVAL 1 DAY\n",
    "plain.pipe": "SELECT page FROM visits WHERE page != {{ String(a, 'none') }}"
    " AND t > {{ DateTime(b, '2025-01-01 00:00:00') }}",
    "guessed.pipe": "SELECT page FROM moved WHERE t > parseDateTimeBestEffort({{ String(a) }}, 'UTC')"
    " AND t < parseDateTime64BestEffortOrNull( {{ String(b, '2025-01-01') }})",
    "half.pipe": "SELECT parseDateTimeBestEffort('10 Mar') AS x,"
    " parseDateTimeBestEffort({{ String(a) }}) AS y FROM visits",
    "told.pipe": "SELECT parseDateTimeBestEffort('2025-03-10') AS x, parseDateTimeBestEffort({{ String(a) }}) AS y",
    "clock.pipe": "SELECT now() AS x, {{ String(a) }} AS a,"
    " parseDateTimeBestEffort({{ String(b, '') }}) AS y FROM visits",
    "fades.pipe": "SELECT page FROM fading WHERE t > parseDateTimeBestEffort({{ String(a) }})"
    " AND page = {{ String(b, '') }}",
    "present.pipe": "SELECT {{ String(job_timestamp) }} AS now,"
    " {{ String(a) }} AS a, {{ String(b, '') }} AS b FROM visits",
}
_PROJECT = Project.from_files(
    {
        name: text if name.endswith(".datasource") else f"NODE n\nSQL >\n    %\n    {text}\n\nTYPE endpoint\n"
        for name, text in _TEMPLATES.items()
    }
)
_PIPES = sorted(_PROJECT.pipes)
_VALUES = st.sampled_from(
    [
        "2025-01-02",
        "2025-01-02 03:04:05",
        "2025-01-02T03:04:05",
        "2025-01-021",
        "10 Mar",
        "10 March 2025",
        "",
        "it's",
        "a",
    ]
)
Values = Mapping[str, str]


def _snapshot() -> Snapshot:
    places = {"moved": Place("elsewhere", None)}
    return Snapshot(Workspace("w", "main", "db", "2026-01-01 00:00:00"), 1, _PROJECT, {}, places)


def _prepared(snapshot: Snapshot, composed: Composed) -> Prepared:
    return Prepared.of(snapshot, composed, Query(snapshot.placed(composed.sql), "db"))


def _composed(pipe: str, values: Values) -> Composed | None:
    try:
        return compose_pipe(_PROJECT, _PROJECT.pipes[pipe], values)
    except StonechatError:
        return None


@given(st.sampled_from(_PIPES), st.lists(st.fixed_dictionaries({"a": _VALUES}, optional={"b": _VALUES}), max_size=6))
@example("guessed", [{"a": "2025-01-02"}, {"a": "10 Mar"}, {"a": "2025-01-021"}])
def test_a_call_is_prepared_as_it_is_from_the_beginning(pipe: str, several: list[Values]) -> None:
    snapshot, plans = _snapshot(), Plans(_PROJECT)
    for values in several:
        found = plans.find(_PROJECT.pipes[pipe], values)
        if found is not None:
            marked = _prepared(snapshot, replace(found.plan.composed, sql=found.plan.marked))
            composed = _composed(pipe, values)
            assert composed is not None
            assert PreparedStatement.of(snapshot, marked).prepared(found) == _prepared(snapshot, composed)
        plans.learn(_PROJECT.pipes[pipe], values)


@pytest.mark.parametrize(
    ("pipe", "value", "keeps"),
    [
        ("plain", "10 Mar", True),
        ("guessed", "2025-01-02", True),
        ("guessed", "10 Mar", False),
        ("half", "2025-01-02", False),
        ("told", "2025-01-02 03:04:05", True),
        ("clock", "2025-01-02", False),
        ("fades", "2025-01-02", False),
    ],
)
def test_an_answer_is_kept_if_nothing_but_data_changes_it(pipe: str, value: str, *, keeps: bool) -> None:
    snapshot, plans = _snapshot(), Plans(_PROJECT)
    plans.learn(_PROJECT.pipes[pipe], {"a": "2024-12-31"})
    found = plans.find(_PROJECT.pipes[pipe], {"a": value})
    assert found is not None
    statement = PreparedStatement.of(snapshot, _prepared(snapshot, replace(found.plan.composed, sql=found.plan.marked)))
    assert statement.prepared(found).keeps is keeps
