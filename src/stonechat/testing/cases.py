"""The tests of a project folder: `tests/PIPE.yaml`, a list of calls and of what they answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import yaml

from stonechat.datafile.problems import DatafileProblem, Findings, InvalidDatafile
from stonechat.datafile.resources import Notice
from stonechat.datafile.scanner import source_lines
from stonechat.errors import Kind, Position, StonechatError
from stonechat.project.loader import read_text

TESTS_FOLDER = "tests"
_SUFFIXES = (".yaml", ".yml")
_KEYS = frozenset({"name", "description", "parameters", "expected_result", "expected_http_status"})
_STATUSES = range(100, 600)
_FIRST_ERROR = 400
Entries = Mapping[str, tuple[yaml.Node, yaml.Node]]


class InvalidTest(DatafileProblem):
    """A file of tests is no YAML, or no list of tests."""

    code = "SC340"


class InvalidTests(StonechatError):
    """The tests of a project cannot be run. `problems` holds every reason, with its place."""

    code = "SC341"
    kind = Kind.INVALID

    def __init__(self, problems: Sequence[StonechatError]) -> None:
        self.problems = tuple(problems)
        super().__init__(str(self.problems[0]))


class UnknownTest(StonechatError):
    """The project has no tests of a name on the command line."""

    code = "SC342"
    kind = Kind.MISSING


@dataclass(frozen=True, slots=True)
class Case:
    """One call and its answer. `expected` is None where the file does not say it yet, `status` where it is success."""

    name: str
    parameters: str
    expected: str | None
    status: int | None
    position: Position
    node: yaml.MappingNode = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The tests of one pipe. `path` is relative to the project's folder; `text` is the file as it is."""

    path: str
    pipe: str
    text: str
    cases: Sequence[Case]
    notices: Sequence[Notice] = ()


def project_tests(folder: Path, names: Sequence[str] = ()) -> list[CaseFile]:
    """The tests of a project folder; with names (`PIPE`, `tests/PIPE.yaml` or `PIPE::CASE`) only those.

    Raises `InvalidTests` with every problem of every file, or `UnknownTest`.
    """
    paths = sorted(path for path in (folder / TESTS_FOLDER).glob("*") if path.suffix in _SUFFIXES)
    wanted = [_split(name) for name in names]
    problems: list[StonechatError] = []
    files = []
    for path in paths:
        if not wanted or path.stem in dict(wanted):
            try:
                files.append(read_cases(path.relative_to(folder).as_posix(), read_text(path)))
            except InvalidDatafile as error:
                problems.extend(error.problems)
    if problems:
        raise InvalidTests(problems)
    return list(_chosen(files, wanted)) if wanted else files


def read_cases(path: str, text: str) -> CaseFile:
    """The cases of one file. Raises `InvalidDatafile` with everything that is wrong with it."""
    findings = Findings(source_lines(text))
    cases: list[Case] = []
    with findings.collecting():
        root = _composed(path, text)
        for item in _items(path, root):
            with findings.collecting():
                cases.append(_case(path, item, findings))
        _require_unique(cases, findings)
    findings.raise_if_any()
    return CaseFile(path, PurePosixPath(path).stem, text, cases, findings.notices)


def _split(name: str) -> tuple[str, str | None]:
    file, separator, case = name.partition("::")
    path = PurePosixPath(file)
    return path.stem if path.suffix in _SUFFIXES else path.name, case if separator else None


def _chosen(files: Iterable[CaseFile], wanted: Sequence[tuple[str, str | None]]) -> Iterator[CaseFile]:
    by_pipe = {file.pipe: file for file in files}
    for pipe, case in wanted:
        if pipe not in by_pipe:
            raise UnknownTest(f"There is no file {TESTS_FOLDER}/{pipe}.yaml")
        if case is not None and case not in {known.name for known in by_pipe[pipe].cases}:
            raise UnknownTest(f"There is no test '{case}' in {by_pipe[pipe].path}")
    for pipe, file in by_pipe.items():
        named = {case for name, case in wanted if name == pipe}
        kept = [case for case in file.cases if None in named or case.name in named]
        yield CaseFile(file.path, file.pipe, file.text, kept, file.notices)


def _composed(path: str, text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Position(path, before.count("\n") + 1, error.position - before.rfind("\n"))
        raise InvalidTest(f"YAML does not allow the character U+{error.character:04X}", place) from None
    except yaml.MarkedYAMLError as error:
        at_end = error.problem_mark is None or error.problem_mark.index >= len(text)
        mark = (error.context_mark if at_end else None) or error.problem_mark
        place = Position(path, mark.line + 1, mark.column + 1) if mark else Position(path, 1, 1)
        raise InvalidTest(f"This is no YAML: {error.problem or error.context}", place) from None
    except RecursionError:
        raise InvalidTest("The YAML is nested too deeply", Position(path, 1, 1)) from None


def _items(path: str, root: yaml.Node | None) -> Iterable[yaml.Node]:
    if root is None:
        return ()
    if not isinstance(root, yaml.SequenceNode):
        raise InvalidTest("A file of tests is a list: each test begins with `- name:`", _place(path, root))
    items: Iterable[yaml.Node] = root.value
    return items


def _case(path: str, item: yaml.Node, findings: Findings) -> Case:
    if not isinstance(item, yaml.MappingNode):
        raise InvalidTest("A test is a mapping with `name`, `parameters` and `expected_result`", _place(path, item))
    entries = case_entries(item)
    for unknown, (key, _) in entries.items():
        if unknown not in _KEYS:
            findings.notice(f"'{unknown}' is no key of a test and has no effect", _place(path, key))
    if len(entries) != len(item.value):
        raise InvalidTest("A key stands twice in one test", _place(path, item))
    if not (name := _text(path, entries, "name")):
        raise InvalidTest("The test has no name", _place(path, item))
    return Case(
        name=name,
        parameters=(_text(path, entries, "parameters") or "").rpartition("?")[2].strip(),
        expected=_text(path, entries, "expected_result"),
        status=_status(path, entries),
        position=_place(path, item),
        node=item,
    )


def case_entries(case: yaml.MappingNode) -> Entries:
    """Key and value of each entry of a case, by the key's name."""
    return {str(key.value): (key, value) for key, value in case.value}


def _text(path: str, entries: Entries, name: str) -> str | None:
    if name not in entries:
        return None
    _, value = entries[name]
    if not isinstance(value, yaml.ScalarNode):
        raise InvalidTest(f"'{name}' must be text", _place(path, value), hint="Put it in quotes, or behind `|`.")
    return str(value.value)


def _status(path: str, entries: Entries) -> int | None:
    text = _text(path, entries, "expected_http_status")
    if text is None:
        return None
    if not (text.isdecimal() and text.isascii() and int(text) in _STATUSES):
        place = _place(path, entries["expected_http_status"][1])
        raise InvalidTest(f"'expected_http_status' must be an HTTP status, not '{text}'", place)
    return int(text) if int(text) >= _FIRST_ERROR else None


def _require_unique(cases: Iterable[Case], findings: Findings) -> None:
    seen: set[str] = set()
    for case in cases:
        if case.name in seen:
            findings.report(InvalidTest(f"The name '{case.name}' stands twice in this file", case.position))
        seen.add(case.name)


def _place(path: str, node: yaml.Node) -> Position:
    return Position(path, node.start_mark.line + 1, node.start_mark.column + 1)
