"""Which tables a deployment makes anew, and from what their rows come."""

from __future__ import annotations

from stonechat.deploy.diff import compare
from stonechat.deploy.plan import explain
from stonechat.deploy.versions import plan_versions
from stonechat.project.model import Project

_EVENTS = (
    'SCHEMA >\n    `x` UInt8 `json:$.x`,\n    `t` DateTime `json:$.t`\nENGINE "MergeTree"\nENGINE_SORTING_KEY "x"\n'
)
_COUNTS = 'SCHEMA >\n    `x` UInt8,\n    `n` UInt64\nENGINE "SummingMergeTree"\nENGINE_SORTING_KEY "x"\n'


def _view(source: str, target: str, query: str = "SELECT x, toUInt64(n) AS n") -> str:
    return f"NODE n\nSQL >\n    {query} FROM {source}\nTYPE materialized\nDATASOURCE {target}\n"


_LIVE = {
    "events.datasource": _EVENTS,
    "counts.datasource": _COUNTS,
    "totals.datasource": _COUNTS,
    "to_counts.pipe": _view("events", "counts", "SELECT x, toUInt64(1) AS n"),
    "to_totals.pipe": _view("counts", "totals"),
}


def _plan(wanted: dict[str, str]) -> list[str]:
    before, after = Project.from_files(_LIVE), Project.from_files(wanted)
    return list(explain(plan_versions(before, after, compare(before, after))))


def _words(lines: list[str]) -> list[str]:
    return [line.replace("make a new version of the data source", "version of") for line in lines]


def test_what_shapes_no_table_makes_none() -> None:
    told = _EVENTS.replace("json:$.x", "json:$.y") + "DESCRIPTION said\nTOKEN t READ\n"
    assert _plan(_LIVE | {"events.datasource": told}) == []


def test_all_that_views_write_from_a_changed_data_source_is_versioned_with_it() -> None:
    wanted = _LIVE | {"events.datasource": _EVENTS.replace("`t` DateTime", "`t` DateTime DEFAULT now()")}
    assert _words(_plan(wanted))[:3] == [
        "version of 'counts' with the rows it has",
        (
            "version of 'events' with the rows it has, then "
            "MODIFY COLUMN `t` DateTime DEFAULT defaultValueOfTypeName('DateTime'); MATERIALIZE COLUMN `t`; "
            "MODIFY COLUMN `t` DateTime DEFAULT now()"
        ),
        "version of 'totals' with the rows it has",
    ]
    assert [line for line in _plan(wanted) if "fill" in line] == []


def test_the_target_of_another_query_is_computed_again_and_so_is_what_reads_it() -> None:
    wanted = _LIVE | {"to_counts.pipe": _view("events", "counts", "SELECT x, toUInt64(2) AS n")}
    assert _words(_plan(wanted)) == [
        "version of 'counts' without rows",
        "version of 'totals' without rows",
        "fill 'counts' with the rows that 'to_counts' finds already there",
        "fill 'totals' with the rows that 'to_totals' finds already there",
        "create the materialized view 'to_counts' into 'counts'",
        "create the materialized view 'to_totals' into 'totals'",
    ]


def test_a_query_that_says_the_same_in_other_words_makes_nothing() -> None:
    assert _plan(_LIVE | {"to_counts.pipe": _view("events", "counts", "SELECT x,  toUInt64(1) /* one */ AS n")}) == []


def test_a_query_changed_in_place_keeps_the_rows_of_its_target() -> None:
    changed = _view("events", "counts", "SELECT x, toUInt64(2) AS n") + "DEPLOYMENT_METHOD alter\n"
    assert _words(_plan(_LIVE | {"to_counts.pipe": changed}))[0] == "version of 'counts' with the rows it has"


def test_a_second_view_adds_its_rows_to_those_of_its_target() -> None:
    wanted = _LIVE | {"again.pipe": _view("events", "totals", "SELECT x, toUInt64(3) AS n")}
    assert _words(_plan(wanted)) == [
        "version of 'totals' with the rows it has",
        "fill 'totals' with the rows that 'again' finds already there",
        "create the materialized view 'again' into 'totals'",
        "create the materialized view 'to_totals' into 'totals'",
    ]


def test_another_sorting_key_has_the_rows_written_anew() -> None:
    wanted = _LIVE | {"totals.datasource": _COUNTS.replace('KEY "x"', 'KEY "x, n"')}
    assert _plan(wanted) == [
        "write the rows of the data source 'totals' anew: the sorting key changes",
        "create the materialized view 'to_totals' into 'totals'",
    ]
