"""The life of deployments in one workspace: checked, staged beside what is live, promoted or discarded.

Until its promotion a deployment has changed nothing that is live; the promotion is one transaction of the metadata
store and the exchange of one snapshot. What nobody names any more is removed a while later, when no reader can use it
any longer, and at the next start.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from stonechat.auth.tokens import TokenRegistry
from stonechat.deploy.exchange import Exchange
from stonechat.deploy.history import (
    DeploymentRecord,
    Status,
    UnknownDeployment,
    deployment,
    record_begun,
    record_files,
)
from stonechat.deploy.plan import Plan, pipe_of_view
from stonechat.deploy.preparation import Preparation, prepare
from stonechat.deploy.removal import Removal
from stonechat.deploy.restore import snapshot_of
from stonechat.deploy.rollout import Rollout
from stonechat.deploy.staging import Writing
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.project.live import Candidate, LiveProject
from stonechat.project.model import Project
from stonechat.project.places import keep_places
from stonechat.project.workspaces import Workspace, assign_identities
from stonechat.state import StateStore
from stonechat.telemetry.recorder import Telemetry

_log = structlog.get_logger(__name__)
_FLUSH_SECONDS = 10.0


class DeploymentInProgress(StonechatError):
    """Another deployment of the workspace has not ended yet."""

    code = "SC703"
    kind = Kind.CONFLICT


class NotACandidate(StonechatError):
    """The deployment cannot be promoted or discarded: it is live, or has ended, or is not ready yet."""

    code = "SC706"
    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a deployment did or, for a check, would do. `deployment_id` is None when there is none."""

    prepared: Preparation
    deployment_id: int | None
    ended: Future[None] | None = None


class Deployer:
    """Deploys projects into one workspace.

    `secrets` are the workspace's, by name, as they are at the moment of asking. A candidate that nobody promotes is
    discarded after `staging_seconds`; 0 means never. `grace_seconds` is that of `Removal`.
    """

    def __init__(
        self,
        live: LiveProject,
        store: StateStore,
        engine: Engine,
        tokens: TokenRegistry,
        writing: Writing,
        *,
        secrets: Mapping[str, str],
        telemetry: Telemetry,
        staging_seconds: float = 0.0,
        grace_seconds: float = 0.0,
    ) -> None:
        self._live = live
        self._store = store
        self._engine = engine
        self._writing = writing
        self._secrets = secrets
        self._staging_seconds = staging_seconds
        self._removal = Removal(live, engine, grace_seconds)
        self._exchange = Exchange(live, store, engine, tokens, writing, removal=self._removal)
        self._one_at_a_time = threading.Lock()
        self._rollout = Rollout(
            live,
            store,
            engine,
            writing,
            telemetry,
            exchange=self._exchange,
            removal=self._removal,
            staged=self._discard_later,
            ended=self._one_at_a_time.release,
        )

    @property
    def workspace(self) -> Workspace:
        """Where it deploys."""
        return self._live.snapshot.workspace

    def deploy(
        self,
        files: Mapping[str, str],
        *,
        check: bool = False,
        allow_destructive: bool = False,
        auto_promote: bool = True,
    ) -> Outcome:
        """Begin a deployment and wait for its end; with `check` only say what it would do.

        Raises what `begin` does, and what ended the deployment; see `Staging.run`.
        """
        outcome = self.begin(files, check=check, allow_destructive=allow_destructive, auto_promote=auto_promote)
        if outcome.ended is not None:
            outcome.ended.result()
        return outcome

    def begin(self, files: Mapping[str, str], *, check: bool, allow_destructive: bool, auto_promote: bool) -> Outcome:
        """Begin a deployment, which a thread of its own carries out; with `check` only say what it would do.

        Raises `InvalidProject` with every problem found, or `DeploymentInProgress`: then nothing has changed.
        """
        self._enter()
        try:
            outcome = self._begin(files, check=check, allow_destructive=allow_destructive, auto_promote=auto_promote)
        except BaseException:
            self._one_at_a_time.release()
            raise
        if outcome.deployment_id is None:
            self._one_at_a_time.release()
            return outcome
        ended = self._rollout.begin(outcome.deployment_id, lambda: outcome.prepared.plan)
        return replace(outcome, ended=ended)

    def resume(self) -> None:
        """Go on with a deployment that the end of the process cut short, or wait on for its promotion."""
        candidate = self._live.candidate
        if candidate is None:
            return
        record = deployment(self._store, self.workspace.id, candidate.snapshot.deployment_id)
        if not candidate.ready:
            self._enter()
            self._rollout.begin(record.id, lambda: self._plan_again(candidate.snapshot.project))
        elif record.auto_promote:
            with self.exclusive():
                self._exchange.promote(candidate.snapshot)
        else:
            self._discard_later(record)

    def _plan_again(self, wanted: Project) -> Plan:
        return prepare(self._live.snapshot, wanted, self._engine, self._live.neighbours, allow_destructive=True).plan

    def _begin(self, files: Mapping[str, str], *, check: bool, allow_destructive: bool, auto_promote: bool) -> Outcome:
        """Find what a deployment has to do, and keep it as the candidate."""
        shared = self._live.snapshot.project.shared
        wanted = Project.from_files(files, self._secrets, secrets_required=True, shared=shared)
        prepared = prepare(
            self._live.snapshot, wanted, self._engine, self._live.neighbours, allow_destructive=allow_destructive
        )
        if check:
            return Outcome(prepared, None)
        self._require_no_candidate()
        if not prepared.difference:
            self._keep_files(wanted)
            return Outcome(prepared, None)
        return Outcome(prepared, self._stage(wanted, auto_promote=auto_promote))

    def promote(self, identity: int) -> None:
        """Make the candidate live. Raises `UnknownDeployment`, `NotACandidate` or `DeploymentInProgress`."""
        with self.exclusive():
            record = deployment(self._store, self.workspace.id, identity)
            candidate = self._live.candidate
            if candidate is None or candidate.snapshot.deployment_id != identity or not candidate.ready:
                raise NotACandidate(
                    f"The deployment '{identity}' cannot be promoted: it is {_told(record)}",
                    hint="Only a deployment that is ready beside the live one can be.",
                )
            self._exchange.promote(candidate.snapshot)

    def discard(self, identity: int) -> None:
        """End a candidate, under way or ready. Raises `UnknownDeployment`, or `NotACandidate` for the live one.

        One that is under way ends at its next step, in the thread that carries it out. One that has ended stays so.
        """
        record = deployment(self._store, self.workspace.id, identity)
        if record.live:
            raise NotACandidate(
                f"The deployment '{identity}' is live", hint="Deploy another project; the live one goes then."
            )
        if not record.is_candidate:
            return
        if self._one_at_a_time.acquire(blocking=False):
            try:
                self._exchange.discard(identity, Status.DELETED)
            finally:
                self._one_at_a_time.release()
        else:
            self._rollout.cancel(identity)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Within it no deployment of the workspace begins. Raises `DeploymentInProgress` where one runs."""
        self._enter()
        try:
            yield
        finally:
            self._one_at_a_time.release()

    def close(self) -> None:
        """Interrupt what runs; it goes on after the next start."""
        self._rollout.interrupt()
        self._removal.stop()
        self._rollout.wait()

    def _enter(self) -> None:
        if not self._one_at_a_time.acquire(blocking=False):
            raise DeploymentInProgress("Another deployment is in progress", hint="Wait for it to end and try again.")
        self._rollout.expect()

    def _require_no_candidate(self) -> None:
        candidate = self._live.candidate
        if candidate is not None:
            raise DeploymentInProgress(
                f"The deployment {candidate.snapshot.deployment_id} has neither been promoted nor discarded",
                hint="Promote or discard it first.",
            )

    def _keep_files(self, wanted: Project) -> None:
        """Files that mean what is live already, in other words."""
        before = self._live.snapshot
        if wanted.files == before.project.files:
            return
        with self._store.transaction() as connection:
            record_files(connection, before.deployment_id, wanted.files)
        self._live.promote(snapshot_of(self.workspace, self._store, wanted, before.deployment_id))

    def _stage(self, wanted: Project, *, auto_promote: bool) -> int:
        live = self._live.snapshot
        names = [*wanted.data_sources, *wanted.pipes]
        others = [name for name in (*live.project.data_sources, *live.project.pipes) if name not in names]
        kept = (
            *(live.project.data_sources.keys() & wanted.data_sources.keys()),
            *(live.project.pipes.keys() & wanted.pipes.keys()),
        )
        carried = {name: place for name, place in live.places.items() if pipe_of_view(name) in kept}
        self._writing.flush(_FLUSH_SECONDS)
        with self._store.transaction() as connection:
            identity = record_begun(connection, self.workspace.id, wanted.files, auto_promote=auto_promote)
            assign_identities(connection, self.workspace.id, [*names, *others], changed=())
            keep_places(connection, self.workspace.id, identity, carried)
        snapshot = replace(snapshot_of(self.workspace, self._store, wanted, identity), staged=True)
        self._live.stage(Candidate(snapshot))
        return identity

    def _discard_later(self, record: DeploymentRecord) -> None:
        """Discard a candidate that nobody has promoted in time."""
        if not self._staging_seconds:
            return

        def discard() -> None:
            with suppress(UnknownDeployment, NotACandidate):
                _log.warning("nobody promoted the deployment in time", deployment=record.id)
                self.discard(record.id)

        waited = (datetime.now(UTC) - datetime.fromisoformat(f"{record.updated_at}+00:00")).total_seconds()
        self._removal.later(max(self._staging_seconds - waited, 0.0), discard)


def _told(record: DeploymentRecord) -> str:
    return "live" if record.live else str(record.status)
