"""Every relative link of every page leads to a file, and every anchor to a heading."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from tests.docs.markdown import DOCS, Page, pages


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_relative_link_and_anchor_resolves(page: Page) -> None:
    broken = [link for link in page.links if not _is_elsewhere(link) and not _resolves(page, link)]
    assert broken == []


def test_every_page_of_the_documentation_is_reachable_from_the_readme() -> None:
    by_path = {page.path.resolve(): page for page in pages()}
    readme = by_path[(DOCS.parent / "README.md").resolve()]
    reached, todo = {readme.path.resolve()}, [readme]
    while todo:
        page = todo.pop()
        for link in page.links:
            target = (page.path.parent / unquote(link.partition("#")[0])).resolve()
            if not _is_elsewhere(link) and target in by_path and target not in reached:
                reached.add(target)
                todo.append(by_path[target])
    unreached = {page.name for path, page in by_path.items() if path.is_relative_to(DOCS) and path not in reached}
    assert unreached == set()


def _is_elsewhere(link: str) -> bool:
    return link.startswith(("http://", "https://", "mailto:"))


def _resolves(page: Page, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = (page.path.parent / unquote(file)).resolve() if file else page.path
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in {heading.anchor for heading in Page(target).headings}
