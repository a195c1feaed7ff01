"""The projects that `stonechat init` can start from, read from the installed package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from stonechat.errors import Kind, StonechatError

TEMPLATES = ("messaging", "empty")
_SKIPPED = ("__pycache__", "__init__.py")


class UnknownTemplate(StonechatError):
    """There is no starter project of that name."""

    code = "SC310"
    kind = Kind.MISSING


def template_files(template: str) -> Mapping[str, bytes]:
    """Every file of a starter project: path with `/` -> content. Raises `UnknownTemplate`."""
    if template not in TEMPLATES:
        raise UnknownTemplate(f"There is no template '{template}'", hint=f"Templates are: {', '.join(TEMPLATES)}.")
    return dict(sorted(_walk(files("stonechat.starters") / template, "")))


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        if item.name in _SKIPPED:
            continue
        if item.is_dir():
            yield from _walk(item, f"{prefix}{item.name}/")
        else:
            yield prefix + item.name, item.read_bytes()
