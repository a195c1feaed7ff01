"""What changes between the live project and a wanted one, and which of it is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stonechat.datafile.resources import DataSource
from stonechat.deploy.evolution import evolve
from stonechat.errors import Kind, StonechatError
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
    """The deployment would give a column of a data source a type that does not take the values that are there."""

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
    if wanted.forward_query is None:
        for column in evolve(live, wanted).incompatible:
            yield SchemaChangeRefused(
                f"The data source '{wanted.name}' holds data, and its column '{column.name}' gets a type that does not "
                "take all values",
                hint="Write a FORWARD_QUERY that converts them, for example with accurateCastOrDefault.",
                position=column.position,
            )
