"""`tb_secret` in datafiles, filled in when a project is read for deployment; and the secrets of `.env.local`.

In the SQL of pipes a secret is a bound parameter instead, which `template` takes care of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from stonechat.datafile.problems import DatafileProblem
from stonechat.datafile.resources import Column, Connection, DataSource, Node, NodeType, Pipe, TableEngine
from stonechat.datafile.scanner import source_lines
from stonechat.datafile.values import SECRET
from stonechat.errors import Kind, Position, StonechatError
from stonechat.project.loader import DEEPEST, project_folder
from stonechat.sql.types import DataType, InvalidType, parse_type

Resource = DataSource | Pipe | Connection
Secrets = Mapping[str, str]

ENVIRONMENT_FILE = ".env.local"
_LARGEST_FILE = 1_000_000
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?(?P<name>[\w.-]+)\s*=\s*(?P<value>.*)")
_QUOTED = re.compile(r"""(?:'(?P<plain>[^']*)'|"(?P<escaped>(?:[^"\\]|\\.)*)")\s*(?:\#.*)?""", re.VERBOSE)
_COMMENT = re.compile(r"(?:^|\s)#.*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class UnknownSecret(DatafileProblem):
    """A datafile asks for a secret that the workspace does not have, and gives no default."""

    code = "SC307"

    def __init__(self, name: str, position: Position) -> None:
        super().__init__(
            f"Cannot access secret '{name}'. "
            "Check the secret exists in the Workspace and the token has the required scope.",
            position,
        )


class EmptySecret(DatafileProblem):
    """A setting of a sink would be empty, because its secret is."""

    code = "SC308"

    def __init__(self, name: str, position: Position) -> None:
        super().__init__(f"The secret '{name}' is empty, and a sink's settings must not be", position)


class InvalidSecretType(DatafileProblem):
    """A column's type is none with its secrets filled in. Never holds a part of them."""

    code = "SC320"

    def __init__(self, column: Column) -> None:
        super().__init__(f"The type of column '{column.name}' is none with its secrets filled in", column.position)


class InvalidEnvironmentFile(StonechatError):
    """A line of `.env.local` is no assignment, or the file cannot be read. Never holds a part of the line."""

    code = "SC309"
    kind = Kind.INVALID


def filled(resource: Resource, secrets: Secrets) -> Resource:
    """The resource with its secrets in place. Those that are not known and have no default stay as they are written.

    Raises `InvalidSecretType`.
    """
    match resource:
        case Connection():
            description = _filled_text(resource.description, secrets)
            return replace(resource, settings=_filled_values(resource.settings, secrets), description=description)
        case DataSource():
            return _filled_source(resource, secrets)
        case Pipe():
            return replace(resource, nodes=tuple(_filled_node(node, secrets) for node in resource.nodes))


def secret_problems(resource: Resource, text: str, secrets: Secrets) -> Iterator[DatafileProblem]:
    """What is wrong with the secrets of a resource, each at its place in the file's `text`."""
    sink = isinstance(resource, Pipe)
    for match in (match for value in _values(resource) for match in SECRET.finditer(value)):
        value = _value(match, secrets)
        if value is None:
            yield UnknownSecret(match["name"], _place(match[0], text, resource.position.file))
        elif sink and not value:
            yield EmptySecret(match["name"], _place(match[0], text, resource.position.file))


def local_secrets(folder: Path) -> Secrets:
    """The secrets of a project folder's `.env.local`: lines of KEY=VALUE, values bare or in quotes, `#` comments.

    Where the folder has none, that of the folder around it counts whose `tinybird.config.json` names it. No file is no
    secrets. Raises `InvalidEnvironmentFile`.
    """
    file = _environment_file(folder)
    try:
        data = file.read_bytes() if file.exists() else b""
    except OSError as error:
        raise InvalidEnvironmentFile(f"Cannot read {file}: {error.strerror}") from error
    if len(data) > _LARGEST_FILE:
        raise InvalidEnvironmentFile(f"{file} is larger than {_LARGEST_FILE} bytes")
    try:
        return dict(_assignments(data.decode("utf-8-sig").splitlines()))
    except UnicodeDecodeError:
        raise InvalidEnvironmentFile(f"{file} is not UTF-8") from None


def _environment_file(folder: Path) -> Path:
    inner = folder.resolve()
    for outer in (folder, *inner.parents[:DEEPEST]):
        file = outer / ENVIRONMENT_FILE
        if file.exists() and (outer == folder or project_folder(outer).resolve() == inner):
            return file
    return folder / ENVIRONMENT_FILE


def _assignments(lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        value = _assigned(match["value"]) if match else None
        if match is None or value is None:
            position = Position(ENVIRONMENT_FILE, number, 1)
            hint = "Write KEY=VALUE, and close the quotes of a value that has them."
            raise InvalidEnvironmentFile("The line is not KEY=VALUE", hint=hint, position=position)
        yield match["name"], value


def _assigned(text: str) -> str | None:
    """The value that is written behind `=`; None for quotes that do not end, or not at the end."""
    if not text.startswith(("'", '"')):
        return _COMMENT.sub("", text).rstrip()
    match = _QUOTED.fullmatch(text)
    if match is None or match["plain"] is not None:
        return match["plain"] if match else None
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), match["escaped"])


def _value(match: re.Match[str], secrets: Secrets) -> str | None:
    default = match["default"][1:-1] if match["default"] is not None else None
    return secrets.get(match["name"], default)


def _filled_text(text: str, secrets: Secrets) -> str:
    def value(match: re.Match[str]) -> str:
        found = _value(match, secrets)
        return match[0] if found is None else found

    return SECRET.sub(value, text)


def _filled_values(values: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
    return {key: _filled_text(value, secrets) for key, value in values.items()}


def _filled_source(source: DataSource, secrets: Secrets) -> DataSource:
    def value(text: str | None) -> str | None:
        return None if text is None else _filled_text(text, secrets)

    return replace(
        source,
        description=_filled_text(source.description, secrets),
        columns=tuple(
            replace(column, type=_filled_type(column, secrets), default=value(column.default))
            for column in source.columns
        ),
        engine=_filled_engine(source.engine, secrets),
        indexes=tuple(replace(index, expression=_filled_text(index.expression, secrets)) for index in source.indexes),
        tokens=tuple(replace(grant, token=_filled_text(grant.token, secrets)) for grant in source.tokens),
        forward_query=value(source.forward_query),
        connector=_filled_values(source.connector, secrets),
    )


def _filled_type(column: Column, secrets: Secrets) -> DataType:
    """The type with its secrets, which is parsed by now, unless one of them is not known."""
    if not column.secret_type:
        return column.type
    text = _filled_text(column.type.name, secrets)
    try:
        return DataType(text) if SECRET.search(text) else parse_type(text)
    except InvalidType:
        raise InvalidSecretType(column) from None


def _filled_engine(engine: TableEngine, secrets: Secrets) -> TableEngine:
    changes: dict[str, Any] = {key: _filled_text(value, secrets) for key, value in _engine_texts(engine).items()}
    changes["settings"] = tuple((key, _filled_text(value, secrets)) for key, value in engine.settings)
    return replace(engine, **changes)


def _filled_node(node: Node, secrets: Secrets) -> Node:
    return replace(node, options=_filled_values(node.options, secrets)) if node.type is NodeType.SINK else node


def _values(resource: Resource) -> Iterator[str]:
    """The values that secrets are filled into."""
    match resource:
        case Connection():
            yield from (resource.description, *resource.settings.values())
        case DataSource():
            yield resource.description
            yield from (column.type.name for column in resource.columns if column.secret_type)
            yield from (column.default for column in resource.columns if column.default is not None)
            yield from _engine_texts(resource.engine).values()
            yield from (value for _, value in resource.engine.settings)
            yield from (index.expression for index in resource.indexes)
            yield from (grant.token for grant in resource.tokens)
            yield resource.forward_query or ""
            yield from resource.connector.values()
        case Pipe():
            for node in resource.nodes:
                yield from node.options.values() if node.type is NodeType.SINK else ()


def _engine_texts(engine: TableEngine) -> dict[str, str]:
    values = {item.name: getattr(engine, item.name) for item in fields(engine)}
    return {name: value for name, value in values.items() if isinstance(value, str)}


def _place(expression: str, text: str, file: str) -> Position:
    """Where an expression stands in a file, comments aside."""
    for number, line in enumerate(source_lines(text), 1):
        if expression in line and not line.lstrip().startswith("#"):
            return Position(file, number, line.index(expression) + 1)
    return Position(file, 1, 1)
