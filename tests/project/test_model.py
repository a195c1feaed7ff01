"""Each folder of the corpus is a project, and its `problems.txt` is all that is wrong with it: an empty file, nothing.

A new case is a new folder; STONECHAT_REWRITE_EXPECTED=1 has its problems written, to be read before they are kept. The
workspace has the secrets of the folder's `.env.local`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stonechat.datafile.problems import DatafileProblem
from stonechat.datafile.resources import NodeType
from stonechat.errors import Kind, StonechatError
from stonechat.project.loader import load_folder
from stonechat.project.model import InvalidProject, Project
from stonechat.project.secrets import local_secrets

CORPUS = Path(__file__).parent / "corpus"
_PIPE = "NODE n\nSQL >\n    SELECT 1\nTYPE endpoint\n"


@pytest.mark.parametrize("folder", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_a_project_has_just_the_problems_that_are_expected(folder: Path) -> None:
    outcome = _problems(folder)
    expected = folder / "problems.txt"
    if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
        expected.write_text(outcome, encoding="utf-8")
    assert outcome == expected.read_text(encoding="utf-8")


def _problems(folder: Path) -> str:
    try:
        Project.from_files(load_folder(folder), local_secrets(folder), secrets_required=True)
    except InvalidProject as error:
        return "\n\n".join(_explanation(problem) for problem in error.problems) + "\n"
    return ""


def _explanation(problem: StonechatError) -> str:
    assert isinstance(problem, DatafileProblem)
    return problem.explanation()


def test_the_first_problem_speaks_for_all_and_counts_them() -> None:
    with pytest.raises(InvalidProject) as caught:
        Project.from_files({"b.pipe": "NODE n\n", "a.pipe": "SQL >\n    SELECT 1\n"})
    assert str(caught.value).startswith("a.pipe:1:1: ")
    assert str(caught.value).endswith("(and 2 more problems)")
    assert caught.value.kind is Kind.INVALID


def test_a_projects_resources_are_found_by_name_and_type() -> None:
    view = "NODE v\nSQL >\n    SELECT 1 AS a\nTYPE materialized\nDATASOURCE rows\n"
    files = {"x/rows.datasource": "SCHEMA >\n    a Int8\n", "view.pipe": view, "p.pipe": _PIPE}
    project = Project.from_files(files)
    assert (list(project.data_sources), list(project.pipes), project.connections) == (["rows"], ["view", "p"], {})
    assert [pipe.name for pipe in project.pipes_of_type(NodeType.MATERIALIZED)] == ["view"]
    pipe = project.pipes["p"]
    assert project.template(pipe, pipe.output).sql == "SELECT 1"
    assert project.files == files


def test_an_empty_project_is_valid() -> None:
    assert Project.from_files({}) == Project.empty()


def test_many_circles_end() -> None:
    def reading(number: int) -> str:
        return f"NODE n\nSQL >\n    SELECT * FROM {', '.join(f'p{other}' for other in range(60) if other != number)}\n"

    with pytest.raises(InvalidProject) as caught:
        Project.from_files({f"p{number}.pipe": reading(number) for number in range(60)})
    assert len(caught.value.problems) == 20
