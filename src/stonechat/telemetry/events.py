"""What can be recorded: one class for each service data source that is written directly.

The fields are the columns, under their names. Where defaults are left out, they are those of the columns. Times are
unix seconds. No field ever takes the value of a token or of a secret.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A row to be. `table` is the service data source that it belongs to."""

    table: ClassVar[str]


class PipeCall(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A call of an endpoint, or of the Query API. `token` is the token's id; `duration` is in seconds."""

    table: ClassVar[str] = "pipe_stats_rt"

    start_datetime: int
    pipe_id: str
    pipe_name: str
    token: str
    token_name: str
    duration: float
    status_code: int
    error: int = 0
    error_message: str | None = None
    read_bytes: int = 0
    read_rows: int = 0
    result_rows: int = 0
    url: str | None = None
    request_id: str = ""
    parameters: Mapping[str, str] = {}
    method: str = ""
    user_agent: str | None = None
    client_ip: str | None = None
    resource_tags: Sequence[str] = ()


class EndpointError(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A call that failed. `params` are its parameters as JSON."""

    table: ClassVar[str] = "endpoint_errors"

    start_datetime: int
    request_id: str
    pipe_id: str
    pipe_name: str
    params: str | None = None
    url: str | None = None
    status_code: int | None = None
    error: str | None = None
    resource_tags: Sequence[str] = ()


class DataSourceOperation(Event, frozen=True, kw_only=True):
    """An operation on a data source.

    `event_type` is create, append, append-hfi (the Events API, one row for what came in a short time), append-kafka,
    replace, delete, truncate, rename, populateview, copy, alter or deployment_backfill. `elapsed_time` is in seconds;
    `rows` are those that the operation affected, without those of `rows_quarantine`.
    """

    table: ClassVar[str] = "datasources_ops_log"

    event_type: str
    datasource_id: str
    datasource_name: str
    timestamp: int = msgspec.field(default_factory=lambda: int(time.time()))
    result: str = "ok"
    elapsed_time: float = 0.0
    error: str | None = None
    option_names: Sequence[str] = msgspec.field(default=(), name="Options.Names")
    option_values: Sequence[str] = msgspec.field(default=(), name="Options.Values")
    request_id: str = ""
    import_id: str | None = None
    job_id: str | None = None
    rows: int | None = None
    rows_quarantine: int | None = None
    operation_id: str = ""
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    written_rows_quarantine: int = 0
    written_bytes_quarantine: int = 0
    pipe_id: str = ""
    pipe_name: str = ""
    resource_tags: Sequence[str] = ()


class EventsRequests(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What the Events API took for one data source in a short time. `errors` are requests that failed."""

    table: ClassVar[str] = "hfi_requests"

    timestamp: int
    datasource_id: str
    datasource_name: str
    requests: int
    errors: int
    rows: int
    rows_quarantine: int
    bytes: int


class StoredRows(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What a data source holds, and its quarantine."""

    table: ClassVar[str] = "datasources_storage"

    timestamp: int
    datasource_id: str
    datasource_name: str
    bytes: int
    rows: int
    bytes_quarantine: int
    rows_quarantine: int


class ImportedBlock(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One block of an import. `source` is where it came from: a URL without its query, or `body`."""

    table: ClassVar[str] = "block_log"

    import_id: str
    block_id: str
    status: str
    datasource_id: str
    datasource_name: str
    timestamp: int = msgspec.field(default_factory=lambda: int(time.time()))
    request_id: str = ""
    job_id: str | None = None
    source: str = ""
    start_offset: int | None = None
    end_offset: int | None = None
    rows: int | None = None
    parser: str | None = None
    quarantine_lines: int | None = None
    empty_lines: int | None = None
    bytes: int | None = None
    processing_time: float | None = None
    processing_error: str | None = None


class JobState(Event, frozen=True, kw_only=True):
    """A job as it is after a change of its state. `job_metadata` is JSON."""

    table: ClassVar[str] = "jobs_log"

    job_id: str
    job_type: str
    status: str
    workspace_id: str
    created_at: float
    updated_at: float
    started_at: float | None = None
    error: str | None = None
    request_id: str | None = None
    pipe_id: str | None = None
    datasource_id: str | None = None
    job_metadata: str = "{}"


class SinkRun(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One run of a sink. `output` names what it wrote."""

    table: ClassVar[str] = "sinks_ops_log"

    timestamp: int
    job_id: str
    service: str
    pipe_name: str
    pipe_id: str
    result: str
    error: str | None = None
    elapsed_time: float = 0.0
    read_rows: int = 0
    written_rows: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    output: Sequence[str] = ()
    parameters: Mapping[str, str] = {}
    options: Mapping[str, str] = {}
    token_name: str = ""


class KafkaMessage(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What a Kafka consumer did, or met. `msg_type` is info, warning or error; times are in seconds."""

    table: ClassVar[str] = "kafka_ops_log"

    timestamp: int
    datasource_id: str
    topic: str
    partition: int
    msg_type: str
    lag: int = 0
    processed_messages: int = 0
    processed_bytes: int = 0
    committed_messages: int = 0
    time_read: float = 0.0
    time_process: float = 0.0
    time_write: float = 0.0
    msg: str = ""
