"""How long quarantined rows stay: a TTL of every quarantine, brought to what the settings say.

Tables are made with a TTL of their own and cloned with it, so a change of the setting, and new tables, are noticed by
looking. The engine removes expired rows when it merges, some hours later at most.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import structlog

from stonechat.engine.contract import Engine, EngineFailure
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.snapshot import Table
from stonechat.project.workspaces import DATABASE_PREFIX
from stonechat.sql.quoting import literal

_log = structlog.get_logger(__name__)

_LOOK_SECONDS = 60.0


class QuarantineRetention:
    """Keeps rows of the quarantines of all workspaces for `days`, or for ever with 0."""

    def __init__(self, engine: Engine, days: int) -> None:
        self._engine = engine
        self._days = days
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Look now, and then every minute."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def apply(self) -> int:
        """Give every quarantine its TTL; how many had another."""
        changed = 0
        for table in self._others():
            lasting = f"MODIFY TTL {self._ttl}" if self._days else "REMOVE TTL"
            try:
                self._engine.command(f"ALTER TABLE {table} {lasting} SETTINGS mutations_sync = 0, alter_sync = 0")
                changed += 1
            except EngineFailure as failure:  # it may be gone since
                _log.warning("a quarantine keeps its TTL", table=str(table), reason=failure.message)
        return changed

    @property
    def _ttl(self) -> str:
        return f"insertion_date + toIntervalDay({self._days})"

    def _others(self) -> Iterator[Table]:
        wanted = f" TTL {self._ttl} "
        known = f"position(engine_full, {literal(wanted)}) > 0" if self._days else "position(engine_full, ' TTL ') = 0"
        rows = self._engine.fetch(
            f"SELECT database, name FROM system.tables WHERE startsWith(database, {literal(DATABASE_PREFIX)}) "
            f"AND endsWith(name, {literal(QUARANTINE_SUFFIX)}) AND engine = 'MergeTree' AND NOT ({known})"
        )
        return (Table(str(row["database"]), str(row["name"])) for row in rows)

    def _run(self) -> None:
        while True:
            try:
                self.apply()
            except EngineFailure as failure:
                _log.warning("quarantines could not be looked through", reason=failure.message)
            if self._stopping.wait(_LOOK_SECONDS):
                return
