"""Finds the tables of a data source in what is live, and tells readers when they have changed."""

from __future__ import annotations

from functools import partial

from stonechat.ingest.destinations import Destination
from stonechat.project.live import LiveProject, Snapshot
from stonechat.project.versions import DataVersions, affected_by_writes


class LiveDestinations:
    """The destinations of the live project, by data source id; made anew after each deployment."""

    def __init__(self, live: LiveProject, versions: DataVersions) -> None:
        self._live = live
        self._versions = versions
        self._made_for: Snapshot | None = None
        self._known: dict[str, Destination] = {}

    def __call__(self, identity: str) -> Destination | None:
        """The destination of a data source; None when it is not live any more."""
        snapshot = self._live.snapshot
        if snapshot is not self._made_for:
            self._known = dict(self._made(snapshot))
            self._made_for = snapshot
        return self._known.get(identity)

    def _made(self, snapshot: Snapshot) -> list[tuple[str, Destination]]:
        affected = affected_by_writes(snapshot.project)
        return [
            (
                snapshot.identities[name].id,
                Destination.of(
                    source,
                    database=snapshot.workspace.database,
                    table=name,
                    changed=partial(self._versions.raise_for, affected[name]),
                ),
            )
            for name, source in snapshot.project.data_sources.items()
        ]
