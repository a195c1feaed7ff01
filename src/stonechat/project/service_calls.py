"""The service data sources about requests: who called what, and what came of it."""

from __future__ import annotations

from stonechat.project.service_schema import ServiceDataSource, columns

CALLS = (
    ServiceDataSource(
        "pipe_stats_rt",
        columns("""
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
    ),
    ServiceDataSource(
        "pipe_stats",
        columns("""
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
    ),
    ServiceDataSource(
        "endpoint_errors",
        columns("""
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
    ),
    ServiceDataSource(
        "hfi_requests",
        columns("""
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
    ),
    ServiceDataSource(
        "bi_stats",
        columns("""
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
    ),
    ServiceDataSource(
        "bi_stats_rt",
        columns("""
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
    ),
    ServiceDataSource(
        "llm_usage",
        columns("""
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
    ),
)
"""A view comes after what it reads."""
