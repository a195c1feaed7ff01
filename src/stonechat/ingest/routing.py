"""Finds the tables of a data source in what is live, and tells readers when they have changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from stonechat.ingest.destinations import Destination
from stonechat.project.live import LiveProjects, Snapshot
from stonechat.project.versions import DataVersions, affected_by_writes


class LiveDestinations:
    """The destinations of the live projects, by data source id; made anew after each deployment."""

    def __init__(self, projects: LiveProjects, versions: DataVersions) -> None:
        self._projects = projects
        self._versions = versions
        self._made_for: Sequence[Snapshot] = ()
        self._known: dict[str, Destination] = {}

    def __call__(self, identity: str) -> Destination | None:
        """The destination of a data source; None when it is not live any more."""
        snapshots = [live.snapshot for live in self._projects.all()]
        if snapshots != self._made_for:
            self._known = dict(item for snapshot in snapshots for item in self._made(snapshot))
            self._made_for = snapshots
        return self._known.get(identity)

    def _made(self, snapshot: Snapshot) -> list[tuple[str, Destination]]:
        affected = affected_by_writes(snapshot.project)
        return [
            (
                snapshot.identities[name].id,
                Destination.of(
                    source,
                    database=snapshot.table(name).database,
                    table=name,
                    changed=partial(self._versions.raise_for, snapshot.workspace.id, affected[name]),
                ),
            )
            for name, source in snapshot.project.data_sources.items()
        ]
