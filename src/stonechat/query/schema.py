"""The columns that an endpoint answers with, asked of the engine without running it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from stonechat.datafile.resources import Pipe
from stonechat.engine.contract import Engine, Query
from stonechat.errors import Kind, StonechatError
from stonechat.project.composition import Composed, compose_pipe, compose_placeholder
from stonechat.project.parameters import endpoint_parameters, minimal_values
from stonechat.project.snapshot import Snapshot
from stonechat.sql.quoting import parameter_text
from stonechat.sql.types import InvalidType, parse_type
from stonechat.template.values import NO_VALUE


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of an answer. `types` are ClickHouse's, more than one where the parameters decide.

    `always` is whether every call that was tried gives the column.
    """

    name: str
    types: tuple[str, ...]
    always: bool


def result_columns(engine: Engine, snapshot: Snapshot, pipe: Pipe) -> tuple[ResultColumn, ...] | None:
    """The columns of an endpoint; None when the engine cannot tell. Blocks, for milliseconds, and runs no query.

    They are those of a call with all parameters, of one with as few as possible, and of one with every switch on: a
    template may select other columns for other values, which nobody can list.
    """
    project = snapshot.project
    least = minimal_values(project, pipe)
    switches = {item.name: "1" for item in endpoint_parameters(project, pipe) if item.type == "Boolean"}
    calls = [partial(compose_placeholder, project, pipe, pipe.output), partial(compose_pipe, project, pipe, least)]
    if switches:
        calls.append(partial(compose_pipe, project, pipe, least | switches))
    variants = [found for compose in calls if (found := _columns(engine, snapshot, compose)) is not None]
    return _united(variants) if variants else None


def _columns(engine: Engine, snapshot: Snapshot, compose: Callable[[], Composed]) -> Mapping[str, str] | None:
    try:
        composed = compose()
        bound = {name: parameter_text(value) for name, value in composed.bound.items()}
        statement = f"DESCRIBE TABLE (\n{snapshot.placed(composed.sql)}\n)"
        result = engine.query(Query(statement, snapshot.workspace.database, "JSONEachRow", bound))
    except StonechatError as error:
        if error.kind is Kind.UNAVAILABLE:
            raise
        # Dummies suit the types of parameters, not always what an author's own checks ask of their values.
        return None
    described = map(json.loads, result.data.splitlines())
    # Where a parameter names a column, it has the name of a dummy here, and any in an answer.
    return {row["name"]: _in_one_line(row["type"]) for row in described if NO_VALUE not in row["name"]}


def _in_one_line(text: str) -> str:
    """A type as it stands in the `meta` of answers: where the engine describes columns, it breaks tuples into lines."""
    try:
        return str(parse_type(text)) if "\n" in text else text
    except InvalidType:
        return text


def _united(variants: Sequence[Mapping[str, str]]) -> tuple[ResultColumn, ...]:
    names = dict.fromkeys(name for variant in variants for name in variant)
    return tuple(
        ResultColumn(
            name,
            tuple(dict.fromkeys(variant[name] for variant in variants if name in variant)),
            always=all(name in variant for variant in variants),
        )
        for name in names
    )
