"""The folder of a project, as commands take it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stonechat.project.loader import project_folder

_HELP = "The project's folder, or one whose `tinybird.config.json` names it."


def _named(folder: Path) -> Path:
    return project_folder(folder)


ProjectFolder = Annotated[Path, typer.Argument(help=_HELP, callback=_named)]
ProjectOption = Annotated[Path, typer.Option("--project", help=_HELP, callback=_named)]
