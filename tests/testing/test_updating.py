"""Expected results are replaced in place: what else a file says, its comments and its layout stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonechat.testing.cases import read_cases
from stonechat.testing.updating import Answered, UpdateImpossible, updated

_BEFORE = """# The tests of top.
- name: rows        # of the fixture
  expected_result: |  # as NDJSON
    {"a":1}


# Failing calls
- name: failing
  expected_result: "old"
  expected_http_status: 404
  description: 'why'
- name: ok_again
  expected_http_status: 400
  expected_result: >-
    Folded
    text

- {name: flow, expected_result: x, parameters: "a=1"}
-   name: new
    parameters: a=1   # a comment

- name: untouched
  expected_result:    'as   it is'
"""
_AFTER = """# The tests of top.
- name: rows        # of the fixture
  expected_result: |  # as NDJSON
    {"a":1}
    {"a":2}


# Failing calls
- name: failing
  expected_result: "no \\"such\\" thing"
  expected_http_status: 400
  description: 'why'
- name: ok_again
  expected_result: ""

- {name: flow, expected_http_status: 400, expected_result: "[1]\\n", parameters: "a=1"}
-   name: new
    parameters: a=1   # a comment
    expected_result: |
      {"a":"é"}

- name: untouched
  expected_result:    'as   it is'
"""
_ANSWERS = {
    "rows": Answered('{"a":1}\n{"a":2}\n'),
    "failing": Answered('no "such" thing', 400),
    "ok_again": Answered(""),
    "flow": Answered("[1]\n", 400),
    "new": Answered('{"a":"é"}\n'),
    "untouched": Answered("as   it is"),
}


def test_answers_take_the_places_of_what_was_expected() -> None:
    assert updated(read_cases("t.yaml", _BEFORE), _ANSWERS) == _AFTER


def test_line_ends_of_windows_stay() -> None:
    before, after = (text.replace("\n", "\r\n") for text in (_BEFORE, _AFTER))
    assert updated(read_cases("t.yaml", before), _ANSWERS) == after


def test_updating_twice_changes_nothing_more() -> None:
    assert updated(read_cases("t.yaml", _AFTER), _ANSWERS) == _AFTER


@pytest.mark.parametrize("text", ["- name: a", "- name: a\n  expected_result:", "- name: a\n  expected_result: |"])
def test_a_file_may_end_anywhere(text: str) -> None:
    file = read_cases("t.yaml", updated(read_cases("t.yaml", text), {"a": Answered("1\n2\n", 400)}))
    assert [(case.expected, case.status) for case in file.cases] == [("1\n2\n", 400)]


def test_a_value_that_tests_share_is_not_replaced() -> None:
    text = "- name: a\n  expected_result: &x one\n- name: b\n  expected_result: *x\n"
    with pytest.raises(UpdateImpossible, match=r"t\.yaml"):
        updated(read_cases("t.yaml", text), {"b": Answered("two")})


def test_a_status_that_shares_its_line_becomes_that_of_success() -> None:
    text = "- expected_http_status: 400\n  name: a\n"
    assert updated(read_cases("t.yaml", text), {"a": Answered("")}).startswith("- expected_http_status: 200\n")


_TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.text("ab\n \t#:|>-'\"\\é\r\x85\ufeff", max_size=12)


@given(st.lists(st.tuples(_TEXTS, st.none() | st.sampled_from([400, 403])), min_size=1, max_size=3), st.data())
def test_any_answer_is_read_back_as_it_was(answers: list[tuple[str, int | None]], data: st.DataObject) -> None:
    results = ["", "expected_result: a\n", "expected_result: |\n    a\n\n    b\n", "expected_result: 'c'  # note\n"]
    text = ""
    for number in range(len(answers)):
        before = data.draw(st.sampled_from(["", "  expected_http_status: 404\n"]))
        result = data.draw(st.sampled_from(results))
        text += f"- name: n{number}\n{before}" + (f"  {result}" if result else "")
    wanted = {f"n{number}": Answered(*answer) for number, answer in enumerate(answers)}
    file = read_cases("t.yaml", updated(read_cases("t.yaml", text), wanted))
    assert {case.name: Answered(case.expected or "", case.status) for case in file.cases} == {
        name: Answered(answer.text, answer.status) for name, answer in wanted.items()
    }
