"""The moments in which what is served changes: one transaction of the metadata store, one exchange of a snapshot.

No block is in flight meanwhile, so that every event goes to the tables of before or to those of after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog

from stonechat.auth.tokens import TokenRegistry
from stonechat.datafile.resources import NodeType
from stonechat.deploy.ddl import drop_table
from stonechat.deploy.diff import compare
from stonechat.deploy.grants import grants_of
from stonechat.deploy.history import Status, record_live, record_status
from stonechat.deploy.plan import view_names
from stonechat.deploy.removal import Removal
from stonechat.deploy.restore import snapshot_of
from stonechat.deploy.staging import Writing
from stonechat.engine.contract import Engine
from stonechat.project.live import LiveProject
from stonechat.project.places import forget_places
from stonechat.project.snapshot import Snapshot, Table
from stonechat.project.workspaces import Workspace, assign_identities
from stonechat.state import StateStore

_log = structlog.get_logger(__name__)


class Exchange:
    """Promotes and discards the candidate of one workspace. One call at a time."""

    def __init__(
        self,
        live: LiveProject,
        store: StateStore,
        engine: Engine,
        tokens: TokenRegistry,
        writing: Writing,
        *,
        removal: Removal,
    ) -> None:
        self._live = live
        self._store = store
        self._engine = engine
        self._tokens = tokens
        self._writing = writing
        self._removal = removal

    def promote(self, snapshot: Snapshot) -> None:
        """Make a candidate that is ready what is live."""
        before, identity = self._live.snapshot, snapshot.deployment_id
        wanted = snapshot.project
        difference = compare(before.project, wanted)
        changed = [*difference.data_sources.changed, *difference.pipes.changed]
        with self._writing.paused():
            with self._store.transaction() as connection:
                names = [*wanted.data_sources, *wanted.pipes]
                assign_identities(connection, self._workspace.id, names, changed=changed)
                self._tokens.replace_grants(connection, self._workspace.id, grants_of(wanted))
                record_live(connection, self._workspace.id, identity)
                forget_places(connection, self._workspace.id, [before.deployment_id])
            self._tokens.refresh(self._workspace.id)
            after = snapshot_of(self._workspace, self._store, wanted, identity)
            self._live.promote(after)
            self._detach_views(before, after)
        _log.info("promoted", deployment=identity)
        self._removal.retire(before)
        self._removal.remove_later(before)

    def discard(self, identity: int, status: Status, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        """Let a deployment end that is not live, with that status."""
        candidate, live = self._live.candidate, self._live.snapshot
        with self._writing.paused():
            with self._store.transaction() as connection:
                record_status(connection, identity, status, errors=errors)
                forget_places(connection, self._workspace.id, [identity])
                names = [*live.project.data_sources, *live.project.pipes]
                assign_identities(connection, self._workspace.id, names, changed=())
            self._live.stage(None)
            if candidate is not None:
                self._detach_views(candidate.snapshot, live)
                self._removal.retire(candidate.snapshot)
        _log.info("discarded", deployment=identity, status=str(status))
        self._removal.remove_later(candidate.snapshot if candidate else None)

    def _detach_views(self, gone: Snapshot, kept: Snapshot) -> None:
        """Remove the views of a project that is not served any more: they would go on to fill its tables."""
        views = set(_views(kept))
        for view in _views(gone):
            if view not in views:
                self._engine.command(drop_table(view.name, view.database))

    @property
    def _workspace(self) -> Workspace:
        return self._live.snapshot.workspace


def _views(snapshot: Snapshot) -> Iterator[Table]:
    for pipe in snapshot.project.pipes_of_type(NodeType.MATERIALIZED):
        yield from map(snapshot.table, view_names(snapshot.project, pipe))
