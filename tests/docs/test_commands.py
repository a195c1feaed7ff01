"""What the pages tell to type works, and prints what they show."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.commands import NOT_RUN, Reader, assert_shown
from tests.docs.markdown import DOCS, Block, Page, pages

_EXECUTED = [page for page in pages() if page.path.is_relative_to(DOCS) or page.path.name == "README.md"]
_WITH_COMMANDS = [page for page in _EXECUTED if any(block.language == "bash" for block in page.blocks)]


@pytest.mark.parametrize("page", _WITH_COMMANDS, ids=lambda page: page.name)
def test_the_commands_of_a_page_work(page: Page, tmp_path: Path) -> None:
    Reader(tmp_path).follow(page)


@pytest.mark.parametrize("page", _EXECUTED, ids=lambda page: page.name)
def test_a_block_that_does_not_run_says_why(page: Page) -> None:
    for block in page.blocks:
        assert block.language not in {"", "sh", "shell", "console"}, f"{page.name}:{block.line} needs a language"
        if block.comment.startswith("not run"):
            assert len(block.comment) > len(NOT_RUN) + 10, f"{page.name}:{block.line} needs a reason"


@pytest.mark.parametrize(
    ("language", "shown", "printed"),
    [
        ("text", "a ... z", "first\na  b c z\nlast"),
        ("text", "1\t2", "1 2"),
        ("json", '{"a": [1, "..."]}', '{"a": [1, 2, 3]}'),
        ("json", '{"a": "...", "b": 1}', '{"b": 1, "a": {"c": 2}}'),
    ],
)
def test_output_that_agrees_is_accepted(language: str, shown: str, printed: str) -> None:
    assert_shown(Block(language, shown, 1, "", follows_block=True), printed, "page")


@pytest.mark.parametrize(
    ("language", "shown", "printed"),
    [
        ("text", "a b", "a c"),
        ("json", '{"a": 1}', '{"a": 1, "b": 2}'),
        ("json", "[1]", "[1, 2]"),
        ("json", "[1]", "[]"),
    ],
)
def test_output_that_differs_is_refused(language: str, shown: str, printed: str) -> None:
    with pytest.raises(AssertionError):
        assert_shown(Block(language, shown, 1, "", follows_block=True), printed, "page")
