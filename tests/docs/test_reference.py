"""The reference says what the code offers, and nothing else."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import fields

import pytest
from tests.docs.introspection import SOURCE, commands, error_classes, routes
from tests.docs.markdown import Heading, Page, page

from stonechat.auth.access import ScopeType
from stonechat.cli.requests import REQUESTS_FILE
from stonechat.datafile.instructions import IGNORED, IGNORED_IN_PIPES, INSTRUCTIONS, REFUSED, FileKind
from stonechat.datafile.resources import NodeType
from stonechat.engine.formats import BY_EXTENSION, MEDIA_TYPES
from stonechat.errors import StonechatError
from stonechat.http.problems import STATUS_BY_KIND
from stonechat.project.model import Project
from stonechat.project.parameters import endpoint_parameters
from stonechat.project.quarantine import ADDED_COLUMNS
from stonechat.project.service_data_sources import SERVICE_DATA_SOURCES
from stonechat.settings import ENVIRONMENT_PREFIX, Settings
from stonechat.sql.gate import HARMLESS_SETTINGS, TABLE_FUNCTIONS
from stonechat.starters.catalog import template_files
from stonechat.template.functions import STATEMENT_FUNCTIONS
from stonechat.template.higher_order import HIGHER_ORDER
from stonechat.template.parameters import Parameter

_COMMAND_LINE = page("command-line.md")
_DATAFILES = page("datafiles.md")
_ERRORS = page("errors.md")
_HTTP_API = page("http-api.md")
_MESSAGING = page("messaging.md")
_SERVICES = page("service-data-sources.md")
_SETTINGS = page("settings.md")
_TEMPLATES = page("template-functions.md")


def _section(where: Page, title: str) -> Heading:
    (heading,) = [heading for heading in where.headings if heading.plain == title]
    return heading


def test_every_setting_stands_in_the_reference_with_its_default_and_help() -> None:
    documented = [row for row in _SETTINGS.rows(_section(_SETTINGS, "All settings")) if row[0].startswith("`")]
    wanted = [
        [
            f"`{item.name}`",
            f"`{ENVIRONMENT_PREFIX}{item.name.upper()}`",
            f"`{str(item.default).lower() if isinstance(item.default, bool) else item.default}`",
            item.metadata["help"],
        ]
        for item in fields(Settings)
    ]
    assert documented == wanted


def test_every_command_and_no_other_has_a_section() -> None:
    documented = {heading.plain for heading in _COMMAND_LINE.headings if heading.plain.startswith("stonechat ")}
    assert documented == set(commands())


@pytest.mark.parametrize("name", commands())
def test_a_command_is_documented_with_its_arguments_options_and_variables(name: str) -> None:
    command, section = commands()[name], _section(_COMMAND_LINE, name)
    rows = {row[0].split()[0].strip("`"): row for row in _COMMAND_LINE.rows(section) if row[0].startswith("`")}
    assert set(rows) == {argument.upper() for argument in command.arguments} | set(command.options)
    for option, variable in command.options.items():
        assert rows[option][1] == (f"`{variable}`" if variable else "")
    text = " ".join(_COMMAND_LINE.lines[section.line : section.end - 1])
    assert " ".join(command.help.split()) in text


def test_every_route_and_no_other_has_a_section() -> None:
    documented = set()
    for heading in _HTTP_API.headings:
        match = re.fullmatch(r"([A-Z, ]+) (/.*)", heading.plain)
        if match:
            documented |= {(method.strip(), match[2]) for method in match[1].split(",")}
    assert documented == routes()


def test_every_format_of_answers_is_documented() -> None:
    section = _section(_HTTP_API, "Formats of answers")
    rows = [row[:3] for row in _HTTP_API.rows(section) if row[0].startswith("`")]
    wanted = [[f"`{key}`", f"`{known.name}`", f"`{known.media_type}`"] for key, known in BY_EXTENSION.items()]
    assert rows == wanted


def test_every_format_of_statements_is_documented() -> None:
    section = _section(_HTTP_API, "Formats of statements")
    assert re.findall(r"`(\w+)`", " ".join(_HTTP_API.lines[section.line : section.end - 1])) == list(MEDIA_TYPES)


def test_what_callers_may_use_in_their_own_sql_is_documented() -> None:
    section = _section(_HTTP_API, "What a statement may use")
    codes = {code for row in _HTTP_API.rows(section) for cell in row for code in re.findall(r"`(\w+)`", cell)}
    assert codes >= HARMLESS_SETTINGS | TABLE_FUNCTIONS
    assert codes <= HARMLESS_SETTINGS | TABLE_FUNCTIONS | {"FORMAT", "SELECT", "SETTINGS"}


def test_every_service_data_source_is_documented_with_its_columns() -> None:
    documented = {
        heading.plain.removeprefix("tinybird."): {
            row[0].strip("`"): row[1].strip("`") for row in _SERVICES.rows(heading) if row[0].startswith("`")
        }
        for heading in _SERVICES.headings
        if heading.plain.startswith("tinybird.")
    }
    empty = set(re.findall(r"`tinybird\.(\w+)`", " ".join(_SERVICES.lines[_section(_SERVICES, "Always empty").line :])))
    assert documented.keys() | empty == SERVICE_DATA_SOURCES.keys()
    assert documented == {name: SERVICE_DATA_SOURCES[name].columns for name in documented}
    assert empty == {name for name, source in SERVICE_DATA_SOURCES.items() if source.engine == "Null"}


def test_every_scope_is_documented() -> None:
    section = _section(_HTTP_API, "Scopes")
    documented = {code.removesuffix(":NAME") for code in _HTTP_API.codes(0, section)}
    assert documented == {scope.value for scope in ScopeType}


def test_every_error_code_is_documented_with_its_status() -> None:
    documented = {row[0].strip("`"): row[1] for row in _ERRORS.rows() if row[0].startswith("`SC")}
    in_classes = {known.code: str(STATUS_BY_KIND[known.kind]) for known in error_classes()}
    assert {code: documented.get(code) for code in in_classes} == in_classes
    literal = set(re.findall(r'"(SC\d{3})"', "".join(path.read_text() for path in SOURCE.rglob("*.py"))))
    assert literal <= set(documented)
    made_by_routing = {"SC904", "SC905"}
    assert set(documented) == literal | made_by_routing


def test_an_error_code_belongs_to_one_cause() -> None:
    by_code: dict[str, list[type[StonechatError]]] = defaultdict(list)
    for known in error_classes():
        by_code[known.code].append(known)
    # A base class that nobody raises may share the code of one of its own kind.
    clashes = {
        code: sorted(f"{item.__module__}.{item.__name__}" for item in classes)
        for code, classes in by_code.items()
        if not any(all(issubclass(item, base) for item in classes) for base in classes)
    }
    assert clashes == {}


def test_every_kind_of_error_has_its_status_documented() -> None:
    section = _section(_ERRORS, "Statuses")
    rows = {row[0].strip("`"): row[1] for row in _ERRORS.rows(section) if row[0].startswith("`")}
    assert rows == {kind.value: str(status) for kind, status in STATUS_BY_KIND.items()}


@pytest.mark.parametrize("kind", FileKind)
def test_every_instruction_of_datafiles_is_documented(kind: FileKind) -> None:
    documented = set(_DATAFILES.codes(0, _section(_DATAFILES, f".{kind.value} files")))
    assert documented == INSTRUCTIONS[kind]


def test_instructions_without_effect_and_refused_ones_are_documented() -> None:
    assert set(_DATAFILES.codes(0, _section(_DATAFILES, "Without effect"))) == {*IGNORED, *IGNORED_IN_PIPES}
    assert set(_DATAFILES.codes(0, _section(_DATAFILES, "Refused"))) == set(REFUSED)


def test_the_columns_of_a_quarantine_are_documented() -> None:
    rows = _DATAFILES.rows(_section(_DATAFILES, "The quarantine"))
    documented = {row[0].strip("`"): row[1].strip("`") for row in rows if row[0].startswith("`")}
    assert documented == dict(ADDED_COLUMNS)


def test_every_template_function_is_documented() -> None:
    documented = {code.partition("(")[0] for code in _TEMPLATES.codes() if re.match(r"\w+\(", code)}
    assert documented == {*STATEMENT_FUNCTIONS, *HIGHER_ORDER}


def _messaging() -> Project:
    files = {name: content.decode() for name, content in template_files("messaging").items()}
    return Project.from_files({name: text for name, text in files.items() if name.endswith((".datasource", ".pipe"))})


def test_every_resource_of_the_messaging_project_is_documented() -> None:
    project = _messaging()
    endpoints = {heading.plain for heading in _MESSAGING.headings if heading.depth == 3}
    served = {pipe.name for pipe in project.pipes_of_type(NodeType.ENDPOINT)}
    assert endpoints == served
    assert set(_MESSAGING.codes(0, _section(_MESSAGING, "Data sources"))) == set(project.data_sources)
    assert set(_MESSAGING.codes(0, _section(_MESSAGING, "Materializations"))) == set(project.pipes) - served
    assert REQUESTS_FILE in " ".join(_MESSAGING.lines)


def test_every_parameter_of_the_messaging_endpoints_is_documented() -> None:
    project = _messaging()
    for pipe in project.pipes_of_type(NodeType.ENDPOINT):
        rows = [list(row[:3]) for row in _MESSAGING.rows(_section(_MESSAGING, pipe.name)) if row[0].startswith("`")]
        assert rows == [_parameter_row(item) for item in endpoint_parameters(project, pipe)], pipe.name


def _parameter_row(parameter: Parameter) -> list[str]:
    given = "required" if parameter.required else ""
    if parameter.default is not None:
        given = "empty" if parameter.default == "" else f"`{parameter.default}`"
    return [f"`{parameter.name}`", parameter.type, given]
