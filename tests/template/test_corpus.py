"""Each file of `corpus/` is a template with the calls that render it, or with the reason why it is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stonechat.template.errors import TemplateError
from stonechat.template.render import Template

CASES = sorted((Path(__file__).parent / "corpus").glob("*.yaml"))
BY_NAME = [pytest.param(yaml.safe_load(case.read_text("utf-8")), id=case.stem) for case in CASES]
RENDERED = [param for param in BY_NAME if "calls" in param.values[0]]  # type: ignore[operator]
REFUSED = [param for param in BY_NAME if "calls" not in param.values[0]]  # type: ignore[operator]


@pytest.mark.parametrize("case", RENDERED)
def test_a_template_renders_as_its_file_says(case: dict[str, Any]) -> None:
    template = Template.compile(case["template"], name="node")
    for call in case["calls"]:
        if "error" in call:
            _assert_fails(template, call)
        else:
            _assert_renders(template, call)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_template_is_refused_as_its_file_says(case: dict[str, Any]) -> None:
    with pytest.raises(TemplateError) as failure:
        Template.compile(case["template"], name="node")
    assert failure.value.message == case["error"]
    assert (failure.value.line, failure.value.code) == (case["line"], case["code"])
    assert failure.value.hint == case.get("hint", failure.value.hint)


def _assert_renders(template: Template, call: dict[str, Any]) -> None:
    rendered = template.render(call["parameters"], secrets=call.get("secrets", {}))
    assert rendered.sql.strip() == call["sql"].strip()
    assert rendered.bound == call.get("bound", {})
    assert rendered.settings == call.get("settings", {})
    assert rendered.cache_ttl == call.get("cache_ttl")


def _assert_fails(template: Template, call: dict[str, Any]) -> None:
    with pytest.raises(TemplateError) as failure:
        template.render(call["parameters"], secrets=call.get("secrets", {}))
    assert failure.value.message == call["error"]
    assert failure.value.line == call.get("line", failure.value.line) >= 1
    assert failure.value.code == call.get("code", failure.value.code)
    assert failure.value.template == "node"
