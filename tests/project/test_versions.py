"""A block for a data source changes the data source, its quarantine, and whatever views fill from it."""

from __future__ import annotations

from stonechat.project.model import Project
from stonechat.project.versions import DataVersions, affected_by_writes


def _source(column: str = "a") -> str:
    return f"SCHEMA >\n    `{column}` UInt8 `json:$.{column}`\n"


def _view(source: str, target: str) -> str:
    return f"NODE n_{target}\nSQL >\n    SELECT a FROM {source}\n\nTYPE materialized\nDATASOURCE {target}\n"


def test_a_write_reaches_the_targets_of_views_of_views() -> None:
    project = Project.from_files(
        {
            **{f"{name}.datasource": _source() for name in ("one", "two", "three", "other")},
            "first.pipe": _view("one", "two"),
            "second.pipe": _view("two", "three"),
        }
    )
    affected = affected_by_writes(project)
    assert affected["one"] == {"one", "two", "three", "one_quarantine"}
    assert affected["two"] == {"two", "three", "two_quarantine"}
    assert affected["other"] == {"other", "other_quarantine"}


def test_a_change_raises_the_numbers_of_what_it_changed_and_no_others() -> None:
    versions = DataVersions()
    before = versions.of([("w", "one"), ("w", "two")])
    versions.raise_for("w", ["one"])
    assert versions.of([("w", "one"), ("w", "two")]) != before
    assert versions.of([("w", "two")]) == before[1:]


def test_equal_names_of_two_workspaces_have_numbers_of_their_own() -> None:
    versions = DataVersions()
    versions.raise_for("mine", ["one"])
    assert versions.of([("yours", "one")]) == (0,)
