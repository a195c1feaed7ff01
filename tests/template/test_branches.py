"""Every branch of a template is in one of its texts, in its place."""

from __future__ import annotations

import pytest

from stonechat.template.branches import MOST_TEXTS, branch_texts
from stonechat.template.render import Template


@pytest.mark.parametrize(
    ("sql", "texts"),
    [
        ("SELECT 1", []),
        ("% SELECT {{ x }} FROM t", []),
        ("%FROM {% if x %}a{% elif y %}b{% else %}c{% end %} e", ["FROM a e", "FROM b e", "FROM c e"]),
        ("%{% if x %}a{% end %}-{% if y %}b{% else %}c{% end %}", ["a-b", "-c"]),
        ("%{% if x %}{% if y %}a{% else %}b{% end %}{% else %}c{% end %}", ["a", "b", "c"]),
        ("%{% for i in x %}a{{ i }}{% if i %}b{% end %}{% end %}c", ["a bc", "a c"]),
        ("%{% try %}a{% except %}b{% finally %}c{% end %}{# d #}{% set e = 1 %}", ["ac ", "bc "]),
    ],
)
def test_texts_hold_each_branch_once(sql: str, texts: list[str]) -> None:
    assert list(branch_texts(Template.compile(sql, name="node"))) == texts


def test_more_branches_than_anybody_writes_make_no_more_texts() -> None:
    sql = "%" + "x" * 10_000 + "{% if a %}b" + "{% elif a %}c" * 5_000 + "{% end %}"
    assert len(branch_texts(Template.compile(sql, name="node"))) == MOST_TEXTS
