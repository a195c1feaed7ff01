"""The workspaces of a server from their making to their deletion. What each serves is in `project.live`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import sqlalchemy as sa
import structlog

from stonechat.auth.tokens import TokenRegistry
from stonechat.deploy.apply import Deployer
from stonechat.deploy.rehearsal import remove_leftovers
from stonechat.deploy.restore import restore
from stonechat.deploy.staging import Writing
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.project.live import LiveProject, LiveProjects
from stonechat.project.workspaces import (
    DATABASE_PREFIX,
    DEFAULT_WORKSPACE_NAME,
    Workspace,
    all_workspaces,
    create_workspace,
    default_workspace,
    forget_workspace,
)
from stonechat.sql.quoting import identifier, literal
from stonechat.state import StateStore
from stonechat.telemetry.deployments import record_deployment
from stonechat.telemetry.recorder import Telemetry

_log = structlog.get_logger(__name__)

Secrets = Callable[[str], Mapping[str, str]]
Forget = Callable[[sa.Connection, str], None]
"""Forgets what an owner of tables keeps of a workspace, by its id, inside the transaction that deletes it."""

_FLUSH_SECONDS = 10.0


class WorkspaceNotDeletable(StonechatError):
    """Rows for the workspace are still on their way."""

    code = "SC730"
    kind = Kind.CONFLICT


def restore_all(store: StateStore, engine: Engine, secrets: Secrets) -> LiveProjects:
    """What each workspace served when the server stopped; data of workspaces that are gone is removed.

    The first workspace is made if there is none.
    """
    default_workspace(store)
    remove_leftovers(engine)
    workspaces = all_workspaces(store)
    query = f"SELECT name FROM system.databases WHERE startsWith(name, {literal(DATABASE_PREFIX)})"
    for name in (str(row["name"]) for row in engine.fetch(query)):
        if not any(name.startswith(workspace.database) for workspace in workspaces):
            _log.warning("removing a database that no workspace stands for", database=name)
            _drop(engine, name)
    return LiveProjects(restore(each, store, engine, secrets(each.id)) for each in workspaces)


class Workspaces:
    """Makes and deletes workspaces, and has the deployer of each. Serves any thread.

    `empty` takes out of a workspace what no deployment takes out of it: the secrets.
    """

    def __init__(
        self,
        store: StateStore,
        engine: Engine,
        tokens: TokenRegistry,
        projects: LiveProjects,
        writing: Writing,
        *,
        secrets: Secrets,
        end_jobs: Callable[[str], None],
        forget: Sequence[Forget],
        empty: Callable[[str], None],
        telemetry: Telemetry,
        staging_seconds: float = 0.0,
        grace_seconds: float = 0.0,
    ) -> None:
        self._store = store
        self._engine = engine
        self._tokens = tokens
        self._projects = projects
        self._writing = writing
        self._secrets = secrets
        self._end_jobs = end_jobs
        self._forget = (*forget, tokens.forget, forget_workspace)
        self._empty = empty
        self._first_is_listed = True
        self._telemetry = telemetry
        self._staging_seconds = staging_seconds
        self._grace_seconds = grace_seconds
        self._changing = threading.Lock()
        self._deployers: dict[str, Deployer] = {}
        for project in projects.all():
            self._open(project)

    @property
    def default(self) -> LiveProject:
        """The live project of the first workspace, which is always there."""
        named = (live for live in self._projects.all() if live.snapshot.workspace.name == DEFAULT_WORKSPACE_NAME)
        return next(named)

    def all(self) -> Sequence[Workspace]:
        """Every workspace, the oldest first, without the first one where it was deleted and not made again."""
        found = (live.snapshot.workspace for live in self._projects.all())
        return [each for each in found if self._first_is_listed or each.name != DEFAULT_WORKSPACE_NAME]

    def live(self, workspace_id: str) -> LiveProject:
        """The live project of a workspace. Raises `UnknownWorkspace`."""
        return self._projects.of(workspace_id)

    def deployer(self, workspace_id: str) -> Deployer:
        """Deploys into a workspace. Raises `UnknownWorkspace`."""
        self._projects.of(workspace_id)
        return self._deployers[workspace_id]

    def create(self, name: str) -> Workspace:
        """Make an empty workspace with its admin tokens. Raises `InvalidWorkspaceName` or `WorkspaceExists`."""
        with self._changing:
            if name == DEFAULT_WORKSPACE_NAME and not self._first_is_listed:
                self._first_is_listed = True
                return self.default.snapshot.workspace
            workspace = create_workspace(self._store, name)
            project = restore(workspace, self._store, self._engine, self._secrets(workspace.id))
            self._open(project)
            self._tokens.make_admins(workspace.id)
            self._projects.add(project)
        return workspace

    def delete(self, workspace_id: str) -> None:
        """Delete a workspace with its data, tokens and all else. Raises `UnknownWorkspace`, `WorkspaceNotDeletable` or
        `DeploymentInProgress`; then nothing has changed.

        The first one is emptied: it keeps its id and its tokens, and is not listed until it is made again, or the
        server started. What is staged in it is discarded first.
        """
        with self._changing:
            workspace = self._projects.of(workspace_id).snapshot.workspace
            if workspace.name == DEFAULT_WORKSPACE_NAME:
                self._empty_first(workspace)
                return
            with self._deployers[workspace_id].exclusive():
                self._end_jobs(workspace_id)
                if not self._writing.flush(_FLUSH_SECONDS):
                    raise WorkspaceNotDeletable("Rows are still being committed", hint="Try again in a moment.")
                with self._writing.paused():
                    with self._store.transaction() as connection:
                        for forget in self._forget:
                            forget(connection, workspace_id)
                    self._projects.remove(workspace_id)
                    self._tokens.refresh(workspace_id)
                self._deployers.pop(workspace_id).close()
        self._telemetry.forget(workspace)
        query = f"SELECT name FROM system.databases WHERE startsWith(name, {literal(workspace.database)})"
        for row in self._engine.fetch(query):
            _drop(self._engine, str(row["name"]))

    def _empty_first(self, workspace: Workspace) -> None:
        deployer, candidate = self._deployers[workspace.id], self.default.candidate
        if candidate is not None:
            deployer.discard(candidate.snapshot.deployment_id)
        with deployer.exclusive():  # one that is under way has to end first
            self._end_jobs(workspace.id)
        deployer.deploy({}, allow_destructive=True)
        self._empty(workspace.id)
        self._first_is_listed = False

    def resume(self) -> None:
        """Go on with the deployments that the end of the process cut short."""
        for deployer in list(self._deployers.values()):
            deployer.resume()

    def close(self) -> None:
        """Interrupt the deployments that run; they go on after the next start."""
        for deployer in list(self._deployers.values()):
            deployer.close()

    def _open(self, project: LiveProject) -> None:
        workspace = project.snapshot.workspace
        self._tokens.admin(workspace.id)
        project.promoted = partial(record_deployment, self._telemetry)
        self._deployers[workspace.id] = Deployer(
            project,
            self._store,
            self._engine,
            self._tokens,
            self._writing,
            secrets=self._secrets(workspace.id),
            telemetry=self._telemetry,
            staging_seconds=self._staging_seconds,
            grace_seconds=self._grace_seconds,
        )


def _drop(engine: Engine, database: str) -> None:
    engine.command(f"DROP DATABASE IF EXISTS {identifier(database)} SYNC")
