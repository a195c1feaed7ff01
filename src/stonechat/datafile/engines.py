"""ENGINE and its keys: which ones an engine takes, and which it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stonechat.datafile.expressions import source, split_at_commas, tokens
from stonechat.datafile.problems import DatafileProblem, Findings, InvalidValue
from stonechat.datafile.resources import Column, TableEngine
from stonechat.datafile.scanner import Instruction
from stonechat.datafile.sorting_keys import check_sorting_key, is_empty_key
from stonechat.datafile.spans import Span
from stonechat.datafile.values import is_templated, listed
from stonechat.errors import Position


class UnsupportedEngine(DatafileProblem):
    """ENGINE names no engine that data sources can have."""

    code = "SC131"


class MissingEngineOption(DatafileProblem):
    """An engine lacks a key or a column that it cannot do without."""

    code = "SC132"


class MissingEngineColumn(DatafileProblem):
    """A parameter of the engine names a column that SCHEMA has not."""

    code = "SC133"

    def __init__(self, column: str, parameter: str, position: Position) -> None:
        super().__init__(
            f"Invalid value '{column}' for parameter '{parameter}', reason: '{column}' column is not present in schema",
            position,
        )


@dataclass(frozen=True, slots=True)
class _Rule:
    """What an engine takes beyond the common keys: its column parameters, true for those that must be there."""

    name: str
    parameters: Mapping[str, bool] = field(default_factory=dict)
    needs_sorting_key: bool = False


_RULES = {
    rule.name.lower(): rule
    for rule in (
        _Rule("MergeTree"),
        _Rule("ReplacingMergeTree", {"ver": False, "is_deleted": False}, needs_sorting_key=True),
        _Rule("SummingMergeTree", {"columns": False}),
        _Rule("AggregatingMergeTree"),
        _Rule("CollapsingMergeTree", {"sign": True}, needs_sorting_key=True),
        _Rule("VersionedCollapsingMergeTree", {"sign": True, "version": True}),
        _Rule("Null"),
    )
}
_PARAMETERS = ("ver", "is_deleted", "sign", "version", "columns")
_PLACES = frozenset({"disk", "table_disk"})
_DECIDED_BY_SERVER = dict.fromkeys(
    (
        "non_replicated_deduplication_window",
        "fsync_after_insert",
        "fsync_part_directory",
        "min_rows_to_fsync_after_merge",
    ),
    "the server needs its own value to lose no row and count none twice",
) | {"storage_policy": "data lies in the data folder of the server"}
_KEYS = ("sorting_key", "partition_key", "primary_key", "sampling_key", "ttl")


def read_engine(
    given: Mapping[str, Instruction], columns: Mapping[str, Column], start: Position, findings: Findings
) -> TableEngine:
    """The engine of a data source from its instructions by name; what is wrong is reported at its place.

    `start` is the place of what is missing when there is no ENGINE line. An engine without a sorting key has None.
    """
    engine = given.get("ENGINE")
    place = engine.position if engine else start
    rule = _RULES["mergetree"]
    with findings.collecting():
        rule = _rule(engine)
    unused = [parameter for parameter in _PARAMETERS if parameter not in rule.parameters]
    _tell_unused(given, rule, [*unused, *(_KEYS if rule.name == "Null" else ())], findings)
    if rule.name == "Null":
        return TableEngine(name=rule.name)
    keys = {key: _expression(given.get(f"ENGINE_{key.upper()}"), findings) for key in _KEYS}
    parameters = {name: _parameter(rule, name, given, columns, place, findings=findings) for name in rule.parameters}
    version = next(iter(parameters.get("ver", ())), None)
    with findings.collecting():
        _check_key(rule, keys["sorting_key"], columns, version, place, findings=findings)
    texts = {key: source(expression, tokens(expression)) if expression else None for key, expression in keys.items()}
    return TableEngine(
        name=rule.name,
        sorting_key=texts["sorting_key"],
        partition_key=texts["partition_key"],
        primary_key=texts["primary_key"],
        sampling_key=texts["sampling_key"],
        ttl=texts["ttl"],
        settings=_settings(given.get("ENGINE_SETTINGS"), findings),
        version_column=version or next(iter(parameters.get("version", ())), None),
        is_deleted_column=next(iter(parameters.get("is_deleted", ())), None),
        sign_column=next(iter(parameters.get("sign", ())), None),
        sum_columns=parameters.get("columns", ()),
    )


def _rule(engine: Instruction | None) -> _Rule:
    name = engine.value.text.strip() if engine else ""
    rule = _RULES.get(name.lower() or "mergetree")
    if engine and rule is None:
        supported = ", ".join(rule.name for rule in _RULES.values())
        message = f"Engine {name} is not supported, supported engines include: {supported}"
        raise UnsupportedEngine(message, engine.value.part(0, len(engine.value.text)).position)
    return rule or _RULES["mergetree"]


def _tell_unused(given: Mapping[str, Instruction], rule: _Rule, unused: Sequence[str], findings: Findings) -> None:
    for key in unused:
        instruction = given.get(f"ENGINE_{key.upper()}")
        if instruction is not None:
            findings.notice(f"{instruction.command} has no effect on the engine {rule.name}", instruction.position)


def _expression(instruction: Instruction | None, findings: Findings) -> Span | None:
    """The expression of a key, its quotes and parentheses checked; None for an empty one."""
    if instruction is None:
        return None
    expression = instruction.value.part(0, len(instruction.value.text))
    with findings.collecting():
        tokens(expression)
        return expression if expression.text else None
    return None


def _parameter(
    rule: _Rule,
    name: str,
    given: Mapping[str, Instruction],
    columns: Mapping[str, Column],
    place: Position,
    *,
    findings: Findings,
) -> tuple[str, ...]:
    """The columns that a parameter names: at most one, except for the columns of a SummingMergeTree."""
    instruction = given.get(f"ENGINE_{name.upper()}")
    value = instruction.value if instruction else Span("", place)
    with findings.collecting():
        if not value.text.strip() and rule.parameters[name]:
            raise MissingEngineOption(f"Missing required parameter '{name}'", place)
        if is_templated(value.text):
            return (value.text,)
        names = listed(value) if name == "columns" else tuple(filter(None, [value.text.strip()]))
        names = tuple(part.strip("`()").strip() for part in names)
        for column in names:
            if columns and column not in columns:
                named = re.search(rf"(?<!\w){re.escape(column)}(?!\w)", value.text)
                where = value.at(named.start() if named else 0)
                findings.report(MissingEngineColumn(column, f"engine_{name}", where))
        return names
    return ()


def _check_key(
    rule: _Rule,
    key: Span | None,
    columns: Mapping[str, Column],
    version: str | None,
    place: Position,
    *,
    findings: Findings,
) -> None:
    if rule.needs_sorting_key and (key is None or is_empty_key(key)):
        raise MissingEngineOption("Missing required option 'sorting_key'", place)
    if key is not None and not is_templated(key.text):
        check_sorting_key(key, columns, version, findings)


def _settings(instruction: Instruction | None, findings: Findings) -> tuple[tuple[str, str], ...]:
    settings: list[tuple[str, str]] = []
    if instruction is None or not instruction.value.text.strip():
        return ()
    with findings.collecting():
        for run in split_at_commas(tokens(instruction.value)):
            where = instruction.value.at(run[0].start) if run else instruction.value.position
            if len(run) < 3 or run[0].kind != "word" or run[1].text != "=":
                findings.report(InvalidValue("ENGINE_SETTINGS takes name = value, name = value", where))
                continue
            name = run[0].text
            if name in _PLACES:
                hint = "Data lies in the data folder of the server"
                message = f"ENGINE_SETTINGS must not say where data lies, as {name} does"
                findings.report(InvalidValue(message, where, hint=hint))
            elif name in _DECIDED_BY_SERVER:
                findings.notice(f"The setting {name} has no effect: {_DECIDED_BY_SERVER[name]}", where)
            else:
                settings.append((name, source(instruction.value, run[2:])))
    return tuple(settings)
