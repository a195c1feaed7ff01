"""`stonechat init`: the first files of a project, and the pipeline that takes it to a server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from stonechat.cli.console import out
from stonechat.cli.writing import writing
from stonechat.errors import Kind, StonechatError
from stonechat.project.loader import load_folder
from stonechat.starters.catalog import TEMPLATES, template_files
from stonechat.starters.pipelines import Pipeline, pipeline_file

_TEMPLATE = TEMPLATES[0]


class FolderNotEmpty(StonechatError):
    """`init` would overwrite files."""

    code = "SC963"
    kind = Kind.CONFLICT


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write the project.")] = Path(),
    template: Annotated[
        str | None, typer.Option(help=f"Project to start from: {', '.join(TEMPLATES)}.", show_default=_TEMPLATE)
    ] = None,
    cicd: Annotated[
        Pipeline | None, typer.Option(help="Write a pipeline, too, that checks, tests and deploys the project.")
    ] = None,
) -> None:
    """Write a new project: data sources, pipes, fixtures and tests as text files, ready for git."""
    only_pipeline = cicd is not None and template is None and folder.is_dir() and bool(load_folder(folder))
    name = template or _TEMPLATE
    files = {} if only_pipeline else {folder / path: content for path, content in template_files(name).items()}
    if cicd is not None:
        path, text = pipeline_file(cicd, folder)
        files[path] = text.encode()
    _write(files)
    if not only_pipeline:
        written = len(files) - (cicd is not None)
        out.print(
            f"Wrote {written} files of the template '{name}' to {escape(str(folder))}. "
            f"Next: stonechat dev {escape(str(folder))}"
        )
    if cicd is not None:
        out.print(f"Wrote {escape(str(path))}. It says what the deployment needs.")


def _write(files: Mapping[Path, bytes]) -> None:
    if present := sorted(path for path in files if path.exists()):
        raise FolderNotEmpty(f"{present[0]} is there already", hint="Choose an empty folder, or move it away.")
    for path, content in files.items():
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
