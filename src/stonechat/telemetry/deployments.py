"""Deployments as operations on data sources."""

from __future__ import annotations

from collections.abc import Iterator

from stonechat.project.snapshot import Snapshot
from stonechat.telemetry.events import DataSourceOperation
from stonechat.telemetry.recorder import Telemetry


def record_deployment(telemetry: Telemetry, before: Snapshot, after: Snapshot) -> None:
    """Record which data sources came, changed and went when one snapshot followed another."""
    for operation in _operations(before, after):
        telemetry.record(after.workspace, operation)


def _operations(before: Snapshot, after: Snapshot) -> Iterator[DataSourceOperation]:
    old, new = before.project.data_sources, after.project.data_sources
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield _operation("delete", before, name)
        elif name not in old:
            yield _operation("create", after, name)
        elif old[name] != new[name]:
            yield _operation("alter", after, name)


def _operation(event_type: str, snapshot: Snapshot, name: str) -> DataSourceOperation:
    identity = snapshot.identities[name].id
    tags = snapshot.project.data_sources[name].tags
    return DataSourceOperation(event_type=event_type, datasource_id=identity, datasource_name=name, resource_tags=tags)
