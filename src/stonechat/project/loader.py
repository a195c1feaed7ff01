"""A project folder on disk: finding its datafiles, and reading its files."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stonechat.errors import Kind, StonechatError

DATAFILE_SUFFIXES = (".datasource", ".pipe", ".connection")
DEEPEST = 3
CONFIGURATION_FILE = "tinybird.config.json"
_SKIPPED_FOLDERS = {"node_modules", "__pycache__", "vendor", "stonechat-data"}
_LARGEST_FILE = 1_000_000
_TRIES = 3


class UnreadableProject(StonechatError):
    """The folder, or a file in it, cannot be read as a project."""

    code = "SC300"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class ReadFolder:
    """The datafiles of a folder by their paths relative to it (with `/`), sorted: the texts of those that could be
    read, and what is wrong with the others.
    """

    texts: Mapping[str, str]
    unreadable: Mapping[str, UnreadableProject]


def load_folder(folder: Path, max_depth: int = DEEPEST) -> Mapping[str, str]:
    """Every datafile of a folder: path relative to the folder -> text. Raises what `read_folder` found first."""
    found = read_folder(folder, max_depth)
    for problem in found.unreadable.values():
        raise problem
    return found.texts


def read_folder(folder: Path, max_depth: int = DEEPEST) -> ReadFolder:
    """Read every datafile of a folder, at most so many folders deep.

    Folders behind symbolic links are not looked into. A folder that changes while it is read is read again. A file
    that is not UTF-8, too large, no regular file or not to be read is unreadable. Raises `UnreadableProject` where
    there is no such folder.
    """
    if not folder.is_dir():
        raise UnreadableProject(
            f"There is no project folder {folder}", hint="Make one with `stonechat init --template messaging`."
        )
    for _ in range(_TRIES - 1):
        paths = sorted(_datafiles(folder, max_depth))
        found = _read_all(folder, paths)
        # Editors replace files by renaming: what has just vanished is often back, or rightly gone.
        if not found.unreadable or paths == sorted(_datafiles(folder, max_depth)):
            return found
    return _read_all(folder, sorted(_datafiles(folder, max_depth)))


def project_folder(folder: Path) -> Path:
    """Where a project's files are: the folder itself, or the one inside it that its `tinybird.config.json` names.

    Raises `UnreadableProject` where that file is no JSON.
    """
    file = folder / CONFIGURATION_FILE
    if not file.is_file():
        return folder
    try:
        configuration = json.loads(read_text(file))
    except ValueError:
        raise UnreadableProject(f"{file} is no JSON") from None
    named = configuration.get("folder") if isinstance(configuration, dict) else None
    inner = folder / named if isinstance(named, str) else folder
    return inner if inner.is_dir() and inner.resolve().is_relative_to(folder.resolve()) else folder


def read_text(path: Path, largest: int = _LARGEST_FILE) -> str:
    """The text of a file. Raises `UnreadableProject`."""
    data = _read(path, largest)
    if len(data) > largest:
        raise UnreadableProject(f"{path} is larger than {largest} bytes, which no file of a project should be")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UnreadableProject(f"{path} is not UTF-8: line {line} has the byte {data[error.start]:#04x}") from error


def _read(path: Path, largest: int) -> bytes:
    """At most one byte more than the largest file has. Anything but a regular file could block, or have no end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableProject(f"{path} is no regular file")
        with path.open("rb") as file:
            return file.read(largest + 1)
    except OSError as error:
        raise UnreadableProject(f"Cannot read {path}: {error.strerror}") from error


def _read_all(folder: Path, paths: list[Path]) -> ReadFolder:
    texts: dict[str, str] = {}
    unreadable: dict[str, UnreadableProject] = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            texts[name] = read_text(path)
        except UnreadableProject as problem:
            unreadable[name] = problem
    return ReadFolder(texts, unreadable)


def _datafiles(folder: Path, max_depth: int) -> Iterator[Path]:
    for root, folders, files in os.walk(folder, onerror=_unreadable):
        depth = len(Path(root).relative_to(folder).parts)
        folders[:] = [name for name in folders if depth < max_depth and _is_ours(name)]
        yield from (Path(root, name) for name in files if name.endswith(DATAFILE_SUFFIXES) and _is_ours(name))


def _unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise UnreadableProject(f"Cannot read {error.filename}: {error.strerror}") from error


def _is_ours(name: str) -> bool:
    return not name.startswith(".") and name not in _SKIPPED_FOLDERS
