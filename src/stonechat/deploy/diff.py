"""What changes between the live project and a wanted one, and which of it cannot be done in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from stonechat.datafile.resources import DataSource, NodeType, Pipe
from stonechat.errors import Kind, Position, StonechatError
from stonechat.project.model import Project


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of one kind of resource that are new, changed or gone, each sorted."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.deleted)


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs between two projects."""

    data_sources: Changes
    pipes: Changes
    connections: Changes

    def __bool__(self) -> bool:
        return bool(self.data_sources or self.pipes or self.connections)


class SchemaChangeRefused(StonechatError):
    """The deployment would change a table that holds data, or the query of a materialized view."""

    code = "SC701"
    kind = Kind.INVALID


class DestructiveChangeRefused(StonechatError):
    """The deployment would delete data, and nobody said that it may."""

    code = "SC702"
    kind = Kind.CONFLICT


def compare(live: Project, wanted: Project) -> Difference:
    """The difference by resource; positions, and so the order of files and lines, never count as a change."""
    return Difference(
        _changes(live.data_sources, wanted.data_sources),
        _changes(live.pipes, wanted.pipes),
        _changes(live.connections, wanted.connections),
    )


def refusals(
    live: Project, wanted: Project, difference: Difference, *, allow_destructive: bool
) -> Iterator[StonechatError]:
    """Every reason why the difference cannot be deployed."""
    for name in difference.data_sources.changed:
        yield from _table_refusals(live.data_sources[name], wanted.data_sources[name])
    for name in difference.pipes.changed:
        yield from _view_refusals(live.pipes[name], wanted.pipes[name])
    if not allow_destructive:
        for name in difference.data_sources.deleted:
            yield DestructiveChangeRefused(
                f"The data source '{name}' is not in the project any more, and its data would be deleted",
                hint="Put its file back, or deploy with --allow-destructive-operations.",
            )


def _changes(live: Mapping[str, object], wanted: Mapping[str, object]) -> Changes:
    both = live.keys() & wanted.keys()
    return Changes(
        tuple(sorted(wanted.keys() - live.keys())),
        tuple(sorted(name for name in both if live[name] != wanted[name])),
        tuple(sorted(live.keys() - wanted.keys())),
    )


def _table_refusals(live: DataSource, wanted: DataSource) -> Iterator[StonechatError]:
    before = {column.name: column for column in live.columns}
    after = {column.name: column for column in wanted.columns}
    for name, column in after.items():
        if name not in before:
            yield _refusal(wanted, f"adds the column '{name}'", column.position)
        elif replace(before[name], jsonpath=None) != replace(column, jsonpath=None):
            yield _refusal(wanted, f"changes the column '{name}'", column.position)
    for name in before.keys() - after.keys():
        yield _refusal(wanted, f"drops the column '{name}'", wanted.position)
    if before.keys() == after.keys() and list(before) != list(after):
        yield _refusal(wanted, "changes the order of its columns", wanted.position)
    if live.engine != wanted.engine:
        yield _refusal(wanted, "changes its engine, keys, TTL or settings", wanted.position)
    if live.indexes != wanted.indexes:
        yield _refusal(wanted, "changes its indexes", wanted.position)


def _refusal(source: DataSource, what: str, position: Position) -> SchemaChangeRefused:
    return SchemaChangeRefused(
        f"The data source '{source.name}' holds data, and the deployment {what}",
        hint="Changing a live table is not supported yet: keep the schema, or add a data source with a new name.",
        position=position,
    )


def _view_refusals(live: Pipe, wanted: Pipe) -> Iterator[StonechatError]:
    views = NodeType.MATERIALIZED in {live.output.type, wanted.output.type}
    if views and live.nodes != wanted.nodes:
        yield SchemaChangeRefused(
            f"The materialized pipe '{wanted.name}' is live, and the deployment changes its query",
            hint="Changing a live view is not supported yet: add a pipe and a data source with new names.",
            position=wanted.output.position,
        )
