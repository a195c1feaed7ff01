"""Every file of the corpus reads as the `.expected` file beside it says.

A new case is a new datafile; STONECHAT_REWRITE_EXPECTED=1 has its expected text written, to be read before it is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

import pytest

from stonechat.datafile.problems import InvalidDatafile
from stonechat.datafile.reading import read_datafile
from stonechat.errors import Position
from stonechat.sql.types import DataType

CORPUS = Path(__file__).parent / "corpus"
CASES = sorted(path for path in CORPUS.iterdir() if path.suffix in {".datasource", ".pipe", ".connection"})


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_file_reads_as_expected(path: Path) -> None:
    outcome = _outcome(path.name, path.read_bytes().decode("utf-8"))
    expected = path.with_name(path.name + ".expected")
    if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
        expected.write_text(outcome, encoding="utf-8")
    assert outcome == expected.read_text(encoding="utf-8")


def test_no_expectation_outlives_its_file() -> None:
    assert [path.name for path in CORPUS.glob("*.expected") if not path.with_suffix("").exists()] == []


def _outcome(name: str, text: str) -> str:
    try:
        resource = read_datafile(name, text)
    except InvalidDatafile as error:
        return "\n\n".join(problem.explanation() for problem in error.problems) + "\n"
    return "\n".join(_dump(resource)) + "\n"


def _dump(value: object, indent: str = "") -> Iterator[str]:
    """A dataclass as lines of `name value`, leaving out what is empty or absent."""
    position = getattr(value, "position", None)
    yield f"{indent}{type(value).__name__}{_at(position)}"
    assert is_dataclass(value)
    for item in fields(value):
        content = getattr(value, item.name)
        if item.name == "position" or content in (None, "", (), {}, 0):
            continue
        if isinstance(content, tuple) and is_dataclass(content[0]):
            for entry in content:
                yield from _dump(entry, indent + "  ")
        elif is_dataclass(content) and not isinstance(content, Position | DataType):
            yield from _dump(content, indent + "  ")
        else:
            yield from _line(item.name, content, indent + "  ")


def _line(name: str, content: object, indent: str) -> Iterator[str]:
    match content:
        case str() if "\n" in content:
            yield f"{indent}{name}"
            yield from (f"{indent}  |{line}" for line in content.split("\n"))
        case Mapping():
            yield from (f"{indent}{name}.{key} {value!r}" for key, value in content.items())
        case Position():
            yield f"{indent}{name}{_at(content)}"
        case Enum():
            yield f"{indent}{name} {content.value}"
        case _:
            yield f"{indent}{name} {content}"


def _at(position: Position | None) -> str:
    return f" @{position.line}:{position.column}" if position else ""
