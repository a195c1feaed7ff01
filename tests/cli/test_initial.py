"""`stonechat init`: it writes a project and its pipeline, and what the pipeline runs takes the project to a server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import RunningServer
from typer.testing import CliRunner, Result

from stonechat.cli.initial import FolderNotEmpty
from stonechat.cli.main import app
from stonechat.cli.writing import CannotWrite
from stonechat.errors import StonechatError

_PATHS = {"github": ".github/workflows/stonechat.yml", "gitlab": ".gitlab-ci.yml"}


def _init(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, ["init", *map(str, arguments)], env={"COLUMNS": "200"})
    if isinstance(result.exception, StonechatError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def _pipeline(repository: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((repository / _PATHS[name]).read_text(encoding="utf-8"))
    return document


def _commands(repository: Path, name: str) -> dict[str, Sequence[str]]:
    """What each job runs, in its order."""
    document = _pipeline(repository, name)
    if name == "github":
        return {job: [step["run"] for step in body["steps"] if "run" in step] for job, body in document["jobs"].items()}
    before = document["default"]["before_script"]
    return {
        job.removeprefix("stonechat-"): [*before, *body["script"]]
        for job, body in document.items()
        if job.startswith("stonechat-")
    }


def _follow(repository: Path, job: str, **environment: str) -> str:
    """Run the commands of a job as the pipeline does, but for the installation."""
    folder = repository / _pipeline(repository, "github")["defaults"]["run"]["working-directory"]
    wanted = [command for command in _commands(repository, "github")[job] if not command.startswith("pip ")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", "\n".join(wanted)],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_a_pipeline_takes_a_new_project_to_a_server(module_server: RunningServer, tmp_path: Path) -> None:
    repository = tmp_path / "it's a repository"
    (repository / ".git").mkdir(parents=True)
    _init(repository / "chat analytics", "--cicd", "github")
    assert "27 passed" in _follow(repository, "check")
    server = module_server.new_workspace()
    made = server.request("POST", "/v0/tokens", params={"name": "pipeline", "scope": "WORKSPACE:DEPLOY"}).json()
    secrets = {"STONECHAT_URL": server.url, "STONECHAT_TOKEN": made["token"]}
    printed = _follow(repository, "deploy", **secrets)
    assert printed.index("this was a check") < printed.index("Deployment 1 is live.")
    assert _follow(repository, "deploy", **secrets).count("No changes.") == 2
    assert server.value("SELECT count() FROM messages") == 0


def test_every_pipeline_does_the_same_in_the_folder_of_the_project(tmp_path: Path) -> None:
    repository = tmp_path / "it's a repository"
    (repository / ".git").mkdir(parents=True)
    folder = repository / "chat analytics"
    for name in _PATHS:
        _init(folder, "--cicd", name)
    github, gitlab = (_commands(repository, name) for name in _PATHS)
    for job, commands in github.items():
        install, enter, *others = gitlab[job]
        assert [install, *others] == commands
        ended = subprocess.run(["bash", "-c", f"{enter}; pwd"], cwd=repository, stdout=subprocess.PIPE, check=True)
        assert Path(ended.stdout.decode().strip()) == folder.resolve()


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_a_pipeline_has_nothing_of_this_machine_and_what_it_uses_is_pinned(tmp_path: Path, name: str) -> None:
    _init(tmp_path, "--cicd", name)
    text = (tmp_path / _PATHS[name]).read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert "@" not in re.sub(r"uses: [\w./-]+@v\d+\b", "", text)
    assert f"stonechat=={version('stonechat')}" in text
    assert "STONECHAT_TOKEN" in text


def test_the_token_reaches_nothing_but_the_deployment(tmp_path: Path) -> None:
    _init(tmp_path, "--cicd", "github")
    document = _pipeline(tmp_path, "github")
    assert document["permissions"] == {"contents": "read"}
    assert "secrets." not in str(document["jobs"]["check"])
    assert document["jobs"]["deploy"]["if"] == "github.event_name == 'push' && github.ref == 'refs/heads/main'"
    assert document["jobs"]["deploy"]["needs"] == "check"


def test_a_folder_with_a_project_gets_the_pipeline_alone(tmp_path: Path) -> None:
    (tmp_path / "rows.datasource").write_text("SCHEMA >\n    `n` UInt8 `json:$.n`\n")
    result = _init(tmp_path, "--cicd", "github")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".github", "rows.datasource"]
    assert "template" not in result.output


def test_a_pipeline_stands_at_the_top_of_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: elsewhere")
    _init(tmp_path / "services" / "chat", "--cicd", "github")
    assert _pipeline(tmp_path, "github")["defaults"]["run"]["working-directory"] == "services/chat"


@pytest.mark.parametrize("present", ["datasources/messages.datasource", ".github/workflows/stonechat.yml"])
def test_nothing_is_written_where_a_file_would_be_overwritten(tmp_path: Path, present: str) -> None:
    path = tmp_path / present
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(FolderNotEmpty, match=re.escape(present)):
        _init(tmp_path, "--template", "messaging", "--cicd", "github")
    assert [item for item in tmp_path.rglob("*") if item.is_file()] == [path]
    assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="file"):
        _init(tmp_path / "file" / "project")


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"stonechat {version('stonechat')}\n")


def test_an_empty_project_has_its_folders_and_a_page_of_files_that_work(tmp_path: Path) -> None:
    result = _init(tmp_path, "--template", "empty")
    assert "of the template 'empty'" in result.output
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    folders = set(re.findall(r"^\| `(\w+)/`", page, re.MULTILINE))
    assert folders == {path.name for path in tmp_path.iterdir() if path.is_dir()}
    for name, text in re.findall(r"`(\w+/\w+\.\w+)`:\n\n((?:(?: {4}.*)?\n)+)", page):
        (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
    # The engine in this process, if there is one, has its folder already.
    checked = subprocess.check_output([sys.executable, "-m", "stonechat", "check", str(tmp_path)], text=True)
    assert checked == "No problems in 1 data source, 1 pipe, 0 connections.\n"
