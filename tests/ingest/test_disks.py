"""Disks of tests: none is left behind, for the next run could not remove the folder that it is mounted in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.ingest.disks import Ext4


def test_a_disk_is_gone_after_a_failure_that_leaves_a_file_open(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    disk = Ext4(tmp_path / "image", 20)
    with pytest.raises(ZeroDivisionError), disk.mounted(folder):
        file = (folder / "open").open("wb")
        raise ZeroDivisionError
    assert not folder.is_mount()
    file.close()


def test_a_file_that_is_open_at_the_end_is_a_failure(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    disk = Ext4(tmp_path / "image", 20)
    with pytest.raises(subprocess.CalledProcessError), disk.mounted(folder):
        file = (folder / "open").open("wb")
    assert not folder.is_mount()
    file.close()
