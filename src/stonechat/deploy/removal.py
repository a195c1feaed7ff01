"""What deployments leave behind, removed a while later: until then somebody may still read it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from stonechat.deploy.restore import remove_strays
from stonechat.engine.contract import Engine
from stonechat.errors import StonechatError
from stonechat.project.live import LiveProject
from stonechat.project.snapshot import Snapshot

_log = structlog.get_logger(__name__)


class Removal:
    """Removes the tables of one workspace that no snapshot names any more. Any thread may call.

    They are kept for `grace_seconds`, which should be more than a query waits and runs.
    """

    def __init__(self, live: LiveProject, engine: Engine, grace_seconds: float) -> None:
        self._live = live
        self._engine = engine
        self._grace_seconds = grace_seconds
        #: Held while tables are made or removed.
        self.tables = threading.Lock()
        self._retired: list[Snapshot] = []
        self._timers: set[threading.Timer] = set()
        self._stopping = False

    def retire(self, snapshot: Snapshot) -> None:
        """Keep the tables of a snapshot that is not served any more until it is removed."""
        self._retired.append(snapshot)

    def remove_later(self, retired: Snapshot | None = None) -> None:
        """Remove what nobody names, a retired snapshot's tables included, when the time is over."""

        def remove() -> None:
            with self.tables:
                if retired in self._retired:
                    self._retired.remove(retired)
                candidate = self._live.candidate
                # What a deployment under way has not noted yet looks like a stray; it calls here again at its end.
                if not self._stopping and (candidate is None or candidate.ready):
                    self._remove_strays()

        self.later(self._grace_seconds, remove)

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Do some work after so many seconds, unless the server stops before."""

        def run() -> None:
            self._timers.discard(timer)
            if self._stopping:
                return
            try:
                work()
            except StonechatError as error:
                _log.warning("tables are left for the next start to remove", reason=error.message)

        timer = threading.Timer(seconds, run)
        timer.daemon = True
        self._timers.add(timer)
        timer.start()

    def stop(self) -> None:
        """Leave the rest for the next start."""
        self._stopping = True
        for timer in list(self._timers):
            timer.cancel()

    def _remove_strays(self) -> None:
        live, candidate = self._live.served
        snapshots = [live, *([candidate.snapshot] if candidate else []), *self._retired]
        remove_strays(self._engine, snapshots)
