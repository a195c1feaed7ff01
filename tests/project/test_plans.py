"""A call that goes the way of an earlier one is composed to what it would be from the beginning, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stonechat.datafile.resources import Pipe
from stonechat.errors import StonechatError
from stonechat.project.composition import Composed, compose_pipe
from stonechat.project.model import Project
from stonechat.project.plans import Plan, Plans
from stonechat.sql import skeletons

_VISITS = "SCHEMA >\n    page String `json:$.page`\nENGINE MergeTree\nENGINE_SORTING_KEY page\n"
_PAGES = """
NODE first
SQL >
    %
    {% set late = defined(since) and since[11:] != '00:00:00' %}
    SELECT page, {{ String(label, 'none') }} AS label {% if late %}, 'late' AS late{% end %} FROM visits
    WHERE page IN {{ Array(pages, 'String', 'a,b') }}
    {% if defined(since) %} AND day >= {{ DateTime(since) }}{% end %}
    {% if raw %} AND x{{ raw }} != {{ raw }} {% end %}

NODE second
SQL >
    %
    SELECT * FROM other WHERE e = {{ String(e, 'e') }}
    {% for item in split_to_array(f, '') %} AND {{ item }} != '' {% end %}

NODE last
SQL >
    %
    SELECT page -{{ Int32(less, 1) }} AS n, {{ symbol(column, 'page') }} FROM first
    {% if which == 'both' %} UNION ALL SELECT * FROM second {% end %}
    LIMIT {{ Int32(limit, 10) }}

TYPE endpoint
"""
_OTHER = "NODE n\nSQL >\n    %\n    SELECT 1 AS a, {{ String(e, 'x') }} AS e{{ max_threads(2) }}\nTYPE endpoint\n"
_SECRET = "NODE n\nSQL >\n    %\n    SELECT {{ tb_secret('KEY') }} AS a, {{ String(e, 'x') }} AS e\nTYPE endpoint\n"
_COMMENT = "NODE n\nSQL >\n    %\n    SELECT 1 AS a -- {{ Int32(limit, 10) }}\nTYPE endpoint\n"
_LIST = """
NODE n
SQL >
    %
    {% set several = ['a'] %}
    {% set same = several %}
    {% set nothing = same.append(String(e, 'b')) %}
    SELECT {{ several }} AS several {% if 'c' in several %}, 1 AS with_c {% end %}

TYPE endpoint
"""
_WALRUS = """
NODE n
SQL >
    %
    {% if (size := Int32(limit, 3)) > 2 %} SELECT {{ size }} AS size, {{ String(e, 'b') }} AS e
    {% else %} SELECT {{ size + 1 }} AS size, {{ String(e, 'b') }} AS e {% end %}
    {% set twice = map(lambda x: x + label, ['a', 'b']) %} , {{ twice }} AS twice

TYPE endpoint
"""
_VARIABLES = """
NODE n
SQL >
    %
    {% set few = 3 %}
    {% set e = String(e, 'b') %}
    {% set many = Int32(limit, few) if defined(which) else few %}
    {% set few = many + 1 %}
    SELECT {{ String(e) }} AS e, {{ many }} AS many, {{ few }} AS few, {{ label }} AS label

TYPE endpoint
"""
_ASSIGNED = """
NODE n
SQL >
    %
    {% set text = String(e, 'none') %}
    SELECT {{ text }} AS e, {{ text + String(f, 'x') }} AS both {% if text == 'none' %}, 1 AS none {% end %}
    {% set text = String(label, 'c') %}, {{ text }} AS label

TYPE endpoint
"""
_ALTERNATIVE = """
NODE n
SQL >
    %
    {% if defined(which) or (label := 'none') %}
    SELECT {{ String(e, 'b') }} AS e, {{ String(label, 'c') }} AS label {% end %}

TYPE endpoint
"""
_COMPREHENSION = """
NODE n
SQL >
    %
    {% set parts = len([1 for label in split_to_array(f, 'u,v')]) %}
    SELECT {{ parts }} AS parts, {{ String(label, 'c') }} AS label, {{ String(e, 'b') }} AS e

TYPE endpoint
"""
_BARE = """
NODE n
SQL >
    %
    SELECT {{ Integer(limit, -1) }} AS a, {{ Boolean(which) }} AS b, {{ Int(less, 5) }} AS c,
        {{ Float32(f, 1.50) }} AS d, {{ String(e, True) }} AS e

TYPE endpoint
"""
_PROJECT = Project.from_files(
    {
        "visits.datasource": _VISITS,
        "pages.pipe": _PAGES,
        "other.pipe": _OTHER,
        "secret.pipe": _SECRET,
        "comment.pipe": _COMMENT,
        "list.pipe": _LIST,
        "walrus.pipe": _WALRUS,
        "variables.pipe": _VARIABLES,
        "assigned.pipe": _ASSIGNED,
        "alternative.pipe": _ALTERNATIVE,
        "comprehension.pipe": _COMPREHENSION,
        "bare.pipe": _BARE,
    },
    {"KEY": "one"},
)
_TEXTS = st.sampled_from(
    [
        *("", "a", "b,c", "x y", "1", "-1", "12", "99999999999", "both", "page", "visits", "with", "it's", "\\", "''"),
        *("\0", "\1", "\x010\x01", "--", "/*", "$$", "`", "é", "\u2018", "2024-01-02 00:00:00", "2024-01-02 03:04:05"),
        *("2024-01-02", "tinybird", "visits_quarantine", "a\nb", "{x}", "%"),
        *("first", "other", "pages", "-0", "1e5", "nan", "true", "l" * 1000, "l" * 1001, "\ud800"),
    ]
)
_NAMES = ("label", "pages", "since", "raw", "e", "f", "less", "column", "which", "limit", "unused")
_VALUES = st.dictionaries(st.sampled_from(_NAMES), _TEXTS | st.lists(_TEXTS, min_size=1, max_size=3), max_size=6)
Values = Mapping[str, str | Sequence[str]]


def _composed(pipe: str, values: Values) -> Composed | None:
    try:
        return compose_pipe(_PROJECT, _PROJECT.pipes[pipe], values)
    except StonechatError:
        return None


@given(st.sampled_from(sorted(_PROJECT.pipes)), st.lists(_VALUES, max_size=8))
@example("list", [{}, {"e": "c"}, {"e": "d"}])
@example("list", [{"e": "d"}, {"e": "c"}])
@example("walrus", [{"label": "a", "limit": "4"}, {"label": "b", "limit": "4"}, {"label": "b", "limit": "5", "e": "c"}])
@example("alternative", [{"which": "w", "label": "a"}, {"label": "b"}])
@example("comprehension", [{"label": "a"}, {"label": "b"}])
@example("variables", [{"e": "x", "label": "l"}, {"e": "y", "label": "l", "limit": "5"}, {"e": "z", "label": "m"}])
@example("assigned", [{"f": "a"}, {"f": "a", "e": "b"}])
@example("assigned", [{"label": "a"}, {"label": "a", "e": "b"}])
@example("pages", [{"label": "a"}, {"label": "visits"}])
@example("pages", [{"label": "visits"}, {"label": "a"}])
@example("pages", [{"raw": "ab"}, {"raw": "cd"}])
@example("pages", [{"which": "both", "e": "a"}, {"which": "both", "e": "with"}])
def test_what_a_plan_composes_is_what_the_call_is_composed_to(pipe: str, several: list[Values]) -> None:
    plans = Plans(_PROJECT)
    for values in several:
        expected, planned = _composed(pipe, values), plans.compose(_PROJECT.pipes[pipe], values)
        assert planned is None or planned == expected
        assert planned is None or skeletons.skeleton(planned.sql) == skeletons._skeleton(planned.sql)
        plans.learn(_PROJECT.pipes[pipe], values)


@pytest.mark.parametrize(
    ("pipe", "known", "call"),
    [
        ("pages", {"label": "a"}, {"label": "something else", "unused": "x"}),
        ("pages", {"label": "a", "pages": "x,y"}, {"label": "b", "pages": ["z", "é"]}),
        ("pages", {"since": "2024-01-02 00:00:00", "limit": "5"}, {"since": "2025-11-12 00:00:00", "limit": "70"}),
        ("pages", {"since": "2024-01-02 00:00:01"}, {"since": "2025-11-12 13:14:15"}),
        ("list", {"e": "d"}, {"e": "x"}),
        ("comprehension", {"label": "a"}, {"label": "b"}),
        ("variables", {"e": "x", "label": "l", "which": "w"}, {"e": "y", "label": "m", "which": "v"}),
        ("assigned", {"f": "a"}, {"f": "b"}),
        ("assigned", {"e": "a", "label": "b"}, {"e": "c", "label": "d"}),
    ],
)
def test_calls_that_differ_in_values_alone_have_one_plan(pipe: str, known: Values, call: Values) -> None:
    plans = Plans(_PROJECT)
    plans.learn(_PROJECT.pipes[pipe], known)
    assert plans.compose(_PROJECT.pipes[pipe], call) == _composed(pipe, call)


@pytest.mark.parametrize(
    "call",
    [
        {"label": "a", "since": "2024-01-02 00:00:00"},  # another branch
        {"label": "a", "pages": "x,y,z"},  # another number of values
        {"label": "it's"},  # what has to be escaped
        {"label": "visits"},  # what may be a table
        {"column": "label"},  # another name
        {"limit": "many"},  # what is refused
    ],
)
def test_a_call_that_goes_another_way_is_composed_from_the_beginning(call: Values) -> None:
    plans = Plans(_PROJECT)
    plans.learn(_PROJECT.pipes["pages"], {"label": "a", "pages": "x,y"})
    assert plans.compose(_PROJECT.pipes["pages"], {"label": "b", "pages": "v,w"}) is not None
    assert plans.compose(_PROJECT.pipes["pages"], call) is None


@pytest.mark.parametrize(
    ("pipe", "values"),
    [("other", {"e": "a"}), ("secret", {"e": "a"}), ("comment", {"limit": "5"}), ("pages", {"raw": "ab"})],
)
def test_what_is_printed_otherwise_than_as_a_string_of_its_own_has_no_plan(pipe: str, values: Values) -> None:
    plans = Plans(_PROJECT)
    plans.learn(_PROJECT.pipes[pipe], values)
    assert plans.compose(_PROJECT.pipes[pipe], values) is None


def _unlike(number: int) -> Values:
    """A call of the pages that is like no other."""
    return {"pages": ",".join("a" * (number + 3))}


def _call(plans: Plans, pipe: str, values: Values) -> bool:
    """Make a call as the read path does; whether a plan was right for it."""
    planned = plans.compose(_PROJECT.pipes[pipe], values)
    if planned is None:
        plans.learn(_PROJECT.pipes[pipe], values)
    return planned is not None


def test_calls_that_are_like_no_other_leave_the_plans_of_others_alone() -> None:
    plans = Plans(_PROJECT)
    assert [_call(plans, "pages", {"label": label}) for label in "abc"] == [False, True, True]
    for number in range(60):
        assert not _call(plans, "pages", _unlike(number))
    assert _call(plans, "pages", {"label": "d"})


def test_calls_that_become_alike_have_a_plan_again() -> None:
    plans = Plans(_PROJECT)
    for number in range(60):
        _call(plans, "pages", _unlike(number))
    assert any(_call(plans, "pages", {"label": f"l{number}"}) for number in range(50))
    assert [_call(plans, "pages", {"label": label, "limit": "5"}) for label in "ab"] == [False, True]


def test_few_plans_are_made_where_no_two_calls_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Values] = []
    make = Plan.of

    def counted(project: Project, pipe: Pipe, values: Values) -> Plan | None:
        made.append(values)
        return make(project, pipe, values)

    monkeypatch.setattr(Plan, "of", counted)
    plans = Plans(_PROJECT)
    for number in range(100):
        _call(plans, "pages", _unlike(number))
    assert len(made) == 24


def test_a_pipe_is_called_in_several_ways_at_a_time() -> None:
    plans = Plans(_PROJECT)
    ways: list[Values] = [dict.fromkeys(("label", "less", "limit")[:count], "1") for count in range(4)]
    learned = [_call(plans, "pages", values) for _ in range(20) for values in ways]
    assert learned == [False] * 4 + [True] * 76
