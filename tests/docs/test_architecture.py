"""The description of the architecture is true of the code."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest
from tests.conftest import REPOSITORY
from tests.docs.introspection import SOURCE
from tests.docs.markdown import DOCS, Page, pages

_ARCHITECTURE = Page(DOCS / "explanation" / "architecture.md")
_PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
_UNLISTED = {"__init__.py", "__main__.py"}


def _rows(title: str) -> list[list[str]]:
    (heading,) = [heading for heading in _ARCHITECTURE.headings if heading.plain == title]
    return [list(row) for row in _ARCHITECTURE.rows(heading)]


def test_the_code_map_has_every_module_and_no_other() -> None:
    documented = [cell for row in _rows("Code map") for cell in re.findall(r"^`([\w/.]+)`$", row[0])]
    modules = [path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if path.name not in _UNLISTED]
    assert sorted(documented) == sorted(
        path.as_posix() for path in modules if path.parts[:2] != ("starters", "messaging")
    )


def test_the_layers_are_those_that_are_checked() -> None:
    contract = _PROJECT["tool"]["importlinter"]["contracts"][0]
    assert " > ".join(contract["layers"]) in " ".join(_ARCHITECTURE.lines)


def test_the_table_of_dependencies_is_that_of_the_project() -> None:
    groups = _PROJECT["dependency-groups"]
    declared = [*_PROJECT["project"]["dependencies"], *groups["build"], *groups["dev"]]
    wanted = sorted(re.split(r"[<>=\[; ]", item)[0] for item in declared)
    documented = sorted(code for row in _rows("Dependencies") for code in re.findall(r"`([\w-]+)`", row[1]))
    assert documented == wanted
    assert all(row[3].strip() for row in _rows("Dependencies"))


@pytest.mark.parametrize("row", _rows("Invariants")[1:], ids=lambda row: row[0])
def test_every_invariant_names_tests_that_exist(row: list[str]) -> None:
    links = re.findall(r"\[`(\w+)`\]\(([^)]+)\)", row[2])
    assert links
    for name, target in links:
        tree = ast.parse((_ARCHITECTURE.path.parent / target).read_text())
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (name, target)


def test_decisions_are_numbered_without_gaps_and_say_the_same_three_things() -> None:
    records = [page for page in pages() if page.path.parent.name == "decisions" and page.path.name[0].isdigit()]
    assert [int(page.path.name[:4]) for page in records] == list(range(1, len(records) + 1))
    for page in records:
        assert [heading.text for heading in page.headings][1:] == ["Context", "Decision", "Consequences"], page.name
