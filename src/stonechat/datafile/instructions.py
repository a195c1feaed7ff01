"""The instructions of each kind of datafile, and those of the past."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class FileKind(Enum):
    """A kind of datafile; its value is the extension and the word that messages use."""

    DATASOURCE = "datasource"
    PIPE = "pipe"
    CONNECTION = "connection"


RENAMED: Mapping[str, str] = {
    "PARTITION_KEY": "ENGINE_PARTITION_KEY",
    "SORTING_KEY": "ENGINE_SORTING_KEY",
    "PRIMARY_KEY": "ENGINE_PRIMARY_KEY",
    "SAMPLING_KEY": "ENGINE_SAMPLING_KEY",
    "TTL": "ENGINE_TTL",
    "MODE": "COPY_MODE",
}
"""Older spellings, and what they are called now."""

_WORDS = {
    FileKind.DATASOURCE: """
        DESCRIPTION SCHEMA INDEXES TOKEN TAGS SHARED_WITH FORWARD_QUERY BACKFILL
        ENGINE ENGINE_SORTING_KEY ENGINE_PARTITION_KEY ENGINE_PRIMARY_KEY ENGINE_SAMPLING_KEY ENGINE_TTL ENGINE_SETTINGS
        ENGINE_VER ENGINE_IS_DELETED ENGINE_SIGN ENGINE_VERSION ENGINE_COLUMNS
        PARTITION_KEY SORTING_KEY PRIMARY_KEY SAMPLING_KEY TTL
        KAFKA_CONNECTION_NAME KAFKA_TOPIC KAFKA_GROUP_ID KAFKA_AUTO_OFFSET_RESET KAFKA_STORE_RAW_VALUE
        KAFKA_STORE_HEADERS KAFKA_KEY_FORMAT KAFKA_VALUE_FORMAT
        IMPORT_CONNECTION_NAME IMPORT_BUCKET_URI IMPORT_SCHEDULE IMPORT_FORMAT IMPORT_FROM_TIMESTAMP
        IMPORT_TABLE_ARN IMPORT_EXPORT_BUCKET PG_CONNECTION_NAME PG_TABLE
        """,
    FileKind.PIPE: """
        DESCRIPTION NODE SQL TYPE TOKEN TAGS CACHE DATASOURCE DEPLOYMENT_METHOD
        TARGET_DATASOURCE COPY_SCHEDULE COPY_MODE MODE ON_DEMAND_COMPUTE
        EXPORT_CONNECTION_NAME EXPORT_SCHEDULE EXPORT_BUCKET_URI EXPORT_FILE_TEMPLATE EXPORT_FORMAT EXPORT_COMPRESSION
        EXPORT_STRATEGY EXPORT_WRITE_STRATEGY EXPORT_KAFKA_TOPIC
        """,
    FileKind.CONNECTION: """
        DESCRIPTION TYPE
        KAFKA_BOOTSTRAP_SERVERS KAFKA_SECURITY_PROTOCOL KAFKA_SASL_MECHANISM KAFKA_KEY KAFKA_SECRET
        KAFKA_SCHEMA_REGISTRY_URL KAFKA_SSL_CA_PEM KAFKA_SASL_OAUTHBEARER_METHOD KAFKA_SASL_OAUTHBEARER_AWS_REGION
        KAFKA_SASL_OAUTHBEARER_AWS_ROLE_ARN KAFKA_SASL_OAUTHBEARER_AWS_EXTERNAL_ID
        S3_REGION S3_ARN S3_ACCESS_KEY S3_SECRET
        GCS_SERVICE_ACCOUNT_CREDENTIALS_JSON GCS_HMAC_ACCESS_ID GCS_HMAC_SECRET GCS_ACCESS_ID GCS_SECRET
        DYNAMODB_ARN DYNAMODB_REGION PG_HOST PG_PORT PG_DATABASE PG_USER PG_PASSWORD PG_SSL_MODE
        """,
}

INSTRUCTIONS = {kind: frozenset(words.split()) for kind, words in _WORDS.items()}
"""What each kind of file may say."""

IGNORED = {
    "VERSION": "VERSION is deprecated and has no effect",
    "IMPORT_SERVICE": "IMPORT_SERVICE is deprecated and has no effect: the connection names its service",
    "IMPORT_EXTERNAL_DATASOURCE": "IMPORT_EXTERNAL_DATASOURCE is deprecated and has no effect",
    "EXPORT_SERVICE": "EXPORT_SERVICE is deprecated and has no effect: the connection names its service",
    "KAFKA_TARGET_PARTITIONS": "KAFKA_TARGET_PARTITIONS is deprecated and has no effect",
}
"""Instructions that are read and do nothing, with what to tell about them."""

IGNORED_IN_PIPES = {"FILTER": "FILTER has no effect", "SCOPE": "SCOPE has no effect"} | {
    command: f"{command} has no effect in a pipe: the .datasource file that DATASOURCE names says it"
    for command in INSTRUCTIONS[FileKind.DATASOURCE]
    if command.startswith("ENGINE")
}
"""The same, in pipes alone. Materialized ones of the past had the engine of their target."""

REFUSED = {
    "INCLUDE": ("INCLUDE is not supported yet", "Write the included lines into this file"),
    "SOURCE": ("SOURCE is deprecated and not supported", None),
    "IMPORT_STRATEGY": ("IMPORT_STRATEGY is deprecated and not supported", None),
    "KAFKA_STORE_BINARY_HEADERS": ("KAFKA_STORE_BINARY_HEADERS is deprecated and not supported", None),
    "KAFKA_KEY_AVRO_DESERIALIZATION": (
        "KAFKA_KEY_AVRO_DESERIALIZATION is deprecated and not supported",
        "Use KAFKA_KEY_FORMAT avro",
    ),
    "SETTINGS": ("SETTINGS is not allowed, use ENGINE_SETTINGS instead", None),
}
"""Instructions that are known and refused: the message, and what to write instead."""

KNOWN = frozenset().union(*INSTRUCTIONS.values(), IGNORED, IGNORED_IN_PIPES, REFUSED)
"""Words that end a multi-line block when a line begins with one of them."""

_BLOCKS = frozenset(
    {"DESCRIPTION", "SCHEMA", "INDEXES", "SQL", "FORWARD_QUERY", "SHARED_WITH", "KAFKA_SSL_CA_PEM", "ENGINE"}
)


def takes_block(command: str) -> bool:
    """Whether `COMMAND >` may be followed by a block of lines."""
    return command in _BLOCKS or command.startswith("ENGINE_")
