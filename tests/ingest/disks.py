"""What disks keep: file systems of their own for tests, which only root may mount (tests are skipped where that is
refused), and what of a log is synced.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from stonechat.ingest import segment_chain
from stonechat.ingest.segments import SUFFIX

_EXT4_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSHING = 2


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A file system in a folder, as long as the block lasts. It goes even where what failed holds files of it open."""
    folder.mkdir(exist_ok=True)
    mount = subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False)
    if os.geteuid() != 0 or mount.returncode != 0:
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        unmount = subprocess.run(["umount", str(folder)], check=False)
        if unmount.returncode != 0:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    unmount.check_returncode()


class Ext4:
    """A disk with an ext4 file system, kept in a file."""

    def __init__(self, image: Path, megabytes: int) -> None:
        self._image = image
        with image.open("wb") as file:
            file.truncate(megabytes * 1_000_000)
        if subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], capture_output=True, check=False).returncode != 0:
            pytest.skip("needs mkfs.ext4")

    @contextmanager
    def mounted(self, folder: Path) -> Iterator[Path]:
        """The file system in a folder, as long as the block lasts."""
        with mounted(folder, "-o", "loop", str(self._image)):
            yield folder


def lose_power(folder: Path) -> None:
    """Let nothing more come to the disk of an ext4 file system, as if the power had gone: what is in memory is lost."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, _EXT4_SHUTDOWN, struct.pack("I", _WITHOUT_FLUSHING))
    finally:
        os.close(descriptor)


class SyncedLog:
    """Knows, as long as the block lasts, what of the log in a folder would be there after a power loss."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._synced: dict[str, int] = {}
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> Self:
        for owner, name in ((segment_chain, "_sync_data"), (os, "fsync")):
            self._patch.setattr(owner, name, self._noting(getattr(owner, name)))
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    def _noting(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        def noting(descriptor: int) -> None:
            sync(descriptor)
            self._synced[Path(f"/proc/self/fd/{descriptor}").readlink().name] = os.fstat(descriptor).st_size

        return noting

    def copy_to(self, folder: Path) -> None:
        """Make a folder with the log as the disk has it now."""
        folder.mkdir()
        for path in self._folder.iterdir():
            size = self._synced.get(path.name, 0) if path.suffix == SUFFIX else None
            (folder / path.name).write_bytes(path.read_bytes()[:size])
