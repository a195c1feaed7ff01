"""Whether the answer to a call that goes by a plan may be kept depends on its values where these are times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stonechat.engine.contract import Query
from stonechat.project.composition import Composed
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
}
_PROJECT = Project.from_files(
    {
        name: text if name.endswith(".datasource") else f"NODE n\nSQL >\n    %\n    {text}\n\nTYPE endpoint\n"
        for name, text in _TEMPLATES.items()
    }
)


def _snapshot() -> Snapshot:
    places = {"moved": Place("elsewhere", None)}
    return Snapshot(Workspace("w", "main", "db", "2026-01-01 00:00:00"), 1, _PROJECT, {}, places)


def _prepared(snapshot: Snapshot, composed: Composed) -> Prepared:
    return Prepared.of(snapshot, composed, Query(snapshot.placed(composed.sql), "db"))


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
