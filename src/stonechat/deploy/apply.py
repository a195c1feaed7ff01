"""Making a project live, all or nothing.

Steps before the switch can be undone and are undone when one fails; the switch is one transaction of the metadata
store; steps after it only remove what the live project does not name any more, and are repeated at the next start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import assert_never

import structlog

from stonechat.auth.access import Scope, ScopeType
from stonechat.auth.tokens import TokenRegistry
from stonechat.datafile.resources import TokenGrant
from stonechat.deploy.ddl import backfill, create_quarantine, create_table, create_view, drop_table
from stonechat.deploy.diff import Difference, SchemaChangeRefused, compare, refusals
from stonechat.deploy.history import record_live
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
    make_plan,
)
from stonechat.deploy.rehearsal import rehearse
from stonechat.deploy.restore import remove_strays, snapshot_of
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.project.live import LiveProject
from stonechat.project.model import InvalidProject, Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.workspaces import Workspace, assign_identities
from stonechat.state import StateStore

_log = structlog.get_logger(__name__)


class DeploymentInProgress(StonechatError):
    """Another deployment of the workspace has not ended yet."""

    code = "SC703"
    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a deployment did or, for a check, would do. `deployment_id` is None when nothing went live."""

    difference: Difference
    plan: Plan
    deployment_id: int | None


class Deployer:
    """Deploys projects into one workspace. `writing_paused` holds blocks back while steps run that may not meet one.

    `secrets` are the workspace's, by name, as they are at the moment of asking.
    """

    def __init__(
        self,
        workspace: Workspace,
        store: StateStore,
        engine: Engine,
        tokens: TokenRegistry,
        writing_paused: Callable[[], AbstractContextManager[None]],
        *,
        secrets: Mapping[str, str],
    ) -> None:
        self._workspace = workspace
        self._store = store
        self._engine = engine
        self._tokens = tokens
        self._writing_paused = writing_paused
        self._secrets = secrets
        self._one_at_a_time = threading.Lock()

    def deploy(
        self, live: LiveProject, files: Mapping[str, str], *, check: bool = False, allow_destructive: bool = False
    ) -> Outcome:
        """Bring `files` live, or with `check` only say what that would do. Blocks for as long as it takes.

        Raises `InvalidProject` with every problem found, or `DeploymentInProgress`; what is live is then untouched.
        """
        with self.exclusive():
            before = live.snapshot.project
            wanted = Project.from_files(files, self._secrets, secrets_required=True)
            difference = compare(before, wanted)
            if problems := list(refusals(before, wanted, difference, allow_destructive=allow_destructive)):
                raise InvalidProject(problems, files)
            plan = make_plan(before, wanted, difference)
            if difference and (problems := rehearse(wanted, self._engine)):
                raise InvalidProject(problems, files)
            if check or not difference:
                return Outcome(difference, plan, None)
            return Outcome(difference, plan, self._make_live(live, wanted, difference, plan))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Within it no deployment of the workspace begins. Raises `DeploymentInProgress` where one runs."""
        if not self._one_at_a_time.acquire(blocking=False):
            raise DeploymentInProgress("Another deployment is in progress", hint="Wait for it to end and try again.")
        try:
            yield
        finally:
            self._one_at_a_time.release()

    def _make_live(self, live: LiveProject, wanted: Project, difference: Difference, plan: Plan) -> int:
        remove_strays(self._engine, [live.snapshot])
        with self._writing_paused():
            done: list[Step] = []
            try:
                for step in plan.before:
                    done.append(step)
                    self._run(step)
                deployment_id = self._record(wanted, difference)
            except BaseException:
                for step in reversed(done):
                    self._undo(step)
                raise
            self._tokens.refresh()
            live.promote(snapshot_of(self._workspace, self._store, wanted, deployment_id))
        for step in plan.after:
            self._run(step)
        _log.info("deployed", deployment=deployment_id, steps=len(plan.steps))
        return deployment_id

    def _record(self, wanted: Project, difference: Difference) -> int:
        names = [*wanted.data_sources, *wanted.pipes]
        changed = [*difference.data_sources.changed, *difference.pipes.changed]
        with self._store.transaction() as connection:
            assign_identities(connection, self._workspace.id, names, changed=changed)
            self._tokens.replace_grants(connection, self._workspace.id, _grants(wanted))
            return record_live(connection, self._workspace.id, wanted.files)

    def _run(self, step: Step) -> None:
        database = self._workspace.database
        match step:
            case CreateDataSource(source):
                self._command(create_table(source, database))
                self._command(create_quarantine(source, database))
            case CreateView(pipe, target, statement):
                self._command(create_view(pipe.name, target, statement, database))
            case Backfill(view):
                self._backfill(view)
            case CloneDataSource() | RewriteDataSource() | RenewDataSource():
                raise SchemaChangeRefused(f"The data source '{step.source.name}' cannot be changed yet")
            case DropView(name):
                self._command(drop_table(name, database))
            case DropDataSource(name):
                self._command(drop_table(name, database))
                self._command(drop_table(name + QUARANTINE_SUFFIX, database))
            case _:
                assert_never(step)

    def _undo(self, step: Step) -> None:
        database = self._workspace.database
        match step:
            case CreateDataSource(source):
                self._run(DropDataSource(source.name))
            case CreateView(pipe):
                self._command(drop_table(pipe.name, database))
            case (
                Backfill() | DropView() | DropDataSource() | CloneDataSource() | RewriteDataSource() | RenewDataSource()
            ):
                pass  # a backfill's target goes with its table; drops run after the switch only
            case _:
                assert_never(step)

    def _backfill(self, view: CreateView) -> None:
        described = self._engine.fetch(f"DESCRIBE ({view.statement})", database=self._workspace.database)
        columns = tuple(str(row["name"]) for row in described)
        self._command(backfill(view.pipe.name, view.target, columns, view.statement, self._workspace.database))

    def _command(self, statement: str) -> None:
        self._engine.command(statement, database=self._workspace.database)


def _grants(project: Project) -> list[tuple[str, Scope]]:
    grants = [
        (grant.token, _scope(grant, source.name, ScopeType.READ_DATA_SOURCE))
        for source in project.data_sources.values()
        for grant in source.tokens
    ]
    grants += [
        (grant.token, _scope(grant, pipe.name, ScopeType.READ_PIPE))
        for pipe in project.pipes.values()
        for grant in pipe.tokens
    ]
    return grants


def _scope(grant: TokenGrant, resource: str, read: ScopeType) -> Scope:
    return Scope(read if grant.permission == "READ" else ScopeType.APPEND_DATA_SOURCE, resource)
