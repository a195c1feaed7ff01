"""The one layout of datafiles: each file of the corpus as its `.formatted` file, and what holds for every file.

A new case is a new datafile; STONECHAT_REWRITE_EXPECTED=1 has its formatted text written, to be read before it is kept.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonechat.datafile.formatting import formatted
from stonechat.datafile.problems import InvalidDatafile
from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import DataSource, Pipe

HERE = Path(__file__).parent
SUFFIXES = {".datasource", ".pipe", ".connection"}
CASES = sorted(path for path in (HERE / "formatting").iterdir() if path.suffix in SUFFIXES)
STARTERS = Path(__file__).parents[2] / "src" / "stonechat" / "starters"


def _is_valid(path: Path) -> bool:
    try:
        read_datafile(path.name, path.read_bytes().decode())
    except InvalidDatafile:
        return False
    return True


VALID = [path for path in [*sorted((HERE / "corpus").iterdir()), *CASES] if path.suffix in SUFFIXES and _is_valid(path)]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_a_file_is_formatted_as_expected(path: Path) -> None:
    result = formatted(path.name, path.read_bytes().decode())
    expected = path.with_name(path.name + ".formatted")
    if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
        expected.write_bytes(result.encode())
    assert result == expected.read_bytes().decode()


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.name)
def test_a_formatted_file_says_the_same_and_stays_as_it_is(path: Path) -> None:
    _assert_sound(path.name, path.read_bytes().decode())


@pytest.mark.parametrize("path", sorted(STARTERS.rglob("*.datasource")) + sorted(STARTERS.rglob("*.pipe")), ids=str)
def test_the_starters_have_the_layout(path: Path) -> None:
    assert formatted(path.name, path.read_text()) == path.read_text()


def test_a_file_with_problems_is_not_formatted() -> None:
    with pytest.raises(InvalidDatafile, match="SCHEMA is mandatory"):
        formatted("a.datasource", "ENGINE MergeTree\n")


def _assert_sound(path: str, text: str) -> None:
    result = formatted(path, text)
    assert read_datafile(path, result) == read_datafile(path, text)
    assert formatted(path, result) == result
    marks = re.findall(r"mark\d+", text)
    assert sorted(re.findall(r"mark\d+", result)) == sorted(marks)


_blanks = st.sampled_from(["", " ", "  ", "\t"])
_gaps = st.sampled_from([" ", "  ", "\t"])
_names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
_odd_names = st.one_of(
    _names, st.from_regex(r"`[a-z0-9:(),;#'-]{1,8}`", fullmatch=True), st.sampled_from(["a.b", "x'y"])
)
_types = st.sampled_from(
    ["String", "text", "Nullable(Int32)", "Array( String )", "DateTime64(3,'UTC')", "Enum8('a, b'=1,'--'=2)", "Int8"]
)
_defaults = st.sampled_from(["1", "'--'", "'a, `b`'", "if(1,\n2, 3)", "NULL", "[1, 2]", "now()", "'it''s'"])
_comments = st.sampled_from(["", "", "-- mark{}\n", "/* mark{} */", "\n-- mark{}, (\n", "\n/* mark{}\n , ' */\n", "\n"])


@st.composite
def _columns(draw: st.DrawFn) -> str:
    columns = []
    for name in draw(st.lists(_odd_names, min_size=1, max_size=4, unique_by=lambda name: name.strip("`"))):
        clauses = [draw(st.sampled_from(["`json:$.a--b`", "`json:$.x[:]`"]))] if draw(st.booleans()) else []
        clauses += [f"DEFAULT {draw(_defaults)}"] if draw(st.booleans()) else []
        clauses = draw(st.permutations(clauses))
        clauses += [f"CODEC({draw(st.sampled_from(['ZSTD(1)', 'Delta, LZ4']))})"] if draw(st.booleans()) else []
        columns.append(draw(_comments).join([f"{name} {draw(_types)} ", *(f" {clause} " for clause in clauses), ""]))
    return f"{draw(_comments)},{draw(_comments)}".join([draw(_comments) + columns[0], *columns[1:]]) + draw(_comments)


@st.composite
def _datasource(draw: st.DrawFn) -> str:
    schema = "\n".join(draw(_blanks) + " " + line for line in draw(_columns()).split("\n"))
    lines = draw(
        st.permutations(
            [
                f"{draw(_blanks)}# mark{{}}",
                f"TOKEN{draw(_gaps)}'{draw(_names)}'{draw(_gaps)}read # mark{{}}",
                f"{draw(st.sampled_from(['tags', 'TAGS']))}{draw(_gaps)}{draw(_names)},  {draw(_names)}",
                "DESCRIPTION >\n" + draw(_text()),
                "",
            ]
        )
    )
    end = draw(st.sampled_from(["", "\nengine  mergetree # mark{}\n  # mark{}\n\n\n"]))
    return _numbered("\n".join([*lines, f"schema >{draw(st.sampled_from(['', ' # mark{}']))}\n{schema}{end}"]))


@st.composite
def _text(draw: st.DrawFn) -> str:
    """Lines of a block: no line without indentation, where an instruction would end it."""
    words = st.text(st.characters(codec="utf-8", exclude_characters="\r\n{}", exclude_categories=["Cs"]), max_size=12)
    lines = draw(st.lists(words, min_size=1, max_size=4))
    return "\n".join(f" {draw(_blanks)}{line}" for line in [*lines, "x"])


@st.composite
def _pipe(draw: st.DrawFn) -> str:
    parts: list[str] = ["# mark{}"]
    for name in draw(st.lists(_names, min_size=1, max_size=3, unique=True)):
        described = f"{draw(_blanks)}DESCRIPTION >\n{draw(_text())}\n"
        parts.append(f"Node{draw(_gaps)}n_{name}{draw(_gaps)}# mark{{}}\n{described if draw(st.booleans()) else ''}")
        parts.append(f"sql >\n{draw(_text())}\n")
    return _numbered("\n".join(parts))


def _numbered(text: str) -> str:
    first, *pieces = text.split("mark{}")
    return first + "".join(f"mark{number}{piece}" for number, piece in enumerate(pieces))


@given(_datasource())
def test_any_data_source_says_the_same_when_formatted(text: str) -> None:
    assert isinstance(read_datafile("a.datasource", text), DataSource)
    _assert_sound("a.datasource", text)


@given(_pipe())
def test_any_pipe_says_the_same_when_formatted(text: str) -> None:
    assert isinstance(read_datafile("a.pipe", text), Pipe)
    _assert_sound("a.pipe", text)
