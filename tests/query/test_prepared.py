"""A call is found again by the values that shaped it, by nothing else, and never as another call."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from stonechat.engine.contract import Query
from stonechat.engine.formats import CSV, JSON, Format
from stonechat.errors import StonechatError
from stonechat.project.composition import compose_pipe
from stonechat.project.model import Project
from stonechat.project.snapshot import Snapshot
from stonechat.project.workspaces import Workspace
from stonechat.query.prepared import Call, Prepared, PreparedCalls

_PIPE = """
NODE first
SQL >
    %
    SELECT {{ String(a, 'none') }} AS a
    {% if defined(b) and b != 'x' %}, {{ Array(c, 'String', 'p,q') }} AS c FROM second
    {% elif a in ('r', 's') %}, {{ Int32(d, 1) }} AS d FROM third
    {% end %}

NODE second
SQL >
    %
    SELECT {{ String(e, 'e') }} AS e {% for item in split_to_array(f, 'g') %}, {{ item }} AS item{% end %}

NODE third
SQL >
    %
    {% try %}{% set size = Int32(a, 3) + 1 %}{% except %}{% set size = b %}{% end %}
    SELECT {{ String(size, '') }} AS size

NODE last
SQL >
    SELECT * FROM first

TYPE endpoint
"""
_TEMPLATES = {
    "p.pipe": _PIPE,
    "clock.pipe": "NODE n\nSQL >\n    %\n    SELECT {{ String(job_timestamp) }} AS a\n\nTYPE endpoint\n",
    "secret.pipe": "NODE n\nSQL >\n    %\n    SELECT {{ tb_secret('KEY') }} AS a\n\nTYPE endpoint\n",
}
_SECRETS = {"KEY": "one"}
_PROJECT = Project.from_files(_TEMPLATES, _SECRETS)
Values = Mapping[str, str | Sequence[str]]


def _snapshot(deployment: int = 1, workspace: str = "w") -> Snapshot:
    return Snapshot(Workspace(workspace, "main", "db", "2026-01-01 00:00:00"), deployment, _PROJECT, {})


_LIVE = _snapshot()


def _made(snapshot: Snapshot, call: Call, calls: PreparedCalls) -> Prepared:
    composed = compose_pipe(_PROJECT, _PROJECT.pipes[call.pipe], call.values)
    prepared = Prepared.of(snapshot, composed, Query(composed.sql, "db", call.format.name))
    calls.put(snapshot, call, composed, prepared)
    return prepared


def _call(pipe: str = "p", output: Format = JSON, settings: Mapping[str, str] | None = None, **values: str) -> Call:
    return Call(pipe, output, settings or {}, values)


def test_a_call_is_found_by_the_parameters_that_it_read() -> None:
    calls = PreparedCalls()
    made = _made(_LIVE, _call(a="1", noise="2"), calls)
    assert calls.get(_LIVE, _call(a="1")) is made
    assert calls.get(_LIVE, _call(a="1", noise="3", c="not read without b")) is made
    assert calls.get(_LIVE, _call(a="2")) is None
    assert calls.get(_LIVE, _call(a="1", b="")) is None


def test_another_format_setting_deployment_or_workspace_is_another_call() -> None:
    calls = PreparedCalls()
    _made(_LIVE, _call(a="1"), calls)
    assert calls.get(_LIVE, _call(output=CSV, a="1")) is None
    assert calls.get(_LIVE, _call(settings={"output_format_json_quote_denormals": "1"}, a="1")) is None
    assert calls.get(_snapshot(deployment=2), _call(a="1")) is None
    assert calls.get(_snapshot(workspace="v"), _call(a="1")) is None
    # A snapshot may place its tables elsewhere without a deployment.
    assert calls.get(_snapshot(), _call(a="1")) is None


def test_what_changes_by_itself_is_not_remembered() -> None:
    for name in ("clock", "secret"):
        calls = PreparedCalls()
        _made(_LIVE, _call(name), calls)
        assert calls.get(_LIVE, _call(name)) is None


def test_a_snapshot_that_is_gone_is_not_kept_alive() -> None:
    calls = PreparedCalls()
    snapshot = _snapshot()
    _made(snapshot, _call(), calls)
    remembered = weakref.ref(snapshot)
    del snapshot
    gc.collect()
    assert remembered() is None


def test_what_is_remembered_has_a_bound() -> None:
    calls = PreparedCalls(capacity_bytes=1_000_000)
    for number in range(500):
        _made(_LIVE, _call(a=str(number)), calls)
        assert calls.get(_LIVE, _call(a=str(number))) is not None
        assert calls.size <= 1_000_000
    assert calls.get(_LIVE, _call(a="0")) is None
    _made(_LIVE, _call(a="x" * 10_000), calls)
    assert calls.get(_LIVE, _call(a="x" * 10_000)) is None


_TEXTS = st.sampled_from(["", "x", "r", "s", "1", "a,b", "é'"])
_VALUES = st.dictionaries(st.sampled_from("abcdefg"), _TEXTS | st.lists(_TEXTS, min_size=1, max_size=3))


@given(st.lists(_VALUES, max_size=12))
def test_a_call_that_is_found_is_what_it_would_be_composed_to(several: list[Values]) -> None:
    calls = PreparedCalls()
    for values in several:
        call = Call("p", JSON, {}, values)
        found = calls.get(_LIVE, call)
        made = _made_or_none(call, calls)
        assert found is None or (made is not None and found.query.statement == made.query.statement)


def _made_or_none(call: Call, calls: PreparedCalls) -> Prepared | None:
    try:
        return _made(_LIVE, call, calls)
    except StonechatError:
        return None
