"""Whole projects, written as people write theirs: each folder answers what its own tests say, on one server."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import RunningServer
from typer.testing import CliRunner

from stonechat.cli.main import app
from stonechat.datafile.formatting import formatted
from stonechat.project.loader import load_folder

PROJECTS = Path(__file__).parent / "projects"


@pytest.mark.parametrize("project", sorted(PROJECTS.iterdir()), ids=lambda path: path.name)
def test_the_tests_of_a_project_pass(
    module_server: RunningServer, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    result = CliRunner().invoke(app, ["test", "run", "--url", module_server.url])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("project", sorted(PROJECTS.iterdir()), ids=lambda path: path.name)
def test_their_files_have_one_layout(project: Path) -> None:
    for path, text in load_folder(project).items():
        once = formatted(path, text)
        assert formatted(path, once) == once, path
