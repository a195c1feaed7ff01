"""The KAFKA_*, IMPORT_* and PG_* settings of a data source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from stonechat.datafile.problems import Findings, InvalidValue, MissingSettings
from stonechat.datafile.resources import Column
from stonechat.datafile.scanner import Instruction
from stonechat.datafile.schedules import schedule
from stonechat.datafile.values import choice, is_templated, switch
from stonechat.errors import Position
from stonechat.sql.types import parse_type

_PREFIXES = ("KAFKA_", "IMPORT_", "PG_")
_REQUIRED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "kafka": ("Kafka", ("KAFKA_CONNECTION_NAME", "KAFKA_TOPIC", "KAFKA_GROUP_ID")),
    "dynamodb": ("DynamoDB", ("IMPORT_CONNECTION_NAME", "IMPORT_TABLE_ARN", "IMPORT_EXPORT_BUCKET")),
    "import": ("connection", ("IMPORT_CONNECTION_NAME", "IMPORT_BUCKET_URI", "IMPORT_SCHEDULE")),
    "postgres": ("Postgres", ("PG_CONNECTION_NAME", "PG_TABLE")),
}
"""By subject: how messages call it, and what it needs."""
_KAFKA_COLUMNS: Mapping[str, tuple[str, str]] = {
    "__value": ("String", "''"),
    "__topic": ("LowCardinality(String)", "''"),
    "__partition": ("Int16", "0"),
    "__offset": ("Int64", "0"),
    "__timestamp": ("DateTime", "now()"),
    "__key": ("String", "''"),
    "__headers": ("Map(String, String)", "map()"),
}
"""What a Kafka data source has besides its SCHEMA: the type, and the value of rows that came by another way."""


def read_connector(given: Mapping[str, Instruction], findings: Findings) -> dict[str, str]:
    """The connector settings of a data source, keys in lower case; what is wrong or missing is reported."""
    own = {command: instruction for command, instruction in given.items() if command.startswith(_PREFIXES)}
    settings: dict[str, str] = {}
    for command, instruction in own.items():
        with findings.collecting():
            settings[command.lower()] = _setting(instruction)
    for subject in sorted({_subject(command, own) for command in own}):
        shown, required = _REQUIRED[subject]
        missing = [command for command in required if command not in own or not own[command].value.text]
        if missing:
            first = next(own[command] for command in own if _subject(command, own) == subject)
            findings.report(MissingSettings(shown, [command.lower() for command in missing], first.position))
    return settings


def connector_columns(settings: Mapping[str, str], columns: Sequence[Column], place: Position) -> tuple[Column, ...]:
    """The columns that a connector adds to those of SCHEMA: what Kafka says of each message, unless SCHEMA names it."""
    if "kafka_topic" not in settings:
        return ()
    named = {column.name for column in columns}
    if settings.get("kafka_store_headers") != "true":
        named.add("__headers")
    return tuple(
        Column(name, parse_type(type_name), None, default, None, place)
        for name, (type_name, default) in _KAFKA_COLUMNS.items()
        if name not in named
    )


def _subject(command: str, own: Mapping[str, Instruction]) -> str:
    if command.startswith("IMPORT_"):
        return "dynamodb" if "IMPORT_TABLE_ARN" in own or "IMPORT_EXPORT_BUCKET" in own else "import"
    return "kafka" if command.startswith("KAFKA_") else "postgres"


def _setting(instruction: Instruction) -> str:
    match instruction.command:
        case "KAFKA_AUTO_OFFSET_RESET":
            return choice(instruction, ("earliest", "latest"), templated=True)
        case "KAFKA_STORE_RAW_VALUE" | "KAFKA_STORE_HEADERS":
            return switch(instruction, templated=True)
        case "IMPORT_FORMAT":
            return choice(instruction, ("csv", "ndjson", "parquet"), templated=True)
        case "IMPORT_SCHEDULE":
            return schedule(instruction, ("@once", "@on-demand", "@auto"), cron=False)
        case "IMPORT_FROM_TIMESTAMP":
            return _timestamp(instruction)
        case _:
            return instruction.value.text


def _timestamp(instruction: Instruction) -> str:
    text = instruction.value.text
    try:
        if not is_templated(text):
            datetime.fromisoformat(text)
    except ValueError as error:
        message = f"Invalid value '{text}' for {instruction.command}"
        raise InvalidValue(message, instruction.value.position, hint="Use ISO 8601: 2025-01-31T12:00:00Z") from error
    return text
