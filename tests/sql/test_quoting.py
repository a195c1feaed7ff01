from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stonechat.sql.quoting import (
    identifier,
    literal,
    parameter_text,
    parameter_value,
    template_identifier,
    template_string,
    template_word,
)

Ask = Callable[..., dict[str, Any]]

SPECIAL = "\\'\"`%\0\b\t\n\r\x1a\x0b\x0c{}$?/*-_ à€𐍈"
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(SPECIAL)
against_the_engine = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip


@given(TEXT)
@example(SPECIAL)
@example("\\t\\\\n\t")
def test_the_text_of_a_parameter_gives_its_value(text: str) -> None:
    assert parameter_value(parameter_text(text)) == text


@against_the_engine
@given(TEXT)
@example(SPECIAL)
@example("' OR 1 = 1 --")
def test_the_engine_reads_back_any_literal(ask: Ask, text: str) -> None:
    assert ask(f"SELECT {literal(text)} AS text")["text"] == text


@against_the_engine
@given(TEXT.filter(bool))
@example(SPECIAL)
def test_the_engine_reads_back_any_identifier(ask: Ask, text: str) -> None:
    assert ask(f"SELECT 1 AS {identifier(text)}") == {text: 1}


@against_the_engine
@given(TEXT)
@example(SPECIAL)
@example("\\N")
def test_the_engine_reads_back_any_bound_text(ask: Ask, text: str) -> None:
    assert ask("SELECT {text:String} AS text", text=parameter_text(text))["text"] == text


@against_the_engine
@given(st.lists(TEXT))
@example([SPECIAL, "", "NULL"])
def test_the_engine_reads_back_any_bound_list_of_texts(ask: Ask, texts: list[str]) -> None:
    assert ask("SELECT {texts:Array(String)} AS texts", texts=parameter_text(texts))["texts"] == texts


@against_the_engine
@given(TEXT)
@example(SPECIAL)
def test_the_engine_reads_back_template_text_with_escapes_it_does_not_know(ask: Ask, text: str) -> None:
    kept = text.replace("%", "\\%").replace("\x1a", "\\z")
    assert ask(f"SELECT {template_string(text)} AS text")["text"] == kept


@against_the_engine
@given(TEXT, TEXT)
@example(SPECIAL, SPECIAL)
def test_template_text_stays_one_literal_whatever_is_unescaped(ask: Ask, text: str, unescaped: str) -> None:
    assert list(ask(f"SELECT {template_string(text, unescaped)} AS text")) == ["text"]
    assert ask(f"SELECT {template_string(text, '%' + chr(26))} AS text")["text"] == text


@against_the_engine
@given(TEXT)
@example(SPECIAL)
def test_the_engine_reads_a_template_identifier_as_one_name(ask: Ask, text: str) -> None:
    name = text.replace('"', "").replace("%", "\\%").replace("\x1a", "\\z")
    if name:
        assert ask(f"SELECT 1 AS {template_identifier(text)}") == {name: 1}


@against_the_engine
@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.none()))
def test_the_engine_reads_back_bound_numbers_and_null(ask: Ask, numbers: list[int | None]) -> None:
    answer = ask("SELECT {numbers:Array(Nullable(Int64))} AS numbers", numbers=parameter_text(numbers))
    assert answer["numbers"] == numbers


def test_a_bound_none_is_null(ask: Ask) -> None:
    assert ask("SELECT {value:Nullable(String)} AS value", value=parameter_text(None)) == {"value": None}


def test_scalars_and_nested_lists_can_be_bound(ask: Ask) -> None:
    assert ask("SELECT {yes:Bool} AS yes", yes=parameter_text(True)) == {"yes": True}
    assert ask("SELECT {half:Float64} AS half", half=parameter_text(0.5)) == {"half": 0.5}
    nested = [["'", "\\"], []]
    assert ask("SELECT {nested:Array(Array(String))} AS nested", nested=parameter_text(nested)) == {"nested": nested}


@pytest.mark.parametrize("value", [b"bytes", object(), {"a": 1}, [b"bytes"]])
def test_what_has_no_text_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="can be bound"):
        parameter_text(value)


def test_template_text_is_escaped_as_pipes_expect() -> None:
    assert template_string('it\'s 100% "a\\b" `c`\n') == r"""'it\'s 100\% \"a\\b\" \`c\`\n'"""
    assert template_string("\0\r\b\t\x1a") == r"'\0\r\b\t\z'"
    assert template_identifier('a"b`c') == r"`ab\`c`"


@pytest.mark.parametrize("text", ["'", '"', "\\", "\0"])
def test_quotes_and_backslash_are_escaped_even_when_asked_not_to(text: str) -> None:
    assert template_string(text, text) == template_string(text)


def test_only_plain_words_are_printed_bare() -> None:
    assert template_word("events_2") == "events_2"
    assert template_word("db.events") == "`db.events`"
    assert template_word("(SELECT 1)") == "`(SELECT 1)`"
    assert template_word("2events") == "`2events`"
    assert template_word("events\n") == r"`events\n`"
    assert template_word("") == "``"


def test_lone_surrogates_become_question_marks() -> None:
    assert literal("a\ud800") == "'a?'"
    assert template_string("a\ud800") == "'a?'"
    assert parameter_text("a\ud800") == "a?"
