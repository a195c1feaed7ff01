"""The service data sources: what a workspace can read about itself, as `tinybird.<name>`.

Their names and columns are a contract with clients; `docs/reference/service-data-sources.md` describes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stonechat.project.service_calls import CALLS
from stonechat.project.service_operations import OPERATIONS
from stonechat.project.service_schema import ServiceDataSource

NAMESPACE = "tinybird"
"""The database that statements name; where the tables really are depends on the workspace."""

SERVICE_DATA_SOURCES: Mapping[str, ServiceDataSource] = {source.name: source for source in (*CALLS, *OPERATIONS)}
"""By name. A view comes after what it reads."""


def service_database(database: str) -> str:
    """The engine's database of a workspace's service data sources, beside its own."""
    return f"{database}_service"


def qualified(name: str) -> str:
    """The name of a service data source as statements and scopes have it."""
    return f"{NAMESPACE}.{name}"


def service_data_sources_in(statement: str) -> Iterator[str]:
    """Which of them a statement may read, qualified. A superset: their names anywhere in the text count."""
    if NAMESPACE in statement:
        yield from (qualified(name) for name in SERVICE_DATA_SOURCES if name in statement)
