"""The compiled half is made where it can be, and never stands in for other sources than its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stonechat.ingest.bulk import compiling
from stonechat.ingest.bulk.compiling import COMPILERS, CompilationFailed, compile_library, library_path
from stonechat.ingest.bulk.library import compiled_library


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "native"
    shutil.copytree(compiling.SOURCES, copy, ignore=shutil.ignore_patterns("*.so"))
    monkeypatch.setattr(compiling, "SOURCES", copy)
    return copy


_HAS_COMPILER = any(map(shutil.which, COMPILERS))


@pytest.mark.skipif(not _HAS_COMPILER, reason="there is no C compiler")
def test_where_there_is_a_compiler_the_installation_has_compiled() -> None:
    assert compiled_library() is not None


@pytest.mark.skipif(not _HAS_COMPILER, reason="there is no C compiler")
def test_a_change_of_the_sources_makes_another_library_and_removes_the_old_one(sources: Path) -> None:
    before = compile_library()
    assert compile_library() == before
    with (sources / "output.c").open("a") as file:
        file.write("/* changed */\n")
    assert library_path() != before
    assert [compile_library()] == list(sources.glob("*.so")) != [before]


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_a_compiler_that_fails_leaves_nothing_behind(
    sources: Path, monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    monkeypatch.setenv("CC", compiler)
    with pytest.raises(CompilationFailed):
        compile_library()
    assert not [path for path in sources.iterdir() if path.suffix not in {".c", ".h"}]


def test_without_a_compiler_that_is_told(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(sources))
    with pytest.raises(CompilationFailed, match="there is no C compiler"):
        compile_library()
