"""Deployments carried out: each in a thread of its own, until it is live, waits for its promotion, or has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import structlog

from stonechat.deploy.exchange import Exchange
from stonechat.deploy.history import DeploymentRecord, Status, deployment, record_status
from stonechat.deploy.plan import Plan
from stonechat.deploy.removal import Removal
from stonechat.deploy.staging import Staging, Writing
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.project.live import Candidate, LiveProject
from stonechat.state import StateStore
from stonechat.telemetry.recorder import Telemetry

_log = structlog.get_logger(__name__)
_STOP_SECONDS = 15.0


class DeploymentCancelled(StonechatError):
    """Somebody discarded the deployment while it was under way."""

    code = "SC707"
    kind = Kind.CONFLICT


class DeploymentInterrupted(StonechatError):
    """The server stops; the deployment goes on after the next start."""

    code = "SC708"
    kind = Kind.UNAVAILABLE


class Rollout:
    """Carries the deployments of one workspace out, one at a time: its caller sees to that.

    `staged` hears of one that waits for its promotion, `ended` of the end of each.
    """

    def __init__(
        self,
        live: LiveProject,
        store: StateStore,
        engine: Engine,
        writing: Writing,
        telemetry: Telemetry,
        *,
        exchange: Exchange,
        removal: Removal,
        staged: Callable[[DeploymentRecord], None],
        ended: Callable[[], None],
    ) -> None:
        self._live = live
        self._store = store
        self._engine = engine
        self._writing = writing
        self._telemetry = telemetry
        self._exchange = exchange
        self._removal = removal
        self._staged = staged
        self._ended = ended
        self._thread: threading.Thread | None = None
        self._cancelled = False
        self._stopping = False

    def expect(self) -> None:
        """Before a deployment begins: from here on `cancel` means that one."""
        self._cancelled = False

    def begin(self, identity: int, plan: Callable[[], Plan]) -> Future[None]:
        """Carry a deployment out whose plan is made in the thread. The future has what ended it."""
        ended: Future[None] = Future()

        def work() -> None:
            try:
                self._carry_out(identity, plan)
            except BaseException as error:
                failure: BaseException | None = error
            else:
                failure = None
            self._ended()
            if failure is None:
                ended.set_result(None)
            else:
                ended.set_exception(failure)

        self._thread = threading.Thread(target=work, name="deployment", daemon=True)
        self._thread.start()
        return ended

    def cancel(self, identity: int) -> None:
        """End the one that is under way, at its next step."""
        self._cancelled = True
        self._engine.cancel(f"deployment-{identity}")

    def interrupt(self) -> None:
        """Let none go on; the next start does."""
        self._stopping = True

    def wait(self) -> None:
        """Wait for the one that was interrupted, but not for ever."""
        thread, candidate = self._thread, self._live.candidate
        if thread is not None and thread.is_alive() and candidate is not None:
            self._engine.cancel(f"deployment-{candidate.snapshot.deployment_id}")
            thread.join(_STOP_SECONDS)

    def _carry_out(self, identity: int, plan: Callable[[], Plan]) -> None:
        workspace = self._live.snapshot.workspace.id
        record = deployment(self._store, workspace, identity)
        try:
            staging = Staging(
                self._store,
                self._engine,
                self._writing,
                self._live,
                plan(),
                progress=record.progress,
                populations=record.populations,
                telemetry=self._telemetry,
                going_on=self._going_on,
            )
            with self._removal.tables:
                staging.run()
            self._going_on()
            assert self._live.candidate is not None
            snapshot = self._live.candidate.snapshot
            with self._store.transaction() as connection:
                record_status(connection, identity, Status.DATA_READY)
            self._live.stage(Candidate(snapshot, ready=True))
        except BaseException as error:
            if self._stopping:
                raise DeploymentInterrupted("The server stops") from error
            if self._cancelled:
                self._exchange.discard(identity, Status.DELETED)
                raise DeploymentCancelled("The deployment was discarded") from error
            _log.warning("a deployment failed", deployment=identity, reason=str(error))
            self._exchange.discard(identity, Status.FAILED, [_error(error)])
            raise
        self._removal.remove_later()
        if record.auto_promote:
            self._exchange.promote(snapshot)
        else:
            self._staged(deployment(self._store, workspace, identity))

    def _going_on(self) -> None:
        if self._cancelled:
            raise DeploymentCancelled("The deployment was discarded")
        if self._stopping:
            raise DeploymentInterrupted("The server stops")


def _error(error: BaseException) -> Mapping[str, Any]:
    if isinstance(error, StonechatError):
        position = error.position
        return {"filename": position.file if position else "", "error": str(error), "code": error.code}
    return {"filename": "", "error": "Internal error; the server's log has the details"}
