"""A project folder on disk: finding its datafiles, fixtures and tests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from stonechat.errors import Kind, StonechatError

DATAFILE_SUFFIXES = (".datasource", ".pipe", ".connection")
_DEEPEST = 3
_SKIPPED_FOLDERS = {"node_modules", "__pycache__", "vendor", "stonechat-data"}
_LARGEST_FILE = 1_000_000


class UnreadableProject(StonechatError):
    """The folder, or a file in it, cannot be read as a project."""

    code = "SC300"
    kind = Kind.INVALID


def load_folder(folder: Path) -> Mapping[str, str]:
    """Every datafile of a folder, at most three folders deep: path relative to the folder (with `/`) -> text, sorted.

    Raises `UnreadableProject` naming the file for one that is not UTF-8, too large or vanished while reading.
    """
    if not folder.is_dir():
        raise UnreadableProject(
            f"There is no project folder {folder}", hint="Make one with `stonechat init --template messaging`."
        )
    return {path.relative_to(folder).as_posix(): _read(path) for path in sorted(_datafiles(folder))}


def _datafiles(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        depth = len(Path(root).relative_to(folder).parts)
        folders[:] = [name for name in folders if depth < _DEEPEST and _is_ours(name)]
        yield from (Path(root, name) for name in files if name.endswith(DATAFILE_SUFFIXES) and _is_ours(name))


def _is_ours(name: str) -> bool:
    return not name.startswith(".") and name not in _SKIPPED_FOLDERS


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableProject(f"Cannot read {path}: {error.strerror}") from error
    if len(data) > _LARGEST_FILE:
        raise UnreadableProject(f"{path} is larger than {_LARGEST_FILE} bytes, which no datafile should be")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UnreadableProject(f"{path} is not UTF-8: line {line} has the byte {data[error.start]:#04x}") from error
