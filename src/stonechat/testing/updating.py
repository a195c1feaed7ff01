"""Writing what calls really answered into a file of tests. Whatever else stands in it stays as it is, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import yaml

from stonechat.datafile.problems import InvalidDatafile
from stonechat.errors import Kind, StonechatError
from stonechat.testing.cases import Case, CaseFile, case_entries, read_cases

_HEADER = re.compile(r"[|>][-+0-9]*(?P<comment>[ \t]+#[^\r\n]*)?")
_BLANK_END = re.compile(r"(?:[ \t]*(?:\r\n|\n|\r))*[ \t]*\Z")
_STATUS = "expected_http_status"
_RESULT = "expected_result"


class UpdateImpossible(StonechatError):
    """A file of tests is written in a way that its expected results cannot be replaced in place."""

    code = "SC343"
    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Answered:
    """What a call answered: the text of its rows, or of its error with the status."""

    text: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a case is written: its line ends, whether it is in braces, and the column of its keys."""

    newline: str
    flow: bool
    column: int

    @property
    def separator(self) -> str:
        """What stands between two entries."""
        return ", " if self.flow else f"{self.newline}{' ' * self.column}"

    def scalar(self, value: str) -> str:
        """A text as YAML: rows as a block, everything else in double quotes."""
        if not self.flow and _fits_block(value):
            indent = " " * (self.column + 2)
            lines = value.removesuffix("\n").split("\n")
            mark = "|" if value.endswith("\n") else "|-"
            return self.newline.join([mark, *(f"{indent}{line}" if line else "" for line in lines)])
        quoted = yaml.safe_dump(value, default_style='"', width=2**31, allow_unicode=True)
        return str(quoted).removesuffix("\n").replace("\n", self.newline)


def updated(file: CaseFile, answers: Mapping[str, Answered]) -> str:
    """The file's text with the answers, by the names of cases, as what is expected.

    Raises `UpdateImpossible` where that cannot be done by replacing values, as with values that tests share.
    """
    newline = "\r\n" if "\r\n" in file.text else "\n"
    edits = [
        edit
        for case in file.cases
        if case.name in answers
        for edit in _edits(file.text, case, answers[case.name], newline)
    ]
    text = _applied(file.text, edits, newline)
    if not _holds(file, text, answers):
        raise UpdateImpossible(
            f"Cannot replace the expected results of {file.path} in place",
            hint="It may use anchors or merge keys: write the values out, or change them by hand.",
        )
    return text


def _holds(before: CaseFile, text: str, answers: Mapping[str, Answered]) -> bool:
    """Whether the text reads as the file before, but for the answers."""
    try:
        old, new = read_cases(before.path, before.text), read_cases(before.path, text)
    except InvalidDatafile:
        return False
    wanted = []
    for case in old.cases:
        answer = answers.get(case.name)
        expected = (case.expected, case.status) if answer is None else (answer.text, answer.status)
        wanted.append((case.name, case.parameters, *expected))
    return wanted == [(case.name, case.parameters, case.expected, case.status) for case in new.cases]


def _edits(text: str, case: Case, answer: Answered, newline: str) -> Iterator[_Edit]:
    entries = case_entries(case.node)
    place = _Layout(newline, bool(case.node.flow_style), case.node.value[0][0].start_mark.column)
    if _STATUS in entries and answer.status is None:
        yield _removal(text, *entries[_STATUS])
    elif _STATUS in entries and answer.status != case.status:
        yield _value_edit(text, entries[_STATUS][1], str(answer.status))
    status = [] if answer.status is None or _STATUS in entries else [f"{_STATUS}: {answer.status}"]
    written = place.scalar(answer.text)
    if _RESULT not in entries:
        yield _insertion(text, case.node, [*status, f"{_RESULT}: {written}"], place)
        return
    key, value = entries[_RESULT]
    if status:
        yield _Edit(key.start_mark.index, key.start_mark.index, status[0] + place.separator)
    if answer.text != case.expected:
        yield _value_edit(text, value, written)


def _value_edit(text: str, node: yaml.Node, written: str) -> _Edit:
    start, end = node.start_mark.index, node.end_mark.index
    comment = ""
    if getattr(node, "style", None) in {"|", ">"}:
        # The span of a block takes in the blank lines, and the line end, in front of what follows.
        end -= len(_BLANK_END.findall(text[start:end])[0])
        header = _HEADER.match(text, start)
        comment = (header["comment"] if header else None) or ""
    elif written.startswith("|"):
        line_end = _line_end(text, end)
        comment, end = text[end:line_end].rstrip(), line_end
    if comment and written.startswith("|"):
        written = _HEADER.sub(lambda found: found[0] + comment, written, count=1)
    if text[start - 1 : start] == ":":
        written = f" {written}"
    return _Edit(start, end, written)


def _insertion(text: str, node: yaml.MappingNode, entries: list[str], place: _Layout) -> _Edit:
    """New entries behind the last one of a case."""
    last = node.value[-1][1]
    end = last.end_mark.index
    if place.flow:
        return _Edit(end, end, "".join(f"{place.separator}{entry}" for entry in entries))
    if getattr(last, "style", None) in {"|", ">"}:
        end -= len(_BLANK_END.findall(text[last.start_mark.index : end])[0])
    else:
        end = _line_end(text, end)
    return _Edit(end, end, "".join(f"{place.separator}{entry}" for entry in entries))


def _removal(text: str, key: yaml.Node, value: yaml.Node) -> _Edit:
    """The whole line of an entry; where it shares its line, the status of success in its place."""
    start = max(text.rfind("\n", 0, key.start_mark.index), text.rfind("\r", 0, key.start_mark.index)) + 1
    end = _line_end(text, value.end_mark.index)
    alone = not text[start : key.start_mark.index].strip() and not text[value.end_mark.index : end].strip()
    if not alone or value.start_mark.line != key.start_mark.line:
        return _value_edit(text, value, "200")
    return _Edit(start, end + len(text[end:]) - len(_after_line_end(text[end:])), "")


def _line_end(text: str, start: int) -> int:
    found = re.compile(r"[\r\n]|\Z").search(text, start)
    assert found is not None
    return found.start()


def _after_line_end(text: str) -> str:
    return text[2:] if text.startswith("\r\n") else text[1:]


def _fits_block(value: str) -> bool:
    lines = value.split("\n")
    harmless = all(character.isprintable() or character in {"\n", "\t"} for character in value)
    blank_edges = value.startswith((" ", "\n", "\t")) or value.endswith("\n\n")
    return len(lines) > 1 and harmless and not blank_edges


def _applied(text: str, edits: Iterable[_Edit], newline: str) -> str:
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text if text.endswith(("\n", "\r")) else text + newline
