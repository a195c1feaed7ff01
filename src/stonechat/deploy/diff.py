"""What changes between the live project and a wanted one, and which of it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    """All that differs between two projects. `disconnected` are the data sources that have a connection no more."""

    data_sources: Changes
    pipes: Changes
    connections: Changes
    disconnected: tuple[str, ...] = ()

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
        tuple(
            sorted(
                name
                for name in live.data_sources.keys() & wanted.data_sources.keys()
                if live.data_sources[name].connector and not wanted.data_sources[name].connector
            )
        ),
    )


def _changes(live: Mapping[str, object], wanted: Mapping[str, object]) -> Changes:
    both = live.keys() & wanted.keys()
    return Changes(
        tuple(sorted(wanted.keys() - live.keys())),
        tuple(sorted(name for name in both if live[name] != wanted[name])),
        tuple(sorted(live.keys() - wanted.keys())),
    )
