"""The service data sources: what a workspace can read about itself, as `tinybird.<name>`.

Their names and columns are a contract with clients; `docs/reference/service-data-sources.md` describes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

NAMESPACE = "tinybird"
"""The database that statements name; where the tables really are depends on the workspace."""


@dataclass(frozen=True, slots=True)
class ServiceDataSource:
    """One of them: its columns by name with their types, and how the engine keeps it.

    A row goes `kept_days` after the time that `expires_after` says, or stays if that is empty. `view` is a SELECT over
    another service data source (its name in braces) that fills this one. The engine `Null` stands for one that clients
    ask for and this server has nothing to tell in.
    """

    name: str
    columns: Mapping[str, str]
    sorting_key: str = ""
    engine: str = "MergeTree"
    partition_by: str = ""
    expires_after: str = ""
    kept_days: int = 0
    view: str = ""


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


def _columns(text: str) -> Mapping[str, str]:
    return {name: kind for line in text.strip().splitlines() for name, kind in [line.strip().split(None, 1)]}


_PIPE_STATS_RT = ServiceDataSource(
    "pipe_stats_rt",
    _columns("""
        start_datetime DateTime
        pipe_id String
        pipe_name String
        token String
        token_name String
        duration Float32
        read_bytes UInt64
        read_rows UInt64
        cpu_time Float32
        result_rows UInt64
        url Nullable(String)
        error UInt8
        error_message Nullable(String)
        status_code Int32
        request_id String
        parameters Map(String, String)
        method String
        release String
        user_agent Nullable(String)
        client_ip Nullable(String)
        resource_tags Array(String)
        memory_usage UInt64
        replica String
    """),
    sorting_key="pipe_id, start_datetime",
    partition_by="toYYYYMM(start_datetime)",
    expires_after="start_datetime",
    kept_days=90,
)

_PIPE_STATS = ServiceDataSource(
    "pipe_stats",
    _columns("""
        date DateTime
        pipe_id String
        pipe_name String
        avg_duration_state AggregateFunction(avg, Float32)
        error_count UInt64
        view_count UInt64
        quantile_timing_state AggregateFunction(quantilesTiming(0.9, 0.95, 0.99), Float64)
        read_bytes_sum UInt64
        read_rows_sum UInt64
        cpu_time_sum Float64
        resource_tags Array(String)
    """),
    sorting_key="pipe_id, pipe_name, date",
    engine="SummingMergeTree",
    view="""
        SELECT toDateTime(toStartOfDay(start_datetime)) AS date, pipe_id, pipe_name,
            avgState(toFloat32(duration * 1000)) AS avg_duration_state,
            sum(error) AS error_count, count() AS view_count,
            quantilesTimingState(0.9, 0.95, 0.99)(toFloat64(duration) * 1000) AS quantile_timing_state,
            sum(read_bytes) AS read_bytes_sum, sum(read_rows) AS read_rows_sum,
            sum(toFloat64(cpu_time)) AS cpu_time_sum, any(resource_tags) AS resource_tags
        FROM {pipe_stats_rt} GROUP BY date, pipe_id, pipe_name
    """,
)

_DATASOURCES_OPS_LOG = ServiceDataSource(
    "datasources_ops_log",
    _columns("""
        timestamp DateTime
        event_type String
        datasource_id String
        datasource_name String
        result String
        elapsed_time Float32
        error Nullable(String)
        Options.Names Array(String)
        Options.Values Array(String)
        request_id String
        import_id Nullable(String)
        job_id Nullable(String)
        rows Nullable(UInt64)
        rows_quarantine Nullable(UInt64)
        blocks_ids Array(String)
        operation_id String
        read_rows UInt64
        read_bytes UInt64
        cpu_time Float32
        memory_usage UInt64
        written_rows UInt64
        written_bytes UInt64
        written_rows_quarantine UInt64
        written_bytes_quarantine UInt64
        pipe_id String
        pipe_name String
        release String
        resource_tags Array(String)
    """),
    sorting_key="datasource_id, timestamp",
    partition_by="toYYYYMM(timestamp)",
    expires_after="timestamp",
    kept_days=90,
)

_DATASOURCES_OPS_STATS = ServiceDataSource(
    "datasources_ops_stats",
    _columns("""
        event_date Date
        event_type String
        datasource_id String
        datasource_name String
        pipe_id String
        pipe_name String
        executions UInt64
        error_count UInt64
        avg_elapsed_time_state AggregateFunction(avg, Float32)
        quantiles_state AggregateFunction(quantilesTiming(0.9, 0.95, 0.99), Float64)
        rows UInt64
        rows_quarantine UInt64
        read_rows UInt64
        read_bytes UInt64
        written_rows UInt64
        written_bytes UInt64
        written_rows_quarantine UInt64
        written_bytes_quarantine UInt64
    """),
    sorting_key="event_date, event_type, datasource_id, datasource_name, pipe_id, pipe_name",
    engine="SummingMergeTree",
    view="""
        SELECT toDate(timestamp) AS event_date, event_type, datasource_id, datasource_name, pipe_id, pipe_name,
            count() AS executions, countIf(result = 'error') AS error_count,
            avgState(toFloat32(elapsed_time * 1000)) AS avg_elapsed_time_state,
            quantilesTimingState(0.9, 0.95, 0.99)(toFloat64(elapsed_time) * 1000) AS quantiles_state,
            sum(ifNull(log.rows, 0)) AS rows, sum(ifNull(log.rows_quarantine, 0)) AS rows_quarantine,
            sum(log.read_rows) AS read_rows, sum(log.read_bytes) AS read_bytes,
            sum(log.written_rows) AS written_rows, sum(log.written_bytes) AS written_bytes,
            sum(log.written_rows_quarantine) AS written_rows_quarantine,
            sum(log.written_bytes_quarantine) AS written_bytes_quarantine
        FROM {datasources_ops_log} AS log
        GROUP BY event_date, event_type, datasource_id, datasource_name, pipe_id, pipe_name
    """,
)

_ENDPOINT_ERRORS = ServiceDataSource(
    "endpoint_errors",
    _columns("""
        start_datetime DateTime
        request_id String
        pipe_id String
        pipe_name String
        params Nullable(String)
        url Nullable(String)
        status_code Nullable(Int32)
        error Nullable(String)
        resource_tags Array(String)
    """),
    sorting_key="pipe_id, start_datetime",
    partition_by="toYYYYMM(start_datetime)",
    expires_after="start_datetime",
    kept_days=30,
)

_KAFKA_OPS_LOG = ServiceDataSource(
    "kafka_ops_log",
    _columns("""
        timestamp DateTime
        datasource_id String
        topic String
        partition Int16
        msg_type String
        lag Int64
        processed_messages Int32
        processed_bytes Int32
        committed_messages Int32
        time_read Float32
        time_process Float32
        time_write Float32
        msg String
    """),
    sorting_key="datasource_id, timestamp",
    partition_by="toYYYYMM(timestamp)",
    expires_after="timestamp",
    kept_days=30,
)

_DATASOURCES_STORAGE = ServiceDataSource(
    "datasources_storage",
    _columns("""
        datasource_id String
        datasource_name String
        timestamp DateTime
        bytes SimpleAggregateFunction(max, UInt64)
        rows SimpleAggregateFunction(max, UInt64)
        bytes_quarantine SimpleAggregateFunction(max, UInt64)
        rows_quarantine SimpleAggregateFunction(max, UInt64)
    """),
    sorting_key="datasource_id, datasource_name, timestamp",
    engine="AggregatingMergeTree",
    partition_by="toYYYYMM(timestamp)",
    expires_after="timestamp",
    kept_days=90,
)

_BLOCK_LOG = ServiceDataSource(
    "block_log",
    _columns("""
        timestamp DateTime
        request_id String
        import_id String
        job_id Nullable(String)
        source String
        block_id String
        status String
        datasource_id String
        datasource_name String
        start_offset Nullable(Int64)
        end_offset Nullable(Int64)
        rows Nullable(Int32)
        parser Nullable(String)
        quarantine_lines Nullable(UInt32)
        empty_lines Nullable(UInt32)
        bytes Nullable(UInt32)
        processing_time Nullable(Float32)
        processing_error Nullable(String)
    """),
    sorting_key="datasource_id, timestamp",
    partition_by="toYYYYMM(timestamp)",
    expires_after="timestamp",
    kept_days=90,
)

_JOBS_LOG = ServiceDataSource(
    "jobs_log",
    _columns("""
        job_id String
        job_type String
        status String
        error Nullable(String)
        workspace_id String
        request_id Nullable(String)
        pipe_id Nullable(String)
        datasource_id Nullable(String)
        created_at DateTime64(3)
        started_at Nullable(DateTime64(3))
        updated_at DateTime64(3)
        job_metadata String
    """),
    sorting_key="job_id",
    engine="ReplacingMergeTree(updated_at)",
    expires_after="toDateTime(updated_at)",
    kept_days=90,
)

_SINKS_OPS_LOG = ServiceDataSource(
    "sinks_ops_log",
    _columns("""
        timestamp DateTime
        job_id String
        service String
        pipe_name String
        pipe_id String
        result String
        error Nullable(String)
        elapsed_time Float64
        read_rows UInt64
        written_rows UInt64
        read_bytes UInt64
        written_bytes UInt64
        cpu_time Float64
        output Array(String)
        parameters Map(String, String)
        options Map(String, String)
        token_name String
    """),
    sorting_key="pipe_id, timestamp",
    partition_by="toYYYYMM(timestamp)",
    expires_after="timestamp",
    kept_days=90,
)

_HFI_REQUESTS = ServiceDataSource(
    "hfi_requests",
    _columns("""
        timestamp DateTime
        datasource_id String
        datasource_name String
        requests UInt64
        errors UInt64
        rows UInt64
        rows_quarantine UInt64
        bytes UInt64
    """),
    sorting_key="datasource_id, timestamp",
    engine="MergeTree",
    partition_by="toYYYYMM(timestamp)",
    expires_after="timestamp",
    kept_days=30,
)

_BI_STATS_RT = ServiceDataSource(
    "bi_stats_rt",
    _columns("""
        start_datetime DateTime
        query String
        query_normalized String
        error_code Int32
        error String
        duration UInt64
        read_rows UInt64
        read_bytes UInt64
        result_rows UInt64
        result_bytes UInt64
    """),
    engine="Null",
)

_BI_STATS = ServiceDataSource(
    "bi_stats",
    _columns("""
        date Date
        database String
        query_normalized String
        view_count UInt64
        error_count UInt64
        avg_duration_state AggregateFunction(avg, Float32)
        quantile_timing_state AggregateFunction(quantilesTiming(0.9, 0.95, 0.99), Float64)
        read_bytes_sum UInt64
        read_rows_sum UInt64
        avg_result_rows_state AggregateFunction(avg, Float32)
        avg_result_bytes_state AggregateFunction(avg, Float32)
    """),
    engine="Null",
)

_DATA_TRANSFER = ServiceDataSource(
    "data_transfer",
    _columns("""
        timestamp DateTime
        event String
        direction String
        kind String
        workspace_id String
        bytes UInt64
    """),
    engine="Null",
)

_LLM_USAGE = ServiceDataSource(
    "llm_usage",
    _columns("""
        start_time DateTime
        end_time DateTime
        request_id String
        workspace_id String
        workspace_name String
        user_id String
        user_email String
        token_id String
        token_name String
        model String
        feature String
        prompt_tokens UInt64
        completion_tokens UInt64
        total_tokens UInt64
        duration Float32
        cost Float64
        origin String
        error Nullable(String)
    """),
    engine="Null",
)

SERVICE_DATA_SOURCES: Mapping[str, ServiceDataSource] = {
    source.name: source
    for source in (
        _PIPE_STATS_RT,
        _PIPE_STATS,
        _ENDPOINT_ERRORS,
        _DATASOURCES_OPS_LOG,
        _DATASOURCES_OPS_STATS,
        _DATASOURCES_STORAGE,
        _HFI_REQUESTS,
        _BLOCK_LOG,
        _JOBS_LOG,
        _KAFKA_OPS_LOG,
        _SINKS_OPS_LOG,
        _BI_STATS,
        _BI_STATS_RT,
        _DATA_TRANSFER,
        _LLM_USAGE,
    )
}
"""By name. A view comes after what it reads."""
