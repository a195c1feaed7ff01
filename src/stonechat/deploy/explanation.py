"""A deployment in words: what is new, changed and gone, what happens to the rows, and what is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import assert_never

from stonechat.deploy.diff import Changes
from stonechat.deploy.figures import Held
from stonechat.deploy.plan import (
    Backfill,
    CloneDataSource,
    CreateDataSource,
    CreateView,
    DropDataSource,
    DropView,
    Plan,
    RenewDataSource,
    RewriteDataSource,
    Step,
)
from stonechat.deploy.preparation import Preparation

_NOTHING: Mapping[str, Held] = MappingProxyType({})


def explanation(prepared: Preparation) -> Iterator[str]:
    """All of a deployment, a line each: resources, steps, remarks."""
    difference = prepared.difference
    yield from _changes("data source", difference.data_sources)
    yield from _changes("pipe", difference.pipes)
    yield from _changes("connection", difference.connections)
    yield from explain(prepared.plan, prepared.held)
    for change in prepared.tokens:
        for permission in change.added:
            yield f"let the token '{change.token_name}' {permission.permission} '{permission.resource_name}'"
        for permission in change.removed:
            yield f"no more let the token '{change.token_name}' {permission.permission} '{permission.resource_name}'"
    for remark in prepared.feedback:
        yield f"{remark.level.lower()} {remark.resource}: {remark.message}"


def explain(plan: Plan, held: Mapping[str, Held] = _NOTHING) -> Iterator[str]:
    """The steps in their order, a line each, with what the live tables hold."""
    return (_told(step, held) for step in plan.steps)


def data_movements(plan: Plan) -> Iterator[Mapping[str, str]]:
    """The rows that a deployment computes, as clients want to hear of them."""
    for step in plan.before:
        match step:
            case RewriteDataSource(source) if source.forward_query and step.select.endswith(source.forward_query):
                kind = "backfill_with_forward_query"
                yield {"datasource_name": source.name, "kind": kind, "source_mv_name": ""}
            case Backfill(view):
                kind = "backfill_with_mv_queries"
                yield {"datasource_name": view.target, "kind": kind, "source_mv_name": view.pipe.name}
            case _:
                pass


def _changes(kind: str, changes: Changes) -> Iterator[str]:
    for word, names in (("new", changes.new), ("changed", changes.changed), ("gone", changes.deleted)):
        if names:
            plural = "s" if len(names) > 1 else ""
            yield f"{word} {kind}{plural}: {', '.join(names)}"


def _told(step: Step, held: Mapping[str, Held]) -> str:
    def rows(name: str) -> str:
        return str(held.get(name, Held()))

    match step:
        case CreateDataSource(source):
            return f"create the data source '{source.name}' with {len(source.columns)} columns"
        case CloneDataSource(source, alterations):
            changes = f", then {'; '.join(alterations)}" if alterations else ""
            return f"make a new version of '{source.name}' that shares {rows(source.name)}{changes}"
        case RewriteDataSource(source, _, _, reasons):
            return f"make a new version of '{source.name}' and write {rows(source.name)} anew: {'; '.join(reasons)}"
        case RenewDataSource(source):
            given_up = f", without {rows(source.name)} of the live one" if source.name in held else ""
            return f"make an empty version of '{source.name}'{given_up}"
        case CreateView(target=target, name=name):
            return f"create the materialized view '{name}' into '{target}'"
        case Backfill(view):
            read = (f"'{name}'" + (f" with {held[name]}" if name in held else "") for name in sorted(view.reads))
            return f"fill '{view.target}' through '{view.name}', which reads {' and '.join(read)}"
        case DropView(name):
            return f"drop the materialized view '{name}'; its target keeps its rows"
        case DropDataSource(name):
            return f"drop the data source '{name}' with {rows(name)}"
        case _:
            assert_never(step)
