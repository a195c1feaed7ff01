"""The service data sources about data: what came in, went out and was changed, and the jobs that did it."""

from __future__ import annotations

from stonechat.project.service_schema import ServiceDataSource, columns

OPERATIONS = (
    ServiceDataSource(
        "datasources_ops_log",
        columns("""
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
    ),
    ServiceDataSource(
        "datasources_ops_stats",
        columns("""
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
    ),
    ServiceDataSource(
        "datasources_storage",
        columns("""
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
    ),
    ServiceDataSource(
        "block_log",
        columns("""
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
    ),
    ServiceDataSource(
        "jobs_log",
        columns("""
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
    ),
    ServiceDataSource(
        "kafka_ops_log",
        columns("""
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
    ),
    ServiceDataSource(
        "sinks_ops_log",
        columns("""
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
    ),
    ServiceDataSource(
        "data_transfer",
        columns("""
            timestamp DateTime
            event String
            direction String
            kind String
            workspace_id String
            bytes UInt64
        """),
        engine="Null",
    ),
)
"""A view comes after what it reads."""
