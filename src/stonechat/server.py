"""The composition root: builds the parts of a server in the order in which they need each other."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self

import structlog
import uvicorn
import uvloop

from stonechat.auth.limits import RateLimit
from stonechat.auth.secrets import SecretBox
from stonechat.auth.tokens import MIGRATIONS as TOKEN_MIGRATIONS
from stonechat.auth.tokens import TokenRegistry
from stonechat.auth.variables import MIGRATIONS as VARIABLE_MIGRATIONS
from stonechat.auth.variables import Variables
from stonechat.deploy.history import MIGRATIONS as DEPLOYMENT_MIGRATIONS
from stonechat.deploy.history import forget_deployments
from stonechat.deploy.retention import QuarantineRetention
from stonechat.deploy.workspaces import Workspaces, restore_all
from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import Engine, QueryLimits
from stonechat.errors import Kind, StonechatError
from stonechat.http import (
    analyze,
    connections,
    contents,
    copies,
    datasources,
    deployments,
    documentation,
    events,
    examples,
    imports,
    local,
    metrics,
    openapi,
    pipes,
    quarantine,
    queries,
    sql_tools,
    variables,
    workspaces,
)
from stonechat.http import jobs as job_routes
from stonechat.http import tokens as token_routes
from stonechat.http.application import application
from stonechat.http.authentication import Authenticator
from stonechat.http.contents import ContentsRoom
from stonechat.http.imports import Imports
from stonechat.http.openapi import EndpointDocuments
from stonechat.http.repeats import Repeats
from stonechat.http.snapshots import Snapshots
from stonechat.http.targets import Targets
from stonechat.ingest.ingestion import Ingestion, IngestionSettings
from stonechat.ingest.routing import LiveDestinations
from stonechat.ingest.writer import BlockLimits
from stonechat.jobs.contents import Contents
from stonechat.jobs.copies import Copier, CopyLimits
from stonechat.jobs.deletions import deletion_kind
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
from stonechat.jobs.swaps import complete_swaps
from stonechat.project.places import MIGRATIONS as PLACE_MIGRATIONS
from stonechat.project.places import forget_places
from stonechat.project.versions import DataVersions
from stonechat.project.workspaces import MIGRATIONS as WORKSPACE_MIGRATIONS
from stonechat.query.execute import QueryBounds, QueryService
from stonechat.query.storage import storage_readings
from stonechat.settings import Settings
from stonechat.state import StateStore
from stonechat.telemetry.metrics import Metrics, Readings
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
_SHUTDOWN_SECONDS = 10
_QUEUE_SECONDS = 10
"""How long a query waits for a connection at most."""
_WRITERS_AT_ONCE = 4
"""Imports, truncations and deletions that callers wait for; further ones wait for these."""


class PortTaken(StonechatError):
    """The address to listen on is in use or not this machine's."""

    code = "SC901"
    kind = Kind.CONFLICT


class UnusableHome(StonechatError):
    """The data folder cannot be made or written."""

    code = "SC902"
    kind = Kind.INVALID


class Server:
    """A server over one data folder. Construction restores what was live and replays the write-ahead log."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        with contextlib.ExitStack() as undo:
            home = _prepared(settings.home)
            self.engine = ChdbEngine(
                home / "engine",
                server_memory_bytes=settings.engine_memory_bytes,
                reader_connections=settings.query_connections,
            )
            undo.callback(self.engine.close)
            self.store = StateStore(f"sqlite:///{home / 'state.sqlite'}", _MIGRATIONS)
            undo.callback(self.store.close)
            box = SecretBox(home / "secret.key")
            self.tokens = TokenRegistry(self.store, box)
            self.variables = Variables(self.store, box)
            self.versions = DataVersions()
            complete_swaps(self.store, self.engine)
            self.projects = restore_all(self.store, self.engine, self.variables.secrets)
            self.telemetry = Telemetry(
                ServiceTables(self.engine, settings.telemetry_days),
                partial(storage_readings, self.engine, self.projects),
                records=settings.telemetry,
            )
            undo.callback(self.telemetry.close)
            self.ingestion = Ingestion.open(
                home / "log", self.engine, LiveDestinations(self.projects, self.versions), _ingestion_settings(settings)
            )
            undo.callback(self.ingestion.close)
            self.contents = Contents(
                self.engine, self.store, self.ingestion, self.projects, self.versions, telemetry=self.telemetry
            )
            self.importer = Importer(
                self.engine,
                self.ingestion,
                self.contents,
                self.projects,
                self.telemetry,
                folder=home / "imports",
                limits=_import_limits(settings),
            )
            self.threads = ThreadPoolExecutor(_WRITERS_AT_ONCE, "contents")
            undo.callback(self.threads.shutdown)
            copier = Copier(
                self.engine,
                self.contents,
                Publisher(self.ingestion, LiveDestinations(self.projects, self.versions)),
                self.projects,
                self.telemetry,
                limits=CopyLimits(settings.copy_seconds, settings.copy_memory_bytes),
            )
            copier.recover(JobStore(self.store))
            retrier = QuarantineRetrier(self.contents, self.ingestion, self.projects, self.telemetry, home / "imports")
            self.jobs = JobRunner(
                self.store,
                [self.importer.kind, copier.kind, deletion_kind(self.contents), retrier.kind],
                threads=max(settings.job_threads, 1),
                changed=JobRecorder(self.telemetry, self.projects),
            )
            undo.callback(self.jobs.close)
            self.workspaces = Workspaces(
                self.store,
                self.engine,
                self.tokens,
                self.projects,
                self.ingestion,
                secrets=self.variables.secrets,
                end_jobs=self.jobs.end_all,
                forget=(self.variables.forget, forget_deployments, forget_places, forget_jobs, forget_schedules),
                telemetry=self.telemetry,
                staging_seconds=settings.staging_hours * 3600,
                grace_seconds=settings.query_seconds + _QUEUE_SECONDS,
            )
            undo.callback(self.workspaces.close)
            self.queries = QueryService(
                self.engine, self.versions, _query_bounds(settings), catch_up=self.telemetry.catch_up
            )
            undo.callback(self.queries.close)
            self.schedules = CopySchedules(self.store, self.projects, self.jobs)
            undo.callback(self.schedules.close)
            self.workspaces.resume()
            retention = QuarantineRetention(self.engine, settings.quarantine_days)
            undo.callback(retention.close)
            retention.start()
            self.jobs.start()
            self.schedules.start()
            self._undo = undo.pop_all()

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

    def _readings(self) -> Readings:
        log, blocks = self.ingestion.log_counters, self.ingestion.block_counters
        return Readings(
            counters={
                "log_bytes_written": ("Bytes written to the write-ahead log", lambda: log.bytes_written),
                "log_syncs": ("Syncs of the write-ahead log", lambda: log.syncs),
                "log_failures": ("Groups of events that could not be written to the log", lambda: log.failures),
                "blocks": ("Blocks of events committed", lambda: blocks.blocks),
                "committed_rows": ("Rows of events committed, without those in quarantine", lambda: blocks.rows),
                "refused_rows": ("Rows that passed the check and that the engine refused", lambda: blocks.refused_rows),
                "view_failures": ("Blocks for which a materialized view failed", lambda: blocks.view_failures),
                "orphaned_rows": ("Rows put aside because their data source was gone", lambda: blocks.orphaned_rows),
            },
            gauges={
                "log_bytes": ("Size of the write-ahead log", lambda: self.ingestion.log_bytes),
                "pending_bytes": ("Events taken and not committed yet", lambda: self.ingestion.pending_bytes),
                "queries": ("Queries that run or wait", lambda: self.queries.pending),
                "cache_bytes": ("Size of the answers that are kept", lambda: self.queries.cached_bytes),
                "telemetry_waiting": ("Rows that wait for the service data sources", lambda: self.telemetry.waiting),
                "workspaces": ("Workspaces", lambda: len(self.projects.all())),
            },
        )

    async def serve(self, *, when_ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Answer HTTP until SIGINT or SIGTERM. `when_ready` runs beside it once the port is open."""
        listener = _listener(self.settings)
        self.settings = replace(self.settings, port=listener.getsockname()[1])
        authenticator = Authenticator(self.tokens, RateLimit(self.settings.max_requests_per_second), self.projects)
        snapshots = Snapshots(self.projects)
        repeats = Repeats(authenticator, snapshots, self.queries)
        targets = Targets(snapshots, self.settings.missing_is_forbidden)
        frequent = events.routes(
            authenticator,
            snapshots,
            self.ingestion,
            self.telemetry,
            max_body_bytes=self.settings.max_body_bytes,
        )
        app = application(
            [
                *frequent,
                *pipes.routes(authenticator, snapshots, self.schedules),
                *openapi.routes(authenticator, snapshots, EndpointDocuments(self.engine)),
                *documentation.routes(),
                *examples.routes(authenticator, snapshots),
                *datasources.routes(authenticator, snapshots, self.engine, self.ingestion.unknown_fields),
                *imports.routes(
                    authenticator,
                    Imports(self.importer, self.jobs, self.engine, self.threads),
                    targets,
                    max_upload_bytes=self.settings.max_upload_bytes,
                ),
                *quarantine.routes(authenticator, targets, self.engine, self.jobs),
                *contents.routes(
                    authenticator, targets, ContentsRoom(self.contents, self.jobs, self.engine, self.threads)
                ),
                *connections.routes(authenticator, snapshots),
                *copies.routes(authenticator, snapshots, self.jobs, self.schedules),
                *queries.routes(authenticator, snapshots, self.queries, repeats),
                *sql_tools.routes(authenticator, self.engine),
                *analyze.routes(
                    authenticator,
                    self.engine,
                    max_body_bytes=self.settings.max_body_bytes,
                    url_seconds=self.settings.url_seconds,
                    private_allowed=self.settings.allow_private_urls,
                ),
                *deployments.routes(authenticator, self.workspaces, self.store),
                *job_routes.routes(authenticator, self.jobs),
                *token_routes.routes(authenticator, snapshots, self.tokens, self.queries.check_filter),
                *variables.routes(authenticator, self.variables),
                *workspaces.routes(authenticator, self.workspaces, self.tokens),
                *metrics.routes(
                    authenticator,
                    Metrics(self.telemetry, self._readings()),
                    lambda: self.workspaces.default.snapshot.workspace.id,
                    open_to_all=self.settings.open_metrics,
                ),
                *local.routes(self.workspaces, self.tokens, local_tokens=self.settings.local_tokens),
            ],
            self.telemetry,
            repeats,
            frequent,
        )
        config = uvicorn.Config(
            app,
            loop="none",
            http="httptools",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        http = _HttpServer(config)
        _collect_garbage_rarely()
        serving = asyncio.create_task(http.serve(sockets=[listener]))
        beside = asyncio.create_task(_when(http, when_ready)) if when_ready else None
        with _stopping_on_signals(http):
            await serving
        if beside is not None:
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)


def run(work: Coroutine[None, None, None]) -> None:
    """Run what serves on an event loop of its own, to its end. uvicorn chooses none: its own start is not used."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


@contextlib.contextmanager
def throwaway_engine() -> Iterator[Engine]:
    """An engine over an empty folder, both gone at the end: to try a project out without a server."""
    with tempfile.TemporaryDirectory(prefix="stonechat-") as folder:
        memory = Settings().engine_memory_bytes
        engine = ChdbEngine(Path(folder) / "engine", server_memory_bytes=memory, reader_connections=1)
        with contextlib.closing(engine):
            yield engine


class _HttpServer(uvicorn.Server):
    """uvicorn without its own signal handlers: they end the process by the signal, not with exit code 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _collect_garbage_rarely() -> None:
    """What the start has made stays for good, and requests leave no cycles: most collections would find nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


async def _when(http: uvicorn.Server, ready: Callable[[], Awaitable[None]]) -> None:
    while not http.started:  # noqa: ASYNC110 - uvicorn has a flag and no event
        await asyncio.sleep(0.01)
    await ready()


@contextlib.contextmanager
def _stopping_on_signals(http: uvicorn.Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        http.force_exit = http.should_exit  # the second signal does not wait for open requests
        http.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _prepared(home: Path) -> Path:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        return home.resolve()
    except OSError as error:
        raise UnusableHome(f"Cannot use {home} as the data folder: {error.strerror}") from error


def _listener(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it: without, an answer's second packet waits 40 ms for the first one's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}", hint="Choose another with --port."
        ) from error
    return listener


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
    return QueryBounds(limits, settings.query_connections, settings.query_queue, settings.cache_bytes)
