"""Pipelines of continuous integration that check, test and deploy a project."""

from __future__ import annotations

import json
import shlex
from enum import StrEnum
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path


class Pipeline(StrEnum):
    """Where pipelines run."""

    GITHUB = "github"
    GITLAB = "gitlab"


_PATHS = {Pipeline.GITHUB: ".github/workflows/stonechat.yml", Pipeline.GITLAB: ".gitlab-ci.yml"}


def pipeline_file(pipeline: Pipeline, project: Path) -> tuple[Path, str]:
    """Where the pipeline of a project's folder belongs, and its text.

    That is in the repository which the folder lies in, whether at its top or below; in the folder itself, if it lies in
    none.
    """
    project = project.resolve()
    top = next((folder for folder in (project, *project.parents) if (folder / ".git").exists()), project)
    folder = project.relative_to(top).as_posix()
    text = (files("stonechat.starters") / "cicd" / f"{pipeline}.yml").read_text(encoding="utf-8")
    for mark, value in (
        ("@VERSION@", version("stonechat")),
        ("@FOLDER@", json.dumps(folder, ensure_ascii=False)),
        ("@ENTER_FOLDER@", json.dumps(f"cd {shlex.quote(folder)}", ensure_ascii=False)),
    ):
        text = text.replace(mark, value)
    return top / _PATHS[pipeline], text
