"""Reading whole files: what holds whatever the text is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonechat.datafile.instructions import IGNORED_IN_PIPES, INSTRUCTIONS, KNOWN, FileKind
from stonechat.datafile.problems import MAXIMUM_PROBLEMS, InvalidDatafile
from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import Connection, DataSource, NodeType, Pipe
from stonechat.datafile.scanner import source_lines
from stonechat.errors import Kind, Position

CORPUS = Path(__file__).parent / "corpus"
EXTENSIONS = ("datasource", "pipe", "connection")


def test_name_is_the_stem_and_kind_the_extension() -> None:
    source = read_datafile("deep/down/events.datasource", "SCHEMA >\n    a Int32\n")
    assert isinstance(source, DataSource)
    assert (source.name, source.position) == ("events", Position("deep/down/events.datasource", 1, 1))


@pytest.mark.parametrize("path", ["messages.sql", "messages", ".pipe", "x.PIPE"])
def test_other_extensions_are_refused(path: str) -> None:
    with pytest.raises(InvalidDatafile, match="is no datafile"):
        read_datafile(path, "SCHEMA >\n    a Int32\n")


def test_pipe_output_is_its_typed_node() -> None:
    pipe = read_datafile("two_nodes.pipe", (CORPUS / "two_nodes.pipe").read_text())
    assert isinstance(pipe, Pipe)
    assert (pipe.output.name, pipe.output.type) == ("second", NodeType.ENDPOINT)


def test_secrets_stay_in_values_as_text() -> None:
    connection = read_datafile("c.connection", "TYPE s3\nS3_REGION eu\nS3_ARN {{ tb_secret('ARN') }}\n")
    assert isinstance(connection, Connection)
    assert connection.settings == {"s3_region": "eu", "s3_arn": "{{ tb_secret('ARN') }}"}


def test_layout_does_not_change_what_a_file_says() -> None:
    tidy = "DESCRIPTION x\nSCHEMA >\n    a Int32,\n    b String\nENGINE MergeTree\nENGINE_SORTING_KEY a\n"
    wild = '\ufeff# hello\r\nengine "mergetree"\r\nschema >\r\n\tb1 Int8\r\n'.replace("b1 Int8", "`a` INT , b text,")
    wild += "Sorting_Key \"a\" # key\r\ndescription 'x'\r\n"
    assert read_datafile("a.datasource", tidy) == read_datafile("a.datasource", wild)


def test_problems_come_all_at_once_in_the_order_of_the_file() -> None:
    text = "BACKFILL x\nSCHEMA >\n    a Strin,\n    b Boolean\nENGINE Log\nTOKEN t\n"
    with pytest.raises(InvalidDatafile) as caught:
        read_datafile("a.datasource", text)
    error = caught.value
    assert [(p.place.line, p.place.column) for p in error.problems] == [(1, 10), (3, 7), (4, 7), (5, 8), (6, 1)]
    assert error.message == "Invalid value 'x' for BACKFILL (and 4 more problems)"
    assert (error.kind, error.position, error.hint) == (Kind.INVALID, Position("a.datasource", 1, 10), "Use skip")


def test_a_file_reports_a_bounded_number_of_problems() -> None:
    with pytest.raises(InvalidDatafile) as caught:
        read_datafile("a.pipe", "nonsense\n" * 10_000)
    assert len(caught.value.problems) == MAXIMUM_PROBLEMS


def test_excerpt_of_a_long_line_is_short() -> None:
    with pytest.raises(InvalidDatafile) as caught:
        read_datafile("a.datasource", f"SCHEMA {'a' * 100_000} Strin, b Int32")
    excerpt = caught.value.problems[0].excerpt
    shown, caret = excerpt.split("\n")
    assert len(excerpt) < 500
    assert shown[caret.index("^") :].startswith("Strin")


@pytest.mark.parametrize("command", sorted(KNOWN))
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_every_instruction_is_read_or_refused_alone(command: str, extension: str) -> None:
    for text in (command, f"{command} x", f"{command} >\n    x", f"{command} {{{{ tb_secret('x') }}}}"):
        _reads_or_refuses(f"a.{extension}", text)


def test_each_kind_of_file_refuses_the_instructions_of_others() -> None:
    for kind, own in INSTRUCTIONS.items():
        taken = own | {"NODE"} | (set(IGNORED_IN_PIPES) if kind is FileKind.PIPE else set())
        for command in set().union(*INSTRUCTIONS.values()) - taken:
            with pytest.raises(InvalidDatafile) as caught:
                read_datafile(f"a.{kind.value}", f"{command} x")
            assert f"{command} is not a valid option in {kind.value} files." in [
                p.message for p in caught.value.problems
            ]


_MARKS = """ |\n|\n    |\r\n|\t| >\n    |'|"|`|(|)|[|,|{{|}}|#|--|/*|*/|%|=|\ufeff|\0|ñ"""
_WORDS = "`json:$.a`|`a` |Int32|Array(|DEFAULT|CODEC(|NOT NULL|tb_secret('a')|kafka|endpoint|copy|sink|SELECT 1|tuple()"
_FRAGMENTS = st.sampled_from([*sorted(KNOWN), *_MARKS.split("|"), *_WORDS.split("|")])
_TEXTS = st.one_of(st.text(max_size=200), st.lists(_FRAGMENTS, max_size=40).map("".join))


@given(st.sampled_from(EXTENSIONS), _TEXTS)
def test_no_text_crashes_the_reader(extension: str, text: str) -> None:
    _reads_or_refuses(f"a.{extension}", text)


@given(st.sampled_from([path for path in sorted(CORPUS.iterdir()) if path.suffix != ".expected"]), st.data())
def test_no_damage_to_a_file_crashes_the_reader(path: Path, data: st.DataObject) -> None:
    text = path.read_bytes().decode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 10, len(text))))
    _reads_or_refuses(path.name, text[:start] + data.draw(_FRAGMENTS) + text[end:])


_LARGE: dict[str, Callable[[int], str]] = {
    "columns": lambda n: (
        "SCHEMA >\n" + "".join(f"    c{i} Nullable(String) `json:$.c{i}` DEFAULT NULL,\n" for i in range(n))
    ),
    "tabs": lambda n: "DESCRIPTION >\n" + "\t" * n * 20,
    "words": lambda n: "TAGS " + "a " * n * 10,
    "quotes": lambda n: "TAGS " + "a'b \"" * n * 4,
    "braces": lambda n: "KAFKA_TOPIC " + "{{ " * n * 8,
    "parentheses": lambda n: "SCHEMA a DEFAULT " + "(" * n * 8,
    "comments": lambda n: "SCHEMA >\n" + "/* " * n * 8,
    "text": lambda n: "SCHEMA a DEFAULT " + "'" * (n * 8 + 1),
    "type": lambda n: "SCHEMA a " + "Array(" * n * 4 + "String" + ")" * n * 4,
    "white space in a type": lambda n: "SCHEMA a Array(" + " " * n * 20 + "String" + " " * n * 20 + ")",
    "blank lines": lambda n: "SCHEMA >\n" + "\n" * n * 20 + " a Int32" + "\n" * n * 20,
    "instructions": lambda n: "TAGS a\n" * n * 3,
    "tokens": lambda n: "TOKEN a READ\n" * n * 2,
    "indexes": lambda n: "SCHEMA a Int32\nINDEXES >\n" + "".join(f"    i{i} a TYPE minmax\n" for i in range(n)),
    "key": lambda n: "SCHEMA a Int32\nENGINE_SORTING_KEY " + "a, " * n * 2 + "a",
}


@pytest.mark.parametrize("make", _LARGE.values(), ids=_LARGE)
def test_time_grows_with_the_size_of_the_file(make: Callable[[int], str]) -> None:
    for _ in range(3):  # a machine that is busy with something else may spoil one try
        small, large = (_seconds(make(size)) for size in (500, 5000))
        if large < 30 * small + 0.05:
            return
    pytest.fail(f"{large} s for ten times of what takes {small} s")


def _seconds(text: str) -> float:
    start = time.process_time()
    _reads_or_refuses("a.datasource", text)
    return time.process_time() - start


def _reads_or_refuses(path: str, text: str) -> None:
    lines = source_lines(text)
    try:
        read_datafile(path, text)
    except InvalidDatafile as error:
        for problem in error.problems:
            assert 1 <= problem.place.line <= len(lines)
            assert 1 <= problem.place.column <= len(lines[problem.place.line - 1]) + 1
