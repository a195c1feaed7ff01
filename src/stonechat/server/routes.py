"""All that a server answers, on top of its parts."""

from __future__ import annotations

from starlette.types import ASGIApp

from stonechat.auth.limits import RateLimit
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
from stonechat.http.application import application, paths_of
from stonechat.http.authentication import Authenticator
from stonechat.http.bodies import BodyRoom
from stonechat.http.contents import ContentsRoom
from stonechat.http.deployment_jobs import DeploymentJobs
from stonechat.http.direct import DirectAnswers
from stonechat.http.familiar import FamiliarRequests
from stonechat.http.imports import Imports
from stonechat.http.minimum import MinimumDeployment
from stonechat.http.openapi import EndpointDocuments
from stonechat.http.snapshots import Snapshots
from stonechat.http.targets import Targets
from stonechat.server.parts import Parts
from stonechat.telemetry.metrics import Metrics, Readings


def application_of(parts: Parts) -> tuple[ASGIApp, DirectAnswers]:
    """The application with every route, and what answers requests that are like earlier ones without it."""
    authenticator = Authenticator(parts.tokens, RateLimit(parts.settings.max_requests_per_second), parts.projects)
    snapshots = Snapshots(parts.projects)
    familiar = FamiliarRequests(authenticator, parts.projects, parts.queries)
    targets = Targets(snapshots, parts.settings.missing_is_forbidden)
    routes = [
        *events.routes(
            authenticator,
            snapshots,
            parts.ingestion,
            parts.telemetry,
            max_body_bytes=parts.settings.max_body_bytes,
        ),
        *pipes.routes(authenticator, snapshots, parts.schedules),
        *openapi.routes(authenticator, snapshots, EndpointDocuments(parts.engine, parts.documents)),
        *documentation.routes(),
        *examples.routes(authenticator, snapshots),
        *datasources.routes(authenticator, snapshots, parts.engine, parts.ingestion.unknown_fields),
        *imports.routes(
            authenticator,
            Imports(parts.importer, parts.jobs, parts.engine, parts.threads),
            targets,
            max_upload_bytes=parts.settings.max_upload_bytes,
        ),
        *quarantine.routes(authenticator, targets, parts.engine, parts.jobs),
        *contents.routes(authenticator, targets, ContentsRoom(parts.contents, parts.jobs, parts.engine, parts.threads)),
        *connections.routes(authenticator, snapshots),
        *copies.routes(authenticator, snapshots, parts.jobs, parts.schedules),
        *queries.routes(authenticator, snapshots, parts.queries, familiar),
        *sql_tools.routes(authenticator, parts.queries),
        *analyze.routes(
            authenticator,
            parts.engine,
            max_body_bytes=parts.settings.max_body_bytes,
            url_seconds=parts.settings.url_seconds,
            private_allowed=parts.settings.allow_private_urls,
        ),
        *deployments.routes(authenticator, parts.workspaces, parts.store),
        *job_routes.routes(authenticator, parts.jobs, DeploymentJobs(parts.store, parts.workspaces)),
        *token_routes.routes(authenticator, snapshots, parts.tokens, parts.queries.check_filter),
        *variables.routes(authenticator, parts.variables),
        *workspaces.routes(authenticator, parts.workspaces, parts.tokens),
        *metrics.routes(
            authenticator,
            Metrics(parts.telemetry, _readings(parts)),
            lambda: parts.workspaces.default.snapshot.workspace.id,
            open_to_all=parts.settings.open_metrics,
        ),
        *local.routes(parts.workspaces, parts.tokens, local_tokens=parts.settings.local_tokens),
    ]
    bodies = BodyRoom(parts.settings.max_bodies_bytes)
    app = application(routes, parts.telemetry, MinimumDeployment(authenticator, parts.projects), bodies)
    return app, DirectAnswers(familiar, authenticator, parts.queries, parts.telemetry, paths_of(routes))


def _readings(parts: Parts) -> Readings:
    log, blocks = parts.ingestion.log_counters, parts.ingestion.block_counters
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
            "log_bytes": ("Size of the write-ahead log", lambda: parts.ingestion.log_bytes),
            "pending_bytes": ("Events taken and not committed yet", lambda: parts.ingestion.pending_bytes),
            "queries": ("Queries that run or wait", lambda: parts.queries.pending),
            "cache_bytes": ("Size of the answers that are kept", lambda: parts.queries.cached_bytes),
            "telemetry_waiting": ("Rows that wait for the service data sources", lambda: parts.telemetry.waiting),
            "workspaces": ("Workspaces", lambda: len(parts.projects.all())),
        },
    )
