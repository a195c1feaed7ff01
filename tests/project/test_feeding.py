"""A data source feeds what views make of its own rows, on whatever way, and nothing that only joins them."""

from __future__ import annotations

from stonechat.project.feeding import fed_by
from stonechat.project.model import Project

_SOURCES = {f"{name}.datasource": "SCHEMA >\n    n UInt8\n" for name in ("raw", "other", "first", "second", "joined")}


def _view(target: str, sql: str, before: str = "") -> str:
    return f"{before}NODE output\nSQL >\n    {sql}\nTYPE materialized\nDATASOURCE {target}\n"


def _fed_by(data_source: str, **views: str) -> dict[str, list[str]]:
    project = Project.from_files({**_SOURCES, **{f"{name}.pipe": text for name, text in views.items()}})
    return dict(fed_by(data_source, project.pipes.values(), project.templates, project.lineage))


def test_views_of_views_are_followed_and_joins_are_not() -> None:
    views = {
        "to_first": _view("first", "SELECT n FROM filtered", before="NODE filtered\nSQL >\n    SELECT n FROM raw\n"),
        "to_second": _view("second", "SELECT n FROM (SELECT n FROM first UNION ALL SELECT 2 * n FROM first)"),
        "to_second_as_well": _view("second", "SELECT n FROM named"),
        "named": "NODE of_raw\nSQL >\n    WITH r AS (SELECT * FROM raw) SELECT n FROM r\n",
        "to_joined": _view("joined", "SELECT n FROM other JOIN raw USING n"),
    }
    assert _fed_by("raw", **views) == {"first": ["to_first"], "second": ["to_second_as_well", "to_second"]}
    assert _fed_by("first", **views) == {"second": ["to_second"]}
    assert _fed_by("other", **views) == {"joined": ["to_joined"]}
    assert _fed_by("second", **views) == {}
