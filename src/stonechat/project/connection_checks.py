"""What can be wrong between data sources, sinks and the connections that they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from stonechat.datafile.resources import Connection, DataSource, Pipe
from stonechat.errors import suggestion
from stonechat.project.checks import ProjectProblem, instruction_position

_CONNECTION_TYPES: Mapping[str, tuple[str, ...]] = {
    "kafka_connection_name": ("kafka",),
    "import_connection_name": ("s3", "gcs", "dynamodb"),
    "pg_connection_name": ("postgres",),
    "export_connection_name": ("s3", "gcs", "kafka"),
}
"""The settings that name a connection, and the types that it may have."""


def wrong_connections(
    data_sources: Iterable[DataSource],
    pipes: Iterable[Pipe],
    connections: Mapping[str, Connection],
    known: AbstractSet[str],
    files: Mapping[str, str],
) -> Iterator[ProjectProblem]:
    """Settings that name a connection which does not exist, or is of another type than they need."""
    users = [(source.connector, source.position) for source in data_sources]
    users += [(node.options, node.position) for pipe in pipes for node in pipe.nodes]
    for settings, start in users:
        for key in sorted(settings.keys() & _CONNECTION_TYPES.keys()):
            name, place = settings[key], instruction_position(files, start, key.upper())
            allowed = ("kafka",) if "export_kafka_topic" in settings else _CONNECTION_TYPES[key]
            if name in connections and connections[name].type not in allowed:
                message = f"The connection '{name}' is of type {connections[name].type}"
                hint = f"{key.upper()} takes a connection of type {' or '.join(allowed)}"
                yield ProjectProblem(message, place, hint=hint)
            elif name not in known and "{{" not in name:
                message = f"The connection '{name}' does not exist"
                yield ProjectProblem(message, place, hint=suggestion(name, connections))


def shared_groups(data_sources: Iterable[DataSource], files: Mapping[str, str]) -> Iterator[ProjectProblem]:
    """Data sources that read a topic as members of one Kafka group, which divides the messages between them."""
    readers: dict[tuple[str, ...], DataSource] = {}
    for source in data_sources:
        keys = ("kafka_connection_name", "kafka_topic", "kafka_group_id")
        if not all(source.connector.get(key) for key in keys):
            continue
        first = readers.setdefault(tuple(source.connector[key] for key in keys), source)
        if first is not source:
            group = source.connector["kafka_group_id"]
            message = f"The Kafka group '{group}' reads the topic for the data source '{first.name}' already"
            hint = (
                "Give each data source a KAFKA_GROUP_ID of its own: a group divides the messages between its members."
            )
            yield ProjectProblem(message, instruction_position(files, source.position, "KAFKA_GROUP_ID"), hint=hint)
