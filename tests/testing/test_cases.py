"""Files of tests are read with the place of everything that is wrong with them.

`corpus/NAME.yaml` is a file of tests; `NAME.expected` beside it holds its cases, or its problems as a person sees them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stonechat.datafile.problems import InvalidDatafile
from stonechat.testing.cases import InvalidTests, UnknownTest, project_tests, read_cases

_CORPUS = Path(__file__).parent / "corpus"


def _reading(path: Path) -> str:
    try:
        file = read_cases(path.name, path.read_text(encoding="utf-8"))
    except InvalidDatafile as error:
        return "\n".join(problem.explanation() for problem in error.problems) + "\n"
    lines = [f"{case.position} {case.name} {case.parameters!r} {case.status} {case.expected!r}" for case in file.cases]
    lines += [f"note {notice.position} {notice.message}" for notice in file.notices]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("path", sorted(_CORPUS.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_file_of_the_corpus_reads_as_expected(path: Path) -> None:
    expected = path.with_suffix(".expected")
    if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
        expected.write_text(_reading(path), encoding="utf-8")
    assert _reading(path) == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["[" * 5000, "- " * 5000 + "x"])
def test_deep_nesting_is_a_problem_and_no_crash(text: str) -> None:
    with pytest.raises(InvalidDatafile):
        read_cases("deep.yaml", text)


def test_aliases_of_aliases_do_not_grow() -> None:
    levels = "".join(f"  k{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    (case,) = read_cases("bomb.yaml", f"- name: bomb\n  k0: &a0 [x]\n{levels}").cases
    assert case.name == "bomb"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    for name in ("a.yaml", "b.yml", "conftest.py"):
        (tmp_path / "tests" / name).write_text("- name: one\n- name: two\n")
    return tmp_path


def test_the_tests_of_a_folder_are_found_and_chosen_by_name(folder: Path) -> None:
    def chosen(*names: str) -> list[tuple[str, list[str]]]:
        return [(file.pipe, [case.name for case in file.cases]) for file in project_tests(folder, names)]

    both = ["one", "two"]
    assert chosen() == [("a", both), ("b", both)]
    assert chosen("b") == chosen("tests/b.yml") == chosen("b.yml") == [("b", both)]
    assert chosen("a::two", "b::one") == [("a", ["two"]), ("b", ["one"])]
    assert chosen("a::two", "a") == [("a", both)]


@pytest.mark.parametrize("name", ["c", "a::three", "tests/c.yaml"])
def test_a_test_that_is_not_there_is_named(folder: Path, name: str) -> None:
    with pytest.raises(UnknownTest, match="There is no"):
        project_tests(folder, [name])


def test_the_problems_of_all_files_come_at_once(folder: Path) -> None:
    for name in ("a.yaml", "b.yml"):
        (folder / "tests" / name).write_text("- nothing\n")
    with pytest.raises(InvalidTests) as caught:
        project_tests(folder)
    assert [str(problem.position) for problem in caught.value.problems] == ["tests/a.yaml:1:3", "tests/b.yml:1:3"]
