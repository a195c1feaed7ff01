"""Settings: one frozen record, filled from defaults, a TOML file, the environment and the command line, in that order.

Every field carries its help text; the reference page and `stonechat serve --help` are checked against this table.
"""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from stonechat.errors import Kind, StonechatError

ENVIRONMENT_PREFIX = "STONECHAT_"
_NO_SETTINGS = frozenset({"STONECHAT_CONFIG", "STONECHAT_TOKEN", "STONECHAT_URL"})
"""Variables of the command line's own."""
_WANTED = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", Path: "a path"}


class InvalidSetting(StonechatError):
    """A setting has an unknown name or a value that does not fit."""

    code = "SC910"
    kind = Kind.INVALID


def _setting(default: Any, description: str, *, most: float = math.inf) -> Any:
    return field(default=default, metadata={"help": description, "most": most})


@dataclass(frozen=True, slots=True)
class Settings:
    """How one server runs. Sizes are in bytes, times in the unit that the name gives."""

    home: Path = _setting(Path("stonechat-data"), "Folder that holds everything the server keeps.")
    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int = _setting(7181, "Port to listen on; 0 means any that is free.")
    fsync: bool = _setting(
        True, "Sync the write-ahead log before a 202 answer. Off: a power loss may lose the last acknowledged events."
    )
    local_tokens: bool = _setting(
        True, "Answer GET /tokens, which hands the admin token to callers on this machine's loopback address."
    )
    linger_milliseconds: float = _setting(5.0, "How long a block waits for more events while a sender waits for it.")
    quiet_linger_milliseconds: float = _setting(50.0, "How long a block waits for more events while no sender waits.")
    bulk_linger_milliseconds: float = _setting(
        500.0, "How long a block waits at most while no sender waits and events come by the ten thousands."
    )
    max_connections: int = _setting(
        0,
        "Connections at a time before further ones get 503; 0 means half as many as the process may have files open.",
    )
    request_seconds: float = _setting(
        60.0,
        "How long the head of a request may take to arrive, and any 64 KB of its body, before it gets 408; "
        "0 means for ever.",
    )
    max_body_bytes: int = _setting(
        100_000_000, "Largest request body, after decompression; at most 500000000.", most=500_000_000
    )
    max_bodies_bytes: int = _setting(
        1_000_000_000, "Memory for request bodies of more than 1 MB that are under way before further ones get 503."
    )
    max_upload_bytes: int = _setting(500_000_000, "Largest file in a request, as it is sent.")
    max_file_bytes: int = _setting(10_000_000_000, "Largest file to import, decompressed, from a request or a URL.")
    url_seconds: float = _setting(30.0, "How long a URL that a file is imported from may send nothing.")
    allow_private_urls: bool = _setting(
        False, "Import from URLs of private networks and of this machine, which callers could then reach into."
    )
    missing_is_forbidden: bool = _setting(
        False, "Answer 403, as Tinybird does, and not 404, to a file for a data source that does not exist."
    )
    max_requests_per_second: float = _setting(
        0.0, "Requests that one token may make in a second before it gets 429; 0 means any number."
    )
    max_pending_bytes: int = _setting(
        256_000_000,
        "Events taken but not yet committed before callers get 503; large ones wait from half on.",
    )
    max_log_bytes: int = _setting(2_000_000_000, "Size of the write-ahead log at which callers get 503.")
    idempotency_keys: int = _setting(
        100_000, "Idempotency keys of events that are remembered: a request whose key is older counts again."
    )
    query_seconds: float = _setting(10.0, "Time limit of one query.")
    query_memory_bytes: int = _setting(1_000_000_000, "Memory limit of one query.")
    query_result_bytes: int = _setting(100_000_000, "Largest answer of one query.")
    query_connections: int = _setting(4, "Queries that run at the same time.")
    query_queue: int = _setting(256, "Queries that may wait for a connection before callers get 503.")
    cache_bytes: int = _setting(64_000_000, "Memory for answers that are kept while their data does not change.")
    spool_bytes: int = _setting(
        4_000_000_000, "Disk for answers of more than 1 MB on their way to slow callers before further ones get 503."
    )
    staging_hours: float = _setting(
        24.0, "How long a deployment may wait beside the live one to be promoted before it is discarded; 0: for ever."
    )
    job_threads: int = _setting(4, "Jobs that run at the same time; at least one does.")
    quarantine_days: int = _setting(30, "Days after which quarantined rows go; 0 means never.")
    copy_seconds: float = _setting(3600.0, "Time limit of the query of a copy pipe.")
    copy_memory_bytes: int = _setting(2_000_000_000, "Memory limit of the query of a copy pipe.")
    server_memory_bytes: int = _setting(0, "Memory limit of the engine; 0 means 60 % of the machine's.")
    telemetry: bool = _setting(
        True,
        "Keep the service data sources (`tinybird.pipe_stats_rt` and others): what was called and what was written.",
    )
    telemetry_days: int = _setting(
        90, "Days after which their rows go; some go after 30 days anyhow, and sums by day stay."
    )
    open_metrics: bool = _setting(
        False, "Answer GET /metrics without a token; it names workspaces and data sources, and none of their data."
    )
    log_level: str = _setting("info", "Least severe log lines to print: debug, info, warning or error.")

    @property
    def base_url(self) -> str:
        """The URL that clients on this machine use."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def engine_memory_bytes(self) -> int:
        """`server_memory_bytes`, or 60 % of the machine's memory where it is 0."""
        if self.server_memory_bytes:
            return self.server_memory_bytes
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 0.6)


def load_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from the defaults, then `file` (TOML), then STONECHAT_* variables, then `overrides` that are not None.

    Raises `InvalidSetting` naming the source, the key and what is wrong with it.
    """
    settings = Settings()
    if file is not None:
        settings = _with(settings, _read_toml(file), source=str(file))
    variables = os.environ if environment is None else environment
    known = {ENVIRONMENT_PREFIX + item.name.upper(): item.name for item in fields(Settings)}
    given = {known[name]: value for name, value in variables.items() if name in known}
    settings = _with(settings, given, source="the environment")
    chosen = {key: value for key, value in (overrides or {}).items() if value is not None}
    return _with(settings, chosen, source="the command line")


def unknown_variables(environment: Mapping[str, str] | None = None) -> Mapping[str, str | None]:
    """STONECHAT_* variables that mean nothing, each with the one that is probably meant.

    They are no error: whoever runs containers adds variables of its own, named after the service.
    """
    variables = os.environ if environment is None else environment
    known = sorted({ENVIRONMENT_PREFIX + item.name.upper() for item in fields(Settings)} | _NO_SETTINGS)
    unknown = sorted(name for name in variables if name.startswith(ENVIRONMENT_PREFIX) and name not in known)
    return {name: next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.8)), None) for name in unknown}


def _read_toml(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSetting(f"Cannot read the settings file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"The settings file {file} is not valid TOML: {error}") from error


def _with(settings: Settings, values: Mapping[str, Any], *, source: str) -> Settings:
    known = {item.name: item for item in fields(Settings)}
    changes: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise InvalidSetting(f"Unknown setting '{key}' in {source}", hint=f"Settings are: {', '.join(known)}.")
        changes[key] = _converted(known[key], value, source)
    return replace(settings, **changes)


def _converted(item: Field[Any], value: Any, source: str) -> Any:
    kind: type[Any] = type(item.default)
    try:
        converted = _boolean(value) if kind is bool else kind(value)
    except (TypeError, ValueError) as error:
        raise InvalidSetting(f"Setting '{item.name}' in {source} is not {_WANTED[kind]}: '{value}'") from error
    if kind in {int, float} and converted < 0:
        raise InvalidSetting(f"Setting '{item.name}' in {source} is negative: {value}")
    if kind in {int, float} and converted > item.metadata["most"]:
        raise InvalidSetting(f"Setting '{item.name}' in {source} is more than {item.metadata['most']}: {value}")
    return converted


def _boolean(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if str(value).lower() not in words:
        raise ValueError(value)
    return words[str(value).lower()]
