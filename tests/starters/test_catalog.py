"""Starter projects come out of the installed package as files."""

from __future__ import annotations

from importlib.resources import files

import pytest

from stonechat.starters.catalog import TEMPLATES, UnknownTemplate, template_files


def test_the_messaging_project_has_every_kind_of_file() -> None:
    names = list(template_files("messaging"))
    assert {name.partition("/")[0] for name in names} == {
        "README.md",
        "datasources",
        "endpoints",
        "fixtures",
        "materializations",
        "requests.http",
        "tests",
    }


@pytest.mark.parametrize("template", TEMPLATES)
def test_files_come_in_order_with_their_bytes(template: str) -> None:
    found = template_files(template)
    assert list(found) == sorted(found)
    root = files("stonechat.starters") / template
    assert all(root.joinpath(*name.split("/")).read_bytes() == data for name, data in found.items())


@pytest.mark.parametrize("template", ["", "nothing", "../starters", "messaging/tests"])
def test_an_unknown_template_is_named_with_those_that_are_there(template: str) -> None:
    with pytest.raises(UnknownTemplate, match="There is no template") as caught:
        template_files(template)
    assert caught.value.hint == "Templates are: messaging, empty."
