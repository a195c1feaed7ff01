"""Finds the tables of a data source in what is live, and tells readers when they have changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from stonechat.datafile.resources import DataSource
from stonechat.ingest.destinations import Destination
from stonechat.project.live import Candidate, LiveProjects
from stonechat.project.snapshot import Snapshot
from stonechat.project.versions import DataVersions, affected_by_writes


class LiveDestinations:
    """The destinations of the live projects and their candidates, by data source id; made anew when one changes."""

    def __init__(self, projects: LiveProjects, versions: DataVersions) -> None:
        self._projects = projects
        self._versions = versions
        self._made_for: Sequence[tuple[Snapshot, Candidate | None]] = ()
        self._known: dict[str, Destination] = {}

    def __call__(self, identity: str) -> Destination | None:
        """The destination of a data source; None when it is not served any more."""
        served = [live.served for live in self._projects.all()]
        if served != self._made_for:
            self._known = dict(item for each in served for item in self._made(*each))
            self._made_for = served
        return self._known.get(identity)

    def _made(self, live: Snapshot, candidate: Candidate | None) -> Iterator[tuple[str, Destination]]:
        snapshots = [live, candidate.snapshot] if candidate else [live]
        affected = [affected_by_writes(each.project) for each in snapshots]
        for name, source in live.project.data_sources.items():
            destination = self._destination(live, source, affected)
            if name in live.places:
                yield _own_route(live, name), destination
            if candidate is not None and candidate.has_its_own(name, live):
                staged = candidate.snapshot
                other = self._destination(staged, staged.project.data_sources[name], affected)
                yield _own_route(staged, name), other
                destination = replace(destination, beside=(other,))
            yield live.identities[name].id, destination
        if candidate is not None:
            for name in candidate.snapshot.project.data_sources.keys() - live.project.data_sources.keys():
                if candidate.has_its_own(name, live):
                    source = candidate.snapshot.project.data_sources[name]
                    destination = self._destination(candidate.snapshot, source, affected)
                    yield candidate.snapshot.identities[name].id, destination
                    yield _own_route(candidate.snapshot, name), destination

    def _destination(
        self, snapshot: Snapshot, source: DataSource, affected: Sequence[Mapping[str, frozenset[str]]]
    ) -> Destination:
        name, workspace = source.name, snapshot.workspace
        changed = frozenset[str]().union(*(each.get(name, frozenset()) for each in affected))
        database = snapshot.table(name).database
        return Destination.of(
            source,
            database=database,
            table=name,
            changed=partial(self._versions.raise_for, workspace.id, changed),
            boundary=snapshot.boundary(name),
            version=database.removeprefix(workspace.database),
        )


def _own_route(snapshot: Snapshot, name: str) -> str:
    """See `Snapshot.route`."""
    return replace(snapshot, staged=True).route(name)
