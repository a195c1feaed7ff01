"""A folder is read by extension, in a stable order, and refused with the file's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from stonechat.project.loader import UnreadableProject, load_folder, project_folder


def _write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"DESCRIPTION {name}\n")


def test_datafiles_are_found_by_extension_in_any_folder(tmp_path: Path) -> None:
    _write(tmp_path, "endpoints/b.pipe", "a.datasource", "x/y/k.connection", "README.md", "fixtures/a.ndjson")
    assert list(load_folder(tmp_path)) == ["a.datasource", "endpoints/b.pipe", "x/y/k.connection"]


def test_hidden_foreign_and_deep_folders_are_left_out(tmp_path: Path) -> None:
    _write(tmp_path, ".git/a.pipe", "node_modules/b.pipe", "1/2/3/c.pipe", "1/2/3/4/d.pipe", ".e.pipe")
    assert list(load_folder(tmp_path)) == ["1/2/3/c.pipe"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableProject, match="no project folder"):
        load_folder(tmp_path / "none")


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.pipe").write_bytes(b"DESCRIPTION\nNODE \xff\n")
    with pytest.raises(UnreadableProject, match=r"a\.pipe is not UTF-8: line 2 has the byte 0xff"):
        load_folder(tmp_path)


def test_a_dangling_link_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.pipe").symlink_to(tmp_path / "gone.pipe")
    with pytest.raises(UnreadableProject, match=r"a\.pipe"):
        load_folder(tmp_path)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pipe").write_bytes(b" " * 1_000_001)
    with pytest.raises(UnreadableProject, match="larger than"):
        load_folder(tmp_path)


def test_a_configuration_file_names_the_folder_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "deep" / "analytics").mkdir(parents=True)
    (tmp_path / "tinybird.config.json").write_text('{"dev_mode": "local", "folder": "deep/analytics"}')
    assert project_folder(tmp_path) == tmp_path / "deep" / "analytics"
    assert project_folder(tmp_path / "deep") == tmp_path / "deep"


@pytest.mark.parametrize("text", ['{"folder": "gone"}', '{"folder": ".."}', '{"folder": "/"}', '{"folder": 1}', "[]"])
def test_a_folder_that_is_not_inside_counts_for_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "tinybird.config.json").write_text(text)
    assert project_folder(tmp_path) == tmp_path


def test_a_configuration_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tinybird.config.json").write_text("{folder: x}")
    with pytest.raises(UnreadableProject, match="is no JSON"):
        project_folder(tmp_path)
