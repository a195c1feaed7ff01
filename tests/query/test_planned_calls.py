"""A call that goes by a plan is made into the very query, and the same about its answer, that it is made into else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.engine.shared import shared_engine

from stonechat.auth.access import Caller, Scope
from stonechat.engine.contract import QueryLimits
from stonechat.engine.formats import BY_EXTENSION, JSON
from stonechat.errors import StonechatError
from stonechat.project.composition import compose_pipe
from stonechat.project.model import Project
from stonechat.project.places import Place
from stonechat.project.sharing import SharedSource
from stonechat.project.snapshot import Snapshot
from stonechat.project.versions import DataVersions
from stonechat.project.workspaces import Identity, Workspace
from stonechat.query.execute import QueryBounds, QueryService
from stonechat.query.prepared import Prepared

_SCHEMA = "SCHEMA >\n    page String `json:$.page`,\n    day DateTime `json:$.day`\nENGINE MergeTree\n"
_SCHEMA += "ENGINE_SORTING_KEY page\n"
_TIMES = """
    %
    SELECT parseDateTimeBestEffort({{ String(a, '2024-01-02 00:00:00') }}) AS first,
        parseDateTime64BestEffort('2024-01-02 00:00:00') AS told FROM visits
    {% if defined(b) %} WHERE day < parseDateTimeBestEffortUS( {{ DateTime(b) }} ) {% end %}
"""
_STATEMENTS = {
    "times": _TIMES,
    "aged": _TIMES.replace("FROM visits", "FROM expiring"),
    "renamed": """
    %
    WITH moved AS (SELECT {{ String(a, 'x') }} AS page FROM moved)
    SELECT {{ Int32(limit, 1) }} AS n, page FROM moved WHERE page IN (SELECT page FROM visits) OR page = {{ String(b) }}
    """,
    "shared": "%\n SELECT {{ String(a, 'other') }} AS a, page FROM other.visits WHERE page = {{ String(b, 'q') }}",
    "itself": "%\n SELECT count() AS n FROM tinybird.pipe_stats_rt WHERE pipe_name = {{ String(a, 'moved') }}",
    "clock": "%\n SELECT {{ DateTime(job_timestamp) }} AS now, {{ String(a, 'x') }} AS a FROM visits",
    "aging": "%\n SELECT now() AS now, {{ String(a, 'x') }} AS a, {{ String(b, 'y') }} AS b FROM visits\n\nCACHE 5",
    "numbers": """
    %
    SELECT {{ Integer(limit, -1) }} AS a, {{ Boolean(b) }} AS b, {{ UInt8(a, 3) }} AS c, {{ Float64(a, 1.50) }} AS d
    FROM zeros(3) FORMAT JSON
    """,
    "lists": """
    %
    {% set n = len([1 for a in split_to_array(limit, 'u,v')]) %}
    SELECT {{ n }} AS n, {{ Array(list, 'String', 'p,q') }} AS list, {{ String(a, 'x') }} AS a,
        {{ String(b, 'y') }} AS b
    FROM pipes_of_pipes WHERE a != {{ String(a, 'x') }};
    """,
    "pipes_of_pipes": "%\n SELECT {{ String(b, 'z') }} AS b, page FROM moved LIMIT {{ Int32(limit, 10) }}",
}
_FILES = {f"{name}.pipe": f"NODE n\nSQL >\n{sql}\nTYPE endpoint\n" for name, sql in _STATEMENTS.items()}
_FILES |= {f"{name}.datasource": _SCHEMA for name in ("visits", "moved")}
_FILES["expiring.datasource"] = _SCHEMA + "ENGINE_TTL day + toIntervalDay(1)\n"
_OTHER = Project.from_files({"visits.datasource": _SCHEMA})
_IDENTITY = Identity("t_" + "0" * 32, "visits", "2026-01-01", "2026-01-01")
_SHARED = SharedSource(
    Workspace("o", "other", "ws_o", "2026-01-01"), 7, _OTHER.data_sources["visits"], _SCHEMA, _IDENTITY, "ws_o_d7"
)
_PROJECT = Project.from_files(_FILES, shared={_SHARED.name: _SHARED})
_WORKSPACE = Workspace("w", "main", "ws_w", "2026-01-01")
_ADMIN = Caller("w", "t", "admin", frozenset({Scope.parse("ADMIN")}))
_TEXTS = st.sampled_from(
    [
        *(
            "",
            "a",
            "b",
            "x y",
            "5",
            "-3",
            "+7",
            "300",
            "1.5",
            "1e5",
            "nan",
            "true",
            "0",
            "it's",
            "\\",
            "\0",
            "\1",
            "--",
            ";",
        ),
        *(
            "a,b",
            "q,r",
            "é",
            "\u2018",
            "\ud800",
            "%",
            "?",
            "{a: String}",
            "format JSON",
            "settings",
            "now()",
            "rand",
            "zeros",
        ),
        *("visits", "moved", "other", "tinybird", "with", "n", "lists", "pipes_of_pipes", "l" * 999, "l" * 1001),
        *(
            "2024-01-02",
            "2024-01-02 00:00:00",
            "2024-01-02T00:00:00",
            "Jan 2 00:00:00",
            "2 January",
            "02/01/2024 1:2:3",
        ),
        *("parseDateTimeBestEffort(", "x parseDateTimeBestEffort( ", "2024-01-02 parseDateTimeBestEffort("),
    ]
)
_NAMES = ("a", "b", "limit", "list", "job_timestamp", "unused")
_VALUES = st.dictionaries(st.sampled_from(_NAMES), _TEXTS | st.lists(_TEXTS, min_size=1, max_size=3), max_size=4)
Values = Mapping[str, str | Sequence[str]]


@pytest.fixture(scope="module")
def service() -> Iterator[QueryService]:
    """One that nothing is asked of but what its calls are made into."""
    queries = QueryService(shared_engine(), DataVersions(), QueryBounds(QueryLimits(), 2, 10, 1_000_000, 1_000_000))
    yield queries
    queries.close()


def _snapshot() -> Snapshot:
    return Snapshot(_WORKSPACE, 3, _PROJECT, {}, {"moved": Place("ws_w_d2")})


def _usual(service: QueryService, snapshot: Snapshot, name: str, extension: str, values: Values) -> Prepared | None:
    try:
        composed = compose_pipe(_PROJECT, _PROJECT.pipes[name], values)
        return asyncio.run(service._ready(snapshot, _ADMIN, composed, BY_EXTENSION[extension], {}))
    except StonechatError:
        return None


@settings(
    max_examples=int(os.environ.get("STONECHAT_EXAMPLES", "100")),
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
@given(
    st.sampled_from(sorted(_STATEMENTS)),
    st.lists(st.tuples(st.sampled_from(["json", "csv", "ndjson"]), _VALUES), min_size=2, max_size=8),
)
@example("times", [("json", {"a": "2 January"}), ("json", {"a": "2024-01-02 00:00:00"}), ("json", {"a": "3 January"})])
@example("times", [("json", {"a": "2024-01-02 00:00:00"}), ("csv", {"a": "3 January"}), ("json", {"a": "4 January"})])
@example("aged", [("json", {"a": "2024-01-02 00:00:00"}), ("json", {"a": "2025-01-02 00:00:00"})])
@example("shared", [("json", {"b": "a"}), ("csv", {"b": "b"})])
@example("itself", [("json", {"a": "a"}), ("csv", {"a": "b"})])
@example("clock", [("json", {"job_timestamp": "2024-01-02 00:00:00"}), ("json", {"a": "b"})])
@example("lists", [("json", {"a": "b"}), ("json", {"a": "c"})])
def test_a_planned_call_is_made_into_what_it_is_made_into_from_the_beginning(
    service: QueryService, name: str, calls: list[tuple[str, Values]]
) -> None:
    snapshot, pipe = _snapshot(), _PROJECT.pipes[name]
    for extension, values in calls:
        planned = service.planned(snapshot, pipe, BY_EXTENSION[extension], values)
        usual = _usual(service, snapshot, name, extension, values)
        if planned is not None and (name != "clock" or "job_timestamp" in values):
            assert planned == usual
        elif planned is not None:
            assert not planned.lasting
        snapshot.plans.learn(pipe, values)


@pytest.mark.parametrize("name", sorted(_STATEMENTS.keys() - {"clock"}))
def test_every_kind_of_statement_is_planned(service: QueryService, name: str) -> None:
    snapshot = _snapshot()
    known, call = ({"a": f"{number}", "b": "2024-01-02 00:00:00", "limit": "5"} for number in (2, 3))
    assert _usual(service, snapshot, name, "json", known) is not None
    snapshot.plans.learn(_PROJECT.pipes[name], known)
    assert service.planned(snapshot, _PROJECT.pipes[name], JSON, call) == _usual(service, snapshot, name, "json", call)
    assert service.planned(snapshot, _PROJECT.pipes[name], JSON, call) is not None
