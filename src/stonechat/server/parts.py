"""The parts of a server, built in the order in which they need each other."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self

import structlog

from stonechat.auth.secrets import SecretBox
from stonechat.auth.token_table import MIGRATIONS as TOKEN_MIGRATIONS
from stonechat.auth.tokens import TokenRegistry
from stonechat.auth.variables import MIGRATIONS as VARIABLE_MIGRATIONS
from stonechat.auth.variables import Variables
from stonechat.deploy.history import MIGRATIONS as DEPLOYMENT_MIGRATIONS
from stonechat.deploy.history import forget_deployments
from stonechat.deploy.retention import QuarantineRetention
from stonechat.deploy.workspaces import Workspaces, restore_all
from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import QueryLimits
from stonechat.engine.table_settings import bring_older_tables_up
from stonechat.engine.token_logs import sync_refusal
from stonechat.errors import Kind, StonechatError
from stonechat.ingest.gathering import BlockLimits
from stonechat.ingest.ingestion import Ingestion, IngestionSettings
from stonechat.ingest.routing import LiveDestinations
from stonechat.jobs.contents import Contents
from stonechat.jobs.copies import Copier, CopyLimits
from stonechat.jobs.deletions import Deleter
from stonechat.jobs.imports import Importer, ImportLimits
from stonechat.jobs.publishing import Publisher
from stonechat.jobs.recording import JobRecorder
from stonechat.jobs.retries import QuarantineRetrier
from stonechat.jobs.runner import JobRunner
from stonechat.jobs.schedules import MIGRATIONS as SCHEDULE_MIGRATIONS
from stonechat.jobs.schedules import CopySchedules, forget_schedules
from stonechat.jobs.store import MIGRATIONS as JOB_MIGRATIONS
from stonechat.jobs.store import JobStore, forget_jobs
from stonechat.jobs.swaps import MIGRATIONS as SWAP_MIGRATIONS
from stonechat.jobs.swaps import complete_swaps, drop_all_staging
from stonechat.project.places import MIGRATIONS as PLACE_MIGRATIONS
from stonechat.project.places import forget_places
from stonechat.project.versions import DataVersions
from stonechat.project.workspaces import MIGRATIONS as WORKSPACE_MIGRATIONS
from stonechat.query.execute import QueryBounds, QueryService
from stonechat.query.storage import storage_readings
from stonechat.settings import Settings
from stonechat.state import StateStore
from stonechat.telemetry.recorder import Telemetry
from stonechat.telemetry.tables import ServiceTables

_log = structlog.get_logger(__name__)
_MIGRATIONS = (
    *WORKSPACE_MIGRATIONS,
    *TOKEN_MIGRATIONS,
    *DEPLOYMENT_MIGRATIONS,
    *PLACE_MIGRATIONS,
    *VARIABLE_MIGRATIONS,
    *JOB_MIGRATIONS,
    *SWAP_MIGRATIONS,
    *SCHEDULE_MIGRATIONS,
)

_QUEUE_SECONDS = 10
"""How long a query waits for a connection at most."""
_WRITERS_AT_ONCE = 4
"""Imports, truncations and deletions that callers wait for; further ones wait for these."""


class UnusableHome(StonechatError):
    """The data folder cannot be made or written."""

    code = "SC902"
    kind = Kind.INVALID


class Parts:
    """The parts of a server over one data folder, built in the order in which they need each other.

    Construction restores what was live and replays the write-ahead log.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        with contextlib.ExitStack() as undo:
            home = _prepared(settings.home)
            self._keep(home, undo)
            self._remember(home)
            self._observe(undo)
            self._write(home, undo)
            self._work(home, undo)
            self._deploy(undo)
            self._read(undo)
            self._start(undo)
            self._undo = undo.pop_all()

    def _keep(self, home: Path, undo: contextlib.ExitStack) -> None:
        """The engine with the rows, and the store with all that is known of them."""
        self.engine = ChdbEngine(
            home / "engine",
            server_memory_bytes=self.settings.engine_memory_bytes,
            reader_connections=self.settings.query_connections,
        )
        undo.callback(self.engine.close)
        bring_older_tables_up(self.engine)
        if reason := sync_refusal(home):
            _log.warning("a power loss may double rows: the file system syncs no single files", reason=reason)
        self.store = StateStore(f"sqlite:///{home / 'state.sqlite'}", _MIGRATIONS)
        undo.callback(self.store.close)

    def _remember(self, home: Path) -> None:
        """Tokens, secrets and the projects that were live. Exchanges of tables that were cut short are completed."""
        box = SecretBox(home / "secret.key")
        self.tokens = TokenRegistry(self.store, box)
        self.variables = Variables(self.store, box)
        self.versions = DataVersions()
        complete_swaps(self.store, self.engine)
        drop_all_staging(self.engine)
        self.projects = restore_all(self.store, self.engine, self.variables.secrets)

    def _observe(self, undo: contextlib.ExitStack) -> None:
        """What records calls, operations and jobs."""
        self.telemetry = Telemetry(
            ServiceTables(self.engine, self.settings.telemetry_days),
            partial(storage_readings, self.engine, self.projects),
            self.projects.tags,
            records=self.settings.telemetry,
        )
        undo.callback(self.telemetry.close)

    def _write(self, home: Path, undo: contextlib.ExitStack) -> None:
        """The write path of events, and the exchange of whole contents."""
        self.ingestion = Ingestion.open(
            home / "log",
            self.engine,
            LiveDestinations(self.projects, self.versions),
            _ingestion_settings(self.settings),
        )
        undo.callback(self.ingestion.close)
        self.contents = Contents(
            self.engine, self.store, self.ingestion, self.projects, self.versions, telemetry=self.telemetry
        )
        self.threads = ThreadPoolExecutor(_WRITERS_AT_ONCE, "contents")
        undo.callback(self.threads.shutdown)

    def _work(self, home: Path, undo: contextlib.ExitStack) -> None:
        """The jobs: imports, copies, deletions, retries of quarantined rows."""
        self.importer = Importer(
            self.engine,
            self.ingestion,
            self.contents,
            self.projects,
            self.telemetry,
            folder=home / "imports",
            limits=_import_limits(self.settings),
        )
        self.importer.remove_old(JobStore(self.store).unfinished())
        copier = Copier(
            self.engine,
            self.contents,
            Publisher(self.ingestion, LiveDestinations(self.projects, self.versions)),
            self.projects,
            self.telemetry,
            limits=CopyLimits(self.settings.copy_seconds, self.settings.copy_memory_bytes),
        )
        copier.recover(JobStore(self.store))
        deleter = Deleter(self.engine, self.ingestion, self.projects, self.versions, self.telemetry)
        retrier = QuarantineRetrier(self.contents, self.ingestion, self.projects, self.telemetry, home / "imports")
        self.jobs = JobRunner(
            self.store,
            [self.importer.kind, copier.kind, deleter.kind, retrier.kind],
            threads=max(self.settings.job_threads, 1),
            changed=JobRecorder(self.telemetry, self.projects),
        )
        undo.callback(self.jobs.close)

    def _deploy(self, undo: contextlib.ExitStack) -> None:
        """The workspaces, and what deploys into them."""
        self.workspaces = Workspaces(
            self.store,
            self.engine,
            self.tokens,
            self.projects,
            self.ingestion,
            secrets=self.variables.secrets,
            end_jobs=self.jobs.end_all,
            forget=(self.variables.forget, forget_deployments, forget_places, forget_jobs, forget_schedules),
            empty=self.variables.remove_all,
            telemetry=self.telemetry,
            staging_seconds=self.settings.staging_hours * 3600,
            grace_seconds=self.settings.query_seconds + _QUEUE_SECONDS,
        )
        undo.callback(self.workspaces.close)

    def _read(self, undo: contextlib.ExitStack) -> None:
        """The read path."""
        self.queries = QueryService(
            self.engine, self.versions, _query_bounds(self.settings), catch_up=self.telemetry.catch_up
        )
        undo.callback(self.queries.close)
        self.documents = ThreadPoolExecutor(1, "documents")
        undo.callback(self.documents.shutdown, wait=False, cancel_futures=True)  # what it asks ends with the engine

    def _start(self, undo: contextlib.ExitStack) -> None:
        """Go on with what the last stop cut short, and start what runs by itself."""
        self.schedules = CopySchedules(self.store, self.projects, self.jobs)
        undo.callback(self.schedules.close)
        self.workspaces.resume()
        retention = QuarantineRetention(self.engine, self.settings.quarantine_days)
        undo.callback(retention.close)
        retention.start()
        self.jobs.start()
        self.schedules.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def admin_token(self) -> str:
        """The value of the first workspace's admin token."""
        return self.tokens.admin(self.workspaces.default.snapshot.workspace.id).value

    def close(self) -> None:
        """Stop in the reverse order of the start: no new reads, commit what was taken, release the engine."""
        self._undo.close()


def _prepared(home: Path) -> Path:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        return home.resolve()
    except OSError as error:
        raise UnusableHome(f"Cannot use {home} as the data folder: {error.strerror}") from error


def _ingestion_settings(settings: Settings) -> IngestionSettings:
    return IngestionSettings(
        sync=settings.fsync,
        pending_bytes=settings.max_pending_bytes,
        log_bytes=settings.max_log_bytes,
        idempotency_keys=settings.idempotency_keys,
        blocks=BlockLimits(
            linger=settings.linger_milliseconds / 1000,
            quiet_linger=settings.quiet_linger_milliseconds / 1000,
            bulk_linger=settings.bulk_linger_milliseconds / 1000,
        ),
    )


def _import_limits(settings: Settings) -> ImportLimits:
    return ImportLimits(settings.max_file_bytes, settings.url_seconds, settings.allow_private_urls)


def _query_bounds(settings: Settings) -> QueryBounds:
    limits = QueryLimits(
        seconds=settings.query_seconds,
        memory_bytes=settings.query_memory_bytes,
        result_bytes=settings.query_result_bytes,
    )
    return QueryBounds(
        limits, settings.query_connections, settings.query_queue, settings.cache_bytes, settings.spool_bytes
    )
