"""Instructions of a `.connection` file to a connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stonechat.datafile.problems import DatafileProblem, Findings, MissingInstruction, MissingSettings
from stonechat.datafile.resources import Connection
from stonechat.datafile.scanner import Instruction, last_of_each
from stonechat.datafile.values import choice, one_of, text_of
from stonechat.errors import Position


class ForeignSetting(DatafileProblem):
    """A connection has a setting of another type of connection."""

    code = "SC151"


@dataclass(frozen=True, slots=True)
class _Rule:
    """The settings of a type: how they begin, and the sets of which one must be complete."""

    prefix: str
    required: tuple[tuple[str, ...], ...]


_RULES = {
    "kafka": _Rule("KAFKA_", (("KAFKA_BOOTSTRAP_SERVERS",),)),
    "s3": _Rule("S3_", (("S3_REGION", "S3_ARN"), ("S3_REGION", "S3_ACCESS_KEY", "S3_SECRET"))),
    "gcs": _Rule("GCS_", (("GCS_SERVICE_ACCOUNT_CREDENTIALS_JSON",), ("GCS_HMAC_ACCESS_ID", "GCS_HMAC_SECRET"))),
    "dynamodb": _Rule("DYNAMODB_", (("DYNAMODB_ARN", "DYNAMODB_REGION"),)),
    "postgres": _Rule("PG_", (("PG_HOST", "PG_DATABASE", "PG_USER"),)),
}
_CALLED_NOW = {"GCS_ACCESS_ID": "GCS_HMAC_ACCESS_ID", "GCS_SECRET": "GCS_HMAC_SECRET"}
_CHOICES = {
    "KAFKA_SECURITY_PROTOCOL": ("SASL_SSL", "SASL_PLAINTEXT", "PLAINTEXT"),
    "KAFKA_SASL_MECHANISM": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"),
    "KAFKA_SASL_OAUTHBEARER_METHOD": ("AWS",),
}


def read_connection(name: str, instructions: Sequence[Instruction], start: Position, findings: Findings) -> Connection:
    """The connection that the instructions describe. What is wrong is reported, not raised."""
    given = last_of_each(instructions, findings)
    kind = _type(given.get("TYPE"), start, findings)
    settings: dict[str, str] = {}
    for command, instruction in given.items():
        if command not in {"TYPE", "DESCRIPTION"}:
            with findings.collecting():
                settings[_CALLED_NOW.get(command, command)] = _setting(kind, instruction)
    _check_complete(kind, settings, given, findings)
    return Connection(
        name=name,
        type=kind,
        settings={command.lower(): value for command, value in settings.items()},
        position=start,
        description=text_of(given.get("DESCRIPTION")),
        notices=findings.notices,
    )


def _type(instruction: Instruction | None, start: Position, findings: Findings) -> str:
    with findings.collecting():
        if instruction is None or not instruction.value.text:
            position = instruction.position if instruction else start
            raise MissingInstruction("TYPE is mandatory", position, hint=one_of(list(_RULES)))
        return choice(instruction, list(_RULES))
    return ""


def _setting(kind: str, instruction: Instruction) -> str:
    command = instruction.command
    if kind in _RULES and not command.startswith(_RULES[kind].prefix):
        raise ForeignSetting(f"{command} is not a valid option for connections of type {kind}", instruction.position)
    if command in _CHOICES:
        return choice(instruction, _CHOICES[command], templated=True)
    return text_of(instruction)


def _check_complete(
    kind: str, settings: Mapping[str, str], given: Mapping[str, Instruction], findings: Findings
) -> None:
    """Report what is missing from the set of required settings that comes closest to being complete."""
    if kind in _RULES:
        longest_first = sorted(_RULES[kind].required, key=len, reverse=True)
        gaps = [[command for command in needed if not settings.get(command)] for needed in longest_first]
        missing = min(gaps, key=len)
        if missing:
            place = given["TYPE"].position
            findings.report(MissingSettings(f"{kind} connection", [command.lower() for command in missing], place))
